"""`Local`: what a trial gives, and what it gets."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import pytest

from dsice.errors import DsiceWarning, LaunchError, OptionError
from dsice.launchers import Job, Local, Result
from tests.launchers import programs
from tests.launchers.helpers import drain, steps


def shell(command: str, params: dict[str, Any] | None = None, **options: Any) -> Result:
    with Local(command, slots=1, **options) as launcher:
        launcher.submit([Job(0, params or {})])
        return drain(launcher, 1)[0]


def call(function: Any, *, options: dict[str, Any] | None = None, **params: Any) -> Result:
    with Local(function, slots=1, **(options or {})) as launcher:
        launcher.submit([Job(0, params)])
        return drain(launcher, 1)[0]


@pytest.mark.parametrize(
    ("line", "value", "metrics"),
    [
        ("0.5", 0.5, {}),
        ("[1, 2.5]", [1.0, 2.5], {}),
        ('{"loss": 0.25, "acc": 1, "ok": true}', None, {"loss": 0.25, "acc": 1.0, "ok": 1.0}),
        ('{"loss": Infinity}', None, {"loss": math.inf}),
        ("warming up\\n\\n  7 \\n\\n", 7.0, {}),
    ],
)
def test_the_last_line_of_stdout_is_the_measurement(
    line: str, value: object, metrics: dict[str, float]
) -> None:
    result = shell(f"printf '{line.replace('{', '{{').replace('}', '}}')}'")
    assert (result.state, result.value, dict(result.metrics)) == ("done", value, metrics)


@pytest.mark.parametrize("line", ["NaN", "null", "[null]", '{{"value": null}}'])
def test_null_and_nan_are_passed_on(line: str) -> None:
    result = shell(f"echo '{line}'")
    values = [
        *result.metrics.values(),
        *(result.value if isinstance(result.value, list) else [result.value]),
    ]
    assert result.state == "done" and any(isinstance(v, float) and math.isnan(v) for v in values)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("true", "stdout is empty"),
        ("echo 0.5; echo done", "not JSON.*expected a JSON line.*last lines of stdout:\n0.5\ndone"),
        ("printf '\\033[31mred\\033[0m\\0\\n' >&2", "last lines of stderr:\nred\n"),
        ("echo oops >&2", "last lines of stderr:\noops"),
        ("""echo '{{"loss": "0.5"}}'""", "metric 'loss' is \"0.5\", not a number"),
        ("echo '[]'", "empty list"),
        ("echo broken >&2; exit 3", "exit code 3\nlast lines of stderr:\nbroken"),
        ("echo 1; kill -9 $$", r"killed by signal 9 \(SIGKILL\)"),
        ("echo 1; kill -SEGV $$", "SIGSEGV"),
        ("sh -c 'kill -9 $$'; exit $?", r"exit code 137.*killed by signal 9 \(SIGKILL\)"),
        ("no_such_program {x:1}", "exit code 127"),
    ],
)
def test_no_measurement_says_why_and_where_to_look(
    command: str, reason: str, tmp_path: Path
) -> None:
    import re

    result = shell(command, directory=tmp_path)
    assert result.state == "failed" and result.value is None and not result.metrics
    assert re.search(reason, str(result.error), re.DOTALL), result.error
    assert str(tmp_path / "0" / "stderr") in str(result.error)
    assert Path(result.where["log"]).is_file()


def test_the_times_of_a_trial() -> None:
    result = shell("sleep 0.3; echo 1")
    queued, started, ended = result.times
    assert (
        queued is not None
        and started is not None
        and ended is not None
        and queued <= started <= ended
    )
    assert result.seconds is not None and 0.3 <= result.seconds <= ended - started + 0.1


def test_a_function_gets_its_params_and_gives_metrics() -> None:
    result = call(programs.report, a=1, b="x", c=None)
    assert result.state == "done" and result.value is None
    assert math.isnan(result.metrics.pop("nothing"))  # type: ignore[attr-defined]
    assert result.metrics == {"count": 3.0, "yes": 1.0, "inf": math.inf}


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("3", 3.0),
        ("(1, 2)", [1.0, 2.0]),
        ("__import__('numpy').float32(0.5)", 0.5),
        ("__import__('numpy').arange(3)", [0.0, 1.0, 2.0]),
    ],
)
def test_what_a_function_may_return(code: str, value: object) -> None:
    assert call(programs.returns, code=code).value == value


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("None", "returned None"),
        ("'0.5'", "must be a number, got str"),
        ("1j", "must be a number, got complex"),
        ("[]", "empty list"),
        ("{'a': [[1]]}", "metric 'a' must be a number, got list"),
        ("True", "must be a number, got bool"),
        ("[1, __import__('numpy').True_]", "returned[1] must be a number, got bool"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("__import__('sys').exit(4)", "exit code 4"),
        ("__import__('os')._exit(0)", "ended without a result"),
        ("__import__('os').abort()", "SIGABRT"),
    ],
)
def test_a_function_without_a_measurement_fails_with_the_reason(code: str, reason: str) -> None:
    result = call(programs.returns, code=code)
    assert result.state == "failed" and reason in str(result.error), result.error


def test_the_traceback_shows_the_users_frames_only() -> None:
    error = str(call(programs.square, x=99).error)
    assert error.startswith("ValueError: no such thing")
    assert "programs.py" in error and "_call.py" not in error


def test_closures_travel_and_the_process_is_a_light_fresh_one() -> None:
    offset = {"by": 40}
    assert call(lambda x: x + offset["by"], x=2).value == 42.0
    assert call(programs.loads).value == [0.0, 0.0, 0.0]


def test_a_function_that_cannot_travel_is_refused_at_once() -> None:
    lock = threading.Lock()
    with pytest.raises(LaunchError, match=r"cannot be sent.*inside the function"):
        Local(lambda x: lock.locked())


def test_params_keep_their_types() -> None:
    params: dict[str, Any] = {"i": 3, "f": 0.1, "b": True, "n": None, "s": "a 'b' \u00e9"}
    kept = call(
        lambda **p: float(
            p == params and [type(v) for v in p.values()] == [int, float, bool, type(None), str]
        ),
        **params,
    )
    assert kept.value == 1.0
    with pytest.raises(LaunchError, match=r"'x'.*JSON"):
        call(programs.square, x={1})


def test_the_environment_of_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OLD", "1")
    monkeypatch.setenv("DSICE_PARENT_DIR", "stale")
    (tmp_path / "1").mkdir()
    command = 'env > "$DSICE_DIR/env"; pwd > "$DSICE_DIR/cwd"; echo 1'
    with Local(command, slots=2, directory=tmp_path, env={"NEW": "2", "OLD": None}) as launcher:
        launcher.submit([Job(3, {"x": 1}, stage=2, parent=1), Job(4)])
        drain(launcher, 2)
    seen = [
        dict(
            line.split("=", 1)
            for line in (tmp_path / id / "env").read_text().splitlines()
            if "=" in line
        )
        for id in "34"
    ]
    assert (
        seen[0]["DSICE_TRIAL"] == "3"
        and seen[0]["DSICE_STAGE"] == "2"
        and seen[0]["NEW"] == "2"
        and "OLD" not in seen[0]
    )
    assert seen[0]["DSICE_DIR"] == str(tmp_path / "3") and seen[0]["DSICE_PARENT_DIR"] == str(
        tmp_path / "1"
    )
    assert "DSICE_PARENT_DIR" not in seen[1]
    assert {s["DSICE_SLOT"] for s in seen} == {"0", "1"}
    assert (tmp_path / "3" / "params.json").read_text().strip() == '{"x": 1}'
    assert (tmp_path / "3" / "cwd").read_text().strip() == str(Path.cwd())


def test_a_work_of_its_own_replaces_the_program(tmp_path: Path) -> None:
    with Local("echo 1", directory=tmp_path, slots=2) as launcher:
        launcher.submit(
            [Job(0, kind="prepare", work="echo 5"), Job(1, {"x": 3}, work=programs.square)]
        )
        # a preparation measures nothing
        assert {id: r.value for id, r in drain(launcher, 2).items()} == {0: None, 1: 9.0}
    assert (tmp_path / "prepare-0" / "stdout").read_text() == "5\n"


def test_steps_come_before_the_result_and_none_is_lost() -> None:
    with Local(programs.curve, slots=1) as launcher:
        launcher.submit([Job(0, {"steps": 500})])
        events: list[Any] = []
        while not events or not isinstance(events[-1], Result):
            events += launcher.collect(1.0)
    assert steps(events) == [(i, 1 / (i + 1)) for i in range(500)]


def test_a_forgotten_placeholder_is_warned_about_once() -> None:
    with Local("echo {x}", slots=2) as launcher:
        with pytest.warns(DsiceWarning, match="depth") as warned:
            launcher.submit([Job(0, {"x": 1, "depth": 2}), Job(1, {"x": 1, "depth": 3})])
        assert len(warned) == 1
        drain(launcher, 2)


def test_a_wrong_placeholder_starts_nothing() -> None:
    with Local("echo {x} {y}", slots=2) as launcher:
        with pytest.raises(LaunchError, match=r"placeholder \{y\}.*parameters are x"):
            launcher.submit([Job(0, {"x": 1, "y": 2}), Job(1, {"x": 1})])
        assert launcher.collect(0.1) == []


def test_a_directory_of_someone_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "thesis.txt").write_text("precious")
    with (
        Local("echo 1", directory=tmp_path) as launcher,
        pytest.raises(LaunchError, match="left alone"),
    ):
        launcher.submit([Job(0)])
    assert (tmp_path / "0" / "thesis.txt").read_text() == "precious"


def test_a_second_submission_starts_in_a_fresh_directory(tmp_path: Path) -> None:
    with Local(
        'ls "$DSICE_DIR" | wc -l; mkdir "$DSICE_DIR/checkpoint"; echo {x}', directory=tmp_path
    ) as launcher:
        for x in (1, 2):
            launcher.submit([Job(0, {"x": x})])
            assert drain(launcher, 1)[0].value == x
    assert len((tmp_path / "0" / "stdout").read_text().splitlines()) == 2


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        Local("echo 1", directory=tmp_path / "file") as launcher,
        pytest.raises(LaunchError, match="cannot be used"),
    ):
        launcher.submit([Job(0)])


@pytest.mark.parametrize(
    "options",
    [
        {"slots": 0},
        {"slots": 1.5},
        {"slots": True},
        {"timeout": 0},
        {"timeout": "5"},
        {"timeout": math.nan},
        {"grace": -1},
        {"env": {"A": []}},
    ],
)
def test_wrong_options_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Local("echo 1", **options)


@pytest.mark.parametrize("program", ["", "  ", 3, None])
def test_a_wrong_program_is_named(program: Any) -> None:
    with pytest.raises(OptionError, match="program must be"):
        Local(program)
