"""Output of KTT as XML, turned into what its JSON would say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

_NUMBERS = ("TotalDuration", "TotalOverhead", "PowerUsage", "EnergyConsumption")


def is_xml(text: str) -> bool:
    """Whether this is XML."""
    return text.lstrip("\ufeff \t\r\n").startswith("<")


def read_xml(text: str) -> Any:
    """The content of an output of KTT; None: the XML is something else.

    Raises
    ------
    xml.etree.ElementTree.ParseError
        It is no XML.
    """
    root = ElementTree.fromstring(text.lstrip("\ufeff \t\r\n"))
    metadata = root.find("Metadata")
    if root.tag != "TuningData" or metadata is None:
        return None
    results = root.findall("Results/KernelResult")
    return {"Metadata": dict(metadata.attrib), "Results": [_result(node) for node in results]}


def _result(node: ElementTree.Element) -> dict[str, Any]:
    return {
        **_attributes(node),
        "Configuration": [
            {"Name": pair.attrib["Name"], "Value": _value(pair.attrib)}
            for pair in node.findall("Configuration/Pair")
        ],
        "ComputationResults": [
            {**_attributes(result), "ProfilingData": {"Counters": _counters(result)}}
            for result in node.findall("ComputationResults/ComputationResult")
        ],
    }


def _attributes(node: ElementTree.Element) -> dict[str, Any]:
    return {
        name: float(value) if name in _NUMBERS else value for name, value in node.attrib.items()
    }


def _counters(node: ElementTree.Element) -> list[dict[str, Any]]:
    return [
        {"Name": counter.attrib["Name"], "Value": float(counter.attrib["Value"])}
        for counter in node.findall("ProfilingData/Counters/Counter")
    ]


def _value(pair: Mapping[str, str]) -> Any:
    """The value of a parameter, of the type that KTT says."""
    kind, value = pair.get("ValueType", ""), pair["Value"]
    if kind in ("Int", "UnsignedInt"):
        return int(value)
    if kind in ("Double", "Float"):
        return float(value)
    return value == "true" if kind == "Bool" else value
