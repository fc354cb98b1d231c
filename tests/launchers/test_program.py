"""Shell commands with placeholders."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice.errors import LaunchError
from dsice.launchers.program import Command


def render(text: str, **params: object) -> str:
    return Command.parse(text).render(params)


def test_values_are_written_as_in_python() -> None:
    params = {"lr": 1e-05, "n": 3, "flag": True, "none": None}
    assert render("p {lr} {n} {flag} {none} {n}", **params) == "p 1e-05 3 True None 3"
    assert render("p {lr} {n}", lr=np.float64(0.1).item(), n=np.int64(3)) == "p 0.1 3"


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
def test_the_shell_sees_any_string_as_one_argument(text: str) -> None:
    shown = subprocess.run(
        ["/bin/sh", "-c", render("printf %s {x}", x=text)], capture_output=True, check=True
    ).stdout
    assert shown.decode() == text


def test_braces_and_defaults() -> None:
    assert render("awk '{{print $1}}' {x}", x=1) == "awk '{print $1}' 1"
    assert render("p --m={m:0.9} {k:}", m=0.5) == "p --m=0.5 "
    assert render("p --m={m:0.9} {k:}", k=2) == "p --m=0.9 2"
    assert render("{a:b}", **{"a:b": 7}) == "7"


@pytest.mark.parametrize("text", ["p {", "p }", "p {}", "awk {print {x}}"])
def test_a_lone_brace_is_refused(text: str) -> None:
    with pytest.raises(LaunchError, match=r"doubled|lone|brace"):
        Command.parse(text)


def test_an_unknown_placeholder_names_itself_and_the_known_ones() -> None:
    with pytest.raises(LaunchError, match=r"\{momentun\}.*lr, momentum.*momentun:default"):
        render("p {lr} {momentun}", lr=0.1, momentum=0.9)
    with pytest.raises(LaunchError, match="HOME"):
        render("${HOME}/p {lr}", lr=0.1)


def test_unused_parameters_are_found() -> None:
    assert Command.parse("p {lr} {m:0}").unused({"lr": 1, "m": 2, "depth": 3}) == ["depth"]
