"""Shell commands with placeholders."""

from __future__ import annotations

import re
import shlex
import subprocess
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsice import Choice, DsiceError, Goal, Ordinal, Tuner, When, run
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
        "cat <<'E''{x}'",
        'cat <<-E"{x}"\n',
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


@pytest.mark.parametrize(
    "text",
    [
        "n=$((1 << 3))\n{}",
        "n=$(( (1 << 3) + 1 ))\n{}",
        'cat <<E"O"F\nit\'s\nEOF\n{}',
        "cat <<\\EOF\n$(\nEOF\n{}",
        "cat << 'E F'\n`\nE F\n{}",
        "cat <<<w\n{}",
        "(( a = 1 << 3 ))\n{}",
        '((echo a); (echo b))\ncat <<E\n"\nE\n{}',
    ],
)
def test_what_is_behind_two_smaller_signs_is_quoted_as_elsewhere(text: str) -> None:
    value = "a  b; echo 'c'"
    filled = render(text.format("printf %s {x}"), x=value)
    assert filled == text.format(f"printf %s {shlex.quote(value)}")
    if "((" not in text.removeprefix("n=$") and "<<<" not in text:  # not of every shell
        assert shell(filled).endswith(value)


@pytest.mark.parametrize(
    "text",
    [
        "cat <<END\n{x}\n",
        "echo $'it\\'s {x}'",
        "echo $'\\'' '{x}' ''",
        "a ${{y}{x}}",
        "cat <<A <<B\nA\n{x}",
    ],
)
def test_a_place_that_is_not_clear_is_refused(text: str) -> None:
    with pytest.raises(LaunchError, match=r"\{x\} behind .*not clear"):
        Command.parse(text, ["x"])
    assert Command.parse(f"echo {{x}}\n{text.replace('{x}', '')}", ["x"]).render({"x": 1})


@pytest.mark.parametrize(("line", "value"), [("{x}", "END"), ("E{x}", "ND"), ("\t{x}", "END")])
def test_no_value_ends_a_here_document(line: str, value: str) -> None:
    text = f"cat <<-END\n{line}\n\tEND\necho"
    assert shell(render(text, x="end")).endswith("end\n\n")
    with pytest.raises(LaunchError, match="'END', which ends the here-document"):
        render(text, x=value)


PIECES = st.sampled_from(
    [
        "n=$((1 << 2))\n",
        "# it's {braces}\n",
        "cat <<E >/dev/null\n'\" $(( {x} ))\nE\n",
        "cat <<-'E' >/dev/null\n`\n\tE\n",
        ": \"$(printf '%s' ')\"')\" ;",
        ": 'a' \"b\\\"\" \\' ${HOME:-{x}} ;",
        "(: a); ( (: b) );",
        ': `echo 1` $(: "x y" {x}) ;',
        "case a in b) : ;; esac\n",
        "printf '<%s>' {x};",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=6))
def test_whatever_stands_before_it_a_value_is_one_word(pieces: list[str]) -> None:
    text = "".join([*pieces, "\nprintf '<%s>' {x}"])
    value = "a  b; it 's \"c"
    told = pieces.count("printf '<%s>' {x};") + 1
    assert shell(render(text, x=value)) == told * f"<{value}>"


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


def test_formats_with_signs_fills_and_widths() -> None:
    assert render("[{x: .3f}|{x:>8.2f}|{n:_d}|{n:*^9,d}]", x=0.5, n=1234) == (
        "[' 0.500'|'    0.50'|1_234|'**1,234**']"
    )


@pytest.mark.parametrize("spec", [".3d", ",x", "099999f", ".99999f", "_e"])
def test_what_is_no_format_is_refused(spec: str) -> None:
    if spec == "_e":  # it is one
        assert render(f"{{x:{spec}}}", x=1.5) == "1.500000e+00"
        return
    with pytest.raises(LaunchError, match="is no format"):
        Command.parse(f"p {{x:{spec}}}", ["x"])


def test_a_number_that_no_format_can_write_is_refused() -> None:
    with pytest.raises(LaunchError, match="too large"):
        render("p {x:.1f}", x=10**400)


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


@pytest.mark.parametrize(
    ("command", "values", "reason"),
    [
        ("echo 1 {x:03d}", [1, 0.5], "0.5"),
        ("echo 1 {x?--amp}", [1, 2], "True, False or None"),
        ("echo 1 {*x}", ["a", "it's"], "No closing quotation"),
        ("cat <<E\n{x}\nE\necho 1", ["a", "$b"], "here-document"),
        ("echo 1 # {x}", ["a", "b\nrm"], "comment"),
        ("echo 1 {y?--y {x:.1f}}", [0.5, "auto"], "'auto'"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_before_anything_is_asked(
    command: str, values: list[Any], reason: str
) -> None:
    axes: dict[str, Any] = {"x": Choice(values), "y": [True, False]}
    for launcher in (Local(command), Batch(command)):
        with Tuner(axes, Grid()) as tuner, launcher:
            with pytest.raises(LaunchError, match=reason):
                run(tuner, launcher, progress=False)
            assert not len(tuner.history)


def test_values_that_a_format_makes_the_same_are_named() -> None:
    def said(command: str, **axes: Any) -> list[str]:
        tuner = Tuner(axes, Grid())
        with warnings.catch_warnings(record=True) as caught, Local(command) as launcher:
            warnings.simplefilter("always")
            run(tuner, launcher, progress=False, max_trials=2)
        return [str(warning.message) for warning in caught]

    (text,) = said("echo {x:.1f}", x=[0.01, 0.02, 0.5])
    assert "{x:.1f}" in text and "both 0.01 and 0.02" in text
    assert not said("echo {x:.1f}; echo {x}", x=[0.01, 0.02])
    assert not said("echo {x:.2f}", x=[0.01, 0.02])
    assert not said("echo {x?{x:.1f}}", x=[None, 0.1])
    (text,) = said("echo {x:.3}", x=[0.01, 0.02])
    assert "{x:.3g}" in text and "'.3'" in text
    assert not said("echo {x:0.3}", x=[0.01, 0.02])


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
