"""Files of Kernel Tuner and KTT, and T4: one table, mended where it was left open, else named."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pandas as pd
import pytest

from dsice import Goal, Source, Space, Tuner, run
from dsice.errors import TableError
from dsice.launchers import Table
from dsice.reuse.results import read_results
from tests.integrations.conftest import LEVELS, cache, cache_text, measured

STATUS = {True: "Ok", False: "ComputationFailed"}


def t4() -> dict[str, Any]:
    """As Kernel Tuner 1.5 writes it."""
    results = []
    for params, time in measured():
        times = {"compilation": 100.0, "benchmark": 50.0, "validation": 0, "framework": 1.0}
        measurements = [{"name": "time", "value": time, "unit": "ms"}] if time is not None else []
        results.append(
            {
                "configuration": params,
                "times": {**times, "runtimes": [time, time] if time is not None else []},
                "invalidity": "correct" if time is not None else "runtime",
                "correctness": 1,
                "measurements": measurements,
                "objectives": ["time"],
            }
        )
    return {"results": results, "schema_version": "1.0.0", "metadata": {"timeunit": "milliseconds"}}


def ktt() -> dict[str, Any]:
    """As KTT writes it, in microseconds."""
    results = []
    for params, time in measured():
        total = 0.0 if time is None else 1000 * time
        results.append(
            {
                "Configuration": [
                    {
                        "Name": name,
                        "Value": value,
                        "ValueType": "String" if isinstance(value, str) else "UnsignedInt",
                    }
                    for name, value in params.items()
                ],
                "ComputationResults": [{"Duration": total, "Overhead": 1.0}],
                "KernelName": "k",
                "Status": STATUS[time is not None],
                "TotalDuration": total,
                "TotalOverhead": 150_000.0 - total,
            }
        )
    metadata = {"Device": "some GPU", "KttVersion": "2.1.0", "TimeUnit": "Microseconds"}
    return {"Metadata": metadata, "Results": results}


def ktt_xml() -> str:
    """As KTT writes it as XML."""
    content = ktt()

    def attributes(record: dict[str, Any]) -> str:
        plain = {k: v for k, v in record.items() if not isinstance(v, list)}
        return " ".join(f"{name}={quoteattr(str(value))}" for name, value in plain.items())

    results = "".join(
        f"<KernelResult {attributes(result)}><Configuration>"
        + "".join(f"<Pair {attributes(pair)}/>" for pair in result["Configuration"])
        + "</Configuration><ComputationResults>"
        + "".join(f"<ComputationResult {attributes(c)}/>" for c in result["ComputationResults"])
        + "</ComputationResults></KernelResult>"
        for result in content["Results"]
    )
    head = f'<?xml version="1.0"?>\n<TuningData><Metadata {attributes(content["Metadata"])}/>'
    return f"{head}<Results>{results}</Results></TuningData>"


FILES = {
    "old cache": cache_text(cache(old=True)),
    "cache": cache_text(cache()),
    "pretty cache": json.dumps(cache(), indent=4),
    "t4": json.dumps(t4(), indent=2),
    "ktt": json.dumps(ktt()),
    "ktt xml": ktt_xml(),
}


def write(folder: Path, text: str, ending: str = ".json") -> Path:
    path = folder / f"results{ending}"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", FILES)
def test_the_same_data_are_the_same_table_in_every_format(name: str, tmp_path: Path) -> None:
    found = read_results(write(tmp_path, FILES[name], ".xml" if "xml" in name else ".json"))
    assert found.objective == "time" and found.params == tuple(LEVELS)
    rows = [
        {
            **params,
            "time": math.nan if time is None else time,
            "seconds": 0.15,
            "valid": time is not None,
            "invalidity": "correct" if time is not None else "runtime",
        }
        for params, time in measured()
    ]
    expected = pd.DataFrame(rows)
    pd.testing.assert_frame_equal(found.frame[list(expected.columns)], expected)


def test_what_else_was_measured_is_kept(tmp_path: Path) -> None:
    found = read_results(write(tmp_path, FILES["cache"]), "GFLOP/s")
    assert found.objective == "GFLOP/s" and found.maximize and found.device == "some GPU"
    good = found.frame[found.frame["valid"]]
    assert (good["GFLOP/s"] * good["time"]).round(9).eq(10).all()


@pytest.mark.parametrize("name", FILES)
def test_they_are_replayed_and_reused_by_their_path(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, FILES[name], ".xml" if "xml" in name else ".json")
    table = Table(path)
    assert table.objective == "time" and table.optimum()[1] == 1.0
    tuner = run(Tuner(table.space, max_trials=6, reuse=[path]), table, progress=False)
    assert tuner.best is not None and tuner.best.value == 1.0
    with pytest.raises(TableError, match=r"no objective 'energy'.*time"):
        Table(path, objective="energy")


def test_a_source_has_the_goal_of_its_file_unless_ours_is_in_it(tmp_path: Path) -> None:
    content = cache()
    content["objective"] = "GFLOP/s"
    path = write(tmp_path, json.dumps(content))
    space = Space({name: sorted(values) for name, values in LEVELS.items()})
    assert "maximising GFLOP/s" in Source(path).report(space)
    assert "minimising time" in Source(path).report(space, Goal("time"))
    assert "minimising time" in Source(path, "time", False).report(space)


def test_a_compressed_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cache.json.gz"
    path.write_bytes(gzip.compress(FILES["cache"].encode()))
    assert len(read_results(path).frame) == len(measured())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TableError, match="cannot be read"):
        read_results(path)


# ---------------------------------------------------------------- left open, cut, damaged


def test_a_cache_is_mended_or_named_at_every_cut(tmp_path: Path) -> None:
    """An independent count of the whole entries is what must come of it."""
    text = FILES["cache"]
    body = text.index('"cache"')
    ends = [i + 1 for i, c in enumerate(text) if c == "}" and i > body][: len(measured())]
    for cut in range(body, len(text), 23):
        path = write(tmp_path, text[:cut])
        whole = sum(end <= cut for end in ends)
        tail = text[ends[whole - 1] if whole else body : cut].strip(" \n,}")
        try:
            found = len(read_results(path).frame)
        except TableError as error:
            assert tail or not whole
            assert "cut within a result" in str(error) or "without results" in str(error)
        else:
            assert found == whole and not tail


@pytest.mark.parametrize("end", ["", ",", ",\n", "\n", "}", "}\n", "}\n}"])
def test_an_unfinished_cache_is_mended(end: str, tmp_path: Path) -> None:
    text = FILES["cache"].removesuffix("}\n}") + end
    assert len(read_results(write(tmp_path, text)).frame) == len(measured())


def test_a_torn_line_is_named(tmp_path: Path) -> None:
    text = FILES["cache"].removesuffix("}\n}")[:-40]
    path = write(tmp_path, text)
    last = text.count("\n") + 1
    with pytest.raises(TableError, match=rf"results.json is cut within a result.*line, {last}"):
        read_results(path)
    lines = text.splitlines()
    lines[-5] = lines[-5][:30]  # a later run of Kernel Tuner went on behind it
    number = len(lines) - 4
    with pytest.raises(TableError, match=f"is damaged in line ({number}|{number + 1})"):
        read_results(write(tmp_path, "\n".join(lines)))


BROKEN: dict[str, Any] = {
    "": "is empty",
    "[]": "no known format",
    '{"a": 1}': "no known format",
    "<html/>": "no known format",
    "<TuningData>": "damaged or cut",
    "[" * 100_000: "nested too deeply|cut within",
    json.dumps({**cache(), "cache": {}}): "without results",
    json.dumps({**cache(), "cache": []}): "are a list and an object",
    json.dumps({**cache(), "cache": {"1": {"tile": 1}}}): "entry '1'.*no values of",
    json.dumps({"results": [{}], "schema_version": "1.0.0"}): "result 0 has no configuration",
    json.dumps({"results": [3], "schema_version": "1.0.0"}): "result 0 has no configuration",
    json.dumps(
        {"results": [{"configuration": {"a": 1}, "times": 3}], "schema_version": "1"}
    ): "complete",
    json.dumps({"Results": [{"Status": "Ok"}], "Metadata": {}}): "result 0 is none of KTT's",
    json.dumps({"Results": 3, "Metadata": {}}): "no complete an output",
}


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_what_cannot_be_read_is_named(number: int, tmp_path: Path) -> None:
    text, reason = list(BROKEN.items())[number]
    with pytest.raises(TableError, match=reason) as raised:
        read_results(write(tmp_path, text))
    assert "results.json" in str(raised.value)


def test_results_with_other_parameters_are_named(tmp_path: Path) -> None:
    content = t4()
    del content["results"][3]["configuration"]["tile"]
    with pytest.raises(TableError, match="result 3 has the parameters block_size_x, method"):
        read_results(write(tmp_path, json.dumps(content)))


def test_a_parameter_may_be_a_list(tmp_path: Path) -> None:
    content = t4()
    for result in content["results"]:
        result["configuration"]["shape"] = [result["configuration"]["tile"], [1]]
    table = Table(write(tmp_path, json.dumps(content)))
    assert (2, (1,)) in table.space.axes["shape"].values


def test_times_before_there_were_words_for_failures_are_failures(tmp_path: Path) -> None:
    content = cache(old=True)
    first = next(iter(content["cache"].values()))
    first["time"] = 1e20
    frame = read_results(write(tmp_path, json.dumps(content))).frame
    assert not frame["valid"][0] and frame["invalidity"][0] == "runtime"


def test_ktt_through_its_own_converter_is_the_same_table(tmp_path: Path) -> None:
    """KTT comes with a script that makes T4 of its output: microseconds, other names."""
    results = []
    for result in ktt()["Results"]:
        good = result["Status"] == "Ok"
        results.append(
            {
                "configuration": {p["Name"]: p["Value"] for p in result["Configuration"]},
                "objectives": ["TotalDuration"],
                "times": {
                    "compilation_time": result["TotalOverhead"],
                    "runtimes": [result["TotalDuration"]],
                    "validation": 0.0,
                },
                "invalidity": "correct" if good else "runtime",
                "correctness": 1,
                "measurements": [
                    {
                        "name": "TotalDuration",
                        "value": result["TotalDuration"],
                        "unit": "Microseconds",
                    }
                ],
            }
        )
    content = {"schema_version": "1.0.0", "results": results}
    one = read_results(write(tmp_path, json.dumps(content))).frame
    other = read_results(write(tmp_path, json.dumps(ktt()))).frame
    pd.testing.assert_frame_equal(one, other)
