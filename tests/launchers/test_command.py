"""Shell commands with placeholders."""

from __future__ import annotations

import re
import shlex
import subprocess
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice import DsiceError, Goal, Ordinal, Tuner, When, run
from dsice.errors import LaunchError
from dsice.launchers import Batch, Job, Local
from dsice.launchers.command import Command
from dsice.launchers.shell import BARE, COMMENT, DOUBLE, EXPANSION, HERE, SINGLE, contexts
from dsice.launchers.spelling import nearest
from dsice.strategies import Grid


def render(text: str, **params: object) -> str:
    return Command.parse(text, params).render(params)


def shell(command: str) -> str:
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True)
    return done.stdout.decode()


def test_values_are_written_as_in_python() -> None:
    params = {"lr": 1e-05, "n": 3, "flag": True, "none": None}
    assert render("p {lr} {n} {flag} {none} {n}", **params) == "p 1e-05 3 True None 3"
    assert render("p {lr} {n}", lr=np.float64(0.1).item(), n=np.int64(3)) == "p 0.1 3"


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30))
def test_the_shell_sees_any_string_as_one_argument(text: str) -> None:
    assert shell(render("printf %s {x}", x=text)) == text
    assert shell(render("""printf %s "$(printf '%s|' {x})" """, x=text)) == f"{text}|"


# ------------------------------------------------------------------ what is a placeholder
LEFT_ALONE = [
    "run ${THREADS:-4} ${x} ${x:-{x}} $HOME",
    'python -c \'print({"x": 1, "y": {"z": [1, {}]}})\'',
    'curl -d \'{"model": {"lr": 0.1}, "xs": [{}, {"x": 2}]}\' host',
    "train --config '{lr: 0.1, x: 3, inner: {x: 4}}'",
    "awk '{s += $2} END {print s, x}' log",
    "awk '/loss/{print $NF}' log | tail -n 1",
    "python -c \"print(f'{value:.3f} {1 + 1}')\"",
    "find . -name '*.o' -exec rm {} \\;",
    "git show HEAD@{1}; ls file.{c,h} {1..3}",
    "f() { echo hello; }; f",
    "c++ -DINIT={1,2}",
    "jq '.[] | {name, size}' a.json",
    "echo \\{x\\}",
    "perl -ne '$h{$1}++ while /(\\w+)/g' log",
    "xargs -I{} cp {} out",
]


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_braces_of_others_stay_as_they_are(text: str) -> None:
    assert render(f"{text} # {{x}}", x=5) == f"{text} # 5"


def test_json_around_a_placeholder() -> None:
    text = """printf %s '{"a": {"lr": '{lr}'}}'"""
    assert shell(render(text, lr=0.1)) == '{"a": {"lr": 0.1}}'
    assert render("a{{{x}}}b {{x}} {{{{x}}}}", x=5) == "a{5}b {x} {{x}}"


TOKENS = st.sampled_from(["{{", "}}", "{x}", "{y}", "{m:0.9}", "{m:}", "a", " ", "b-c", "7", ","])


def as_in_0_1_0(text: str, params: dict[str, Any]) -> str | None:
    """What dsice 0.1.0 made of a command, in its own way; None: it refused it."""
    made, end = "", 0
    for match in re.finditer(r"\{\{|\}\}|\{([^{}]*)\}|[{}]", text):
        made += text[end : match.start()]
        end = match.end()
        name, colon, default = (match[1] or "").partition(":")
        if match[0] in ("{{", "}}"):
            made += match[0][0]
        elif name in params or (name and colon):
            made += shlex.quote(str(params[name])) if name in params else default
        else:
            return None
    return made + text[end:]


@settings(max_examples=300, deadline=None)
@given(st.lists(TOKENS, max_size=14))
def test_what_0_1_0_made_of_doubled_braces_and_placeholders_is_still_made(
    tokens: list[str],
) -> None:
    text = "".join(tokens)
    params = {"x": 5, "y": "a b"}
    expected = as_in_0_1_0(text, params)
    if expected is not None:
        assert Command.parse(text, ["x", "y", "m"]).render(params) == expected
        assert Command.parse(text, params, partial=True).render(params) == expected


@pytest.mark.parametrize(
    ("text", "names", "advice"),
    [
        ("p {momentum} {momentun:0.9}", ["momentum"], "{momentum:0.9}"),
        ("p {Lr}", ["lr"], "{lr}"),
        ("p {learning-rate}", ["learning_rate"], "{learning_rate}"),
        ("p {mom} {momentum}", ["momentum"], "{momentum}"),
        ("p {x2} {x1} {x3}", ["x1", "x3"], "{x1}"),
        ("p { lr }", ["lr"], "{lr}"),
        ("p {lr!r}", ["lr"], "{lr}"),
        ("p {lr=0.1}", ["lr"], "{lr}"),
        ("p {lr", ["lr"], "closing brace"),
        ("p {amq?--amp} {amp?--amp}", ["amp"], "{amp?--amp}"),
        ("p {limi?--limit {limit}}", ["limit"], "{limit?--limit"),
        ("p {*flag} {*flags}", ["flags"], "{*flags}"),
        ("p {lr:{n}} {n}", ["lr", "n"], "a default cannot hold"),
        ("p {amp?}", ["amp"], "{amp?--amp}"),
        ("p {rate}", ["lr"], "{lr}, which is not in the command"),
        ("p {lr} {DSICE_DIR}", ["lr"], "$DSICE_DIR"),
        ("p '{momentun}' {momentum}", ["momentum"], "{momentum}"),
    ],
)
def test_what_looks_like_a_misspelt_parameter_is_refused(
    text: str, names: list[str], advice: str
) -> None:
    with pytest.raises(LaunchError) as refused:
        Command.parse(text, names)
    assert advice in str(refused.value) and repr(text) in str(refused.value)


def test_a_name_is_near_where_a_person_would_see_it() -> None:
    assert nearest("batchsize", ["lr", "batch_size"]) == "batch_size"
    assert nearest("upstream", ["lr", "batch_size"]) is None
    assert nearest("i", ["lr", "n"]) is None


def test_a_name_that_holds_a_colon_or_a_dot() -> None:
    params = {"a:b": 7, "a": 1, "model.lr": 0.1, "batch-size": 32}
    text = "p {a:b} {a:2} {model.lr:9} {batch-size}"
    assert Command.parse(text, params).render(params) == "p 7 1 0.1 32"


def test_a_job_without_a_study_may_have_other_parameters() -> None:
    def parsed(text: str, **params: object) -> str:
        return Command.parse(text, params, partial=True).render(params)

    assert parsed("p --m={m:0.9} {k:}", m=0.5) == "p --m=0.5 "
    with pytest.raises(LaunchError, match=r"\{momentun\}.*lr, momentum.*momentun:DEFAULT"):
        parsed("p {lr} {momentun}", lr=0.1, momentum=0.9)
    assert parsed("${HOME}/p {lr}", lr=0.1) == "${HOME}/p 0.1"


def test_unused_parameters_are_found() -> None:
    params = {"lr": 1, "m": 2, "depth": 3, "amp": True, "n": 4}
    command = Command.parse("p {lr} {m:0} {amp?--amp {n}}", params)
    assert command.unused(params) == ["depth"]


# ------------------------------------------------------------------ quotes
@pytest.mark.parametrize(
    "text",
    [
        "echo '{x}'",
        'echo "a {x} b"',
        """sh -c "prog '{x}'" """,
        """echo "$(date) {x}" """,
        "echo it's {x}",
        'echo "\\"{x}"',
        "echo $(printf '{x}')",
        "echo '{x?--amp}'",
        "echo '{*x}'",
        "echo '{x:.3f}'",
    ],
)
def test_a_placeholder_in_quotes_of_the_users_is_refused(text: str) -> None:
    with pytest.raises(LaunchError, match=r"inside .*would run.*end the quotes"):
        Command.parse(text, ["x"])


@pytest.mark.parametrize(
    "text",
    [
        """echo "$(printf %s {x})" """,
        "echo `printf %s {x}`",
        "echo 'a'{x}\"b\"",
        "echo \\'{x}\\'",
        "(echo {x}) # don't",
        "# it's\necho {x}",
        'printf %s "a\\\\"{x}',
        "echo $(( {x} * 2 )) 'a'",
    ],
)
def test_a_placeholder_between_quotes_is_none_in_quotes(text: str) -> None:
    assert "5" in shell(render(text, x=5)) or "10" in shell(render(text, x=5))


def test_contexts_of_a_shell() -> None:
    def of(text: str) -> list[str]:
        return [contexts(text)[i] for i, char in enumerate(text) if char == "@"]

    assert of("""@ '@' "@ $(@ '@') @" ${a:-@} @ `@` #@""") == [
        *(BARE, SINGLE, DOUBLE, BARE, SINGLE, DOUBLE, EXPANSION, BARE, BARE, COMMENT)
    ]
    assert of("cat <<A <<-'B' @\n@ it's\nA\n\t@\n\tB\n@") == [BARE, HERE, HERE, BARE]
    assert of("a#@ <<<@ $(( 1 << 2 )) @") == [BARE] * 3


def test_a_here_document_and_a_comment() -> None:
    text = "cat <<END\nlr: {lr}\nname: {name}\nEND\n# {name}\necho {lr}"
    assert shell(render(text, lr=0.1, name="a b")) == "lr: 0.1\nname: a b\n0.1\n"
    with pytest.raises(LaunchError, match="here-document"):
        render(text, lr=0.1, name="$(touch danger)")
    with pytest.raises(LaunchError, match="comment"):
        render("prog # {name}", name="a\ntouch danger")


# ------------------------------------------------------------------ formats, flags, words, None
def test_formats() -> None:
    assert render("{x:.3f} {x:.2e} {n:03d} {x:.0%} {n:#x}", x=0.12345, n=7) == (
        "0.123 1.23e-01 007 12% 0x7"
    )
    assert render("{n:03d} {x:d} {b:d}", n=7.0, x=3, b=True) == "007 3 1"
    command = Command.parse("p {m:.2f:0.9} {m:0.5} {mode:3d}", ["m", "mode"])
    assert command.render({"m": 0.123, "mode": "2d"}) == "p 0.12 0.123 2d"
    assert command.render({}) == "p 0.9 0.5 3d"
    for text, value in (("{x:.3f}", "adam"), ("{x:03d}", 0.5), ("{x:.1f}", True)):
        with pytest.raises(LaunchError, match="format"):
            render(text, x=value)


def test_a_flag_that_is_present_or_absent() -> None:
    assert render("p {amp?--amp} -v", amp=True) == "p --amp -v"
    assert render("p {amp?--amp} -v", amp=False) == "p  -v"
    assert Command.parse("p {amp?--amp} -v", ["amp"]).render({}) == "p  -v"
    for value in (0, 1, "yes", 0.5):
        with pytest.raises(LaunchError, match="True, False or None"):
            render("p {amp?--amp}", amp=value)


def test_none_left_out() -> None:
    text = "p {limit?--limit {limit:03d}} {limit}"
    assert render(text, limit=5) == "p --limit 005 5"
    assert render(text, limit=None) == "p  None"
    assert render("p {limit?--limit {limit}}", limit=0) == "p --limit 0"


def test_several_words() -> None:
    count = """sh -c 'echo $#' - {*flags}"""
    assert shell(render(count, flags="-O3 -march='a b' $(date)")) == "3\n"
    assert shell(render(count, flags="")) == "0\n"
    assert shell(render("printf '%s|' {*flags}", flags="a 'b c' $HOME")) == "a|b c|$HOME|"
    assert render("p --tile {*tile}", tile=(16, 8)) == "p --tile 16 8"
    assert Command.parse("p {*flags:-O2}", ["flags"]).render({}) == "p -O2"
    with pytest.raises(LaunchError, match="No closing quotation"):
        render("p {*flags}", flags="it's")


# ------------------------------------------------------------------ before anything is started
SPACE: dict[str, Any] = {
    "optimizer": ["sgd", "adam"],
    "momentum": [0.0, 0.9],
    "lr": Ordinal.log(1e-3, 1e-1, 3),
}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("echo {lr} {momentun:0.9} {momentum:0}", "momentum"),
        ("echo '{lr}'", "end the quotes"),
        ("echo {lr} {momentum}", r"momentum:DEFAULT"),
    ],
)
@pytest.mark.parametrize("launcher", [Local, Batch])
def test_a_wrong_command_is_refused_before_anything_is_asked(
    command: str, reason: str, launcher: Any, tmp_path: Any
) -> None:
    from dsice import Space

    space = Space(SPACE, where=[When("optimizer == 'sgd'", "momentum")])
    with Tuner(space, goal=Goal("value")) as tuner:
        with pytest.raises(DsiceError, match=reason):
            run(tuner, launcher(command, directory=tmp_path / "t"), progress=False)
        assert not len(tuner.history)


def test_a_conditional_parameter_is_known_in_trials_without_it(tmp_path: Any) -> None:
    from dsice import Space

    space = Space(SPACE, where=[When("optimizer == 'sgd'", "momentum")])
    command = "echo {lr} {momentum?-m {momentum}} ${T:-4} {optimizer} >> all; echo 1"
    with Tuner(space, Grid()) as tuner, Local(f"cd {tmp_path}; {command}", slots=1) as launcher:
        run(tuner, launcher, progress=False)
    lines = (tmp_path / "all").read_text().splitlines()
    assert len(lines) == 9 and "0.1 -m 0.9 4 sgd" in lines and "0.1 4 adam" in lines


def test_a_dry_run_shows_the_command() -> None:
    launcher = Batch("train {lr:.3f} {amp?--amp}", directory="c.trials")
    script = launcher.dry_run([Job(0, {"lr": 0.1, "amp": True})])[0]
    assert "train 0.100 --amp" in script.text
