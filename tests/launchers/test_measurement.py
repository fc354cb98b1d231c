"""What counts as the measurement of a program, and what an error shows of its output."""

from __future__ import annotations

import gzip
import json
import math
import signal
import time
import warnings
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest

from dsice import Goal, State, Trial, Tuner, run
from dsice.errors import DsiceWarning, OptionError
from dsice.launchers import Batch, Futures, Job, Local, Result, patterns
from dsice.launchers.last_words import last_words, telling_line
from dsice.launchers.measurement import Measured, NoMeasurement
from dsice.launchers.outcome import measured
from dsice.launchers.output import PRINTED, output_of
from dsice.strategies import Grid
from tests.launchers import programs
from tests.launchers.helpers import drain
from tests.launchers.record_outputs import recorded

CORPUS = json.loads(
    gzip.decompress(Path(__file__).with_name("outputs.json.gz").read_bytes()).decode()
)


def read(folder: Path, text: str, *needs: str, stderr: str = "", **options: Any) -> Measured:
    (folder / "stdout").write_bytes(text.encode())
    (folder / "stderr").write_text(stderr)
    return measured(folder, output_of("Local", **options) if options else PRINTED, needs)


def wrong(folder: Path, text: str, *needs: str, **options: Any) -> str:
    with pytest.raises(NoMeasurement) as refused:
        read(folder, text, *needs, **options)
    return str(refused.value)


def test_what_0_1_0_accepted_is_the_same_measurement(tmp_path: Path) -> None:
    assert len(CORPUS) >= 200
    tuners: dict[str, Tuner] = {}
    for entry in CORPUS:
        goal = Goal(**entry["goal"])
        got = read(tmp_path, entry["output"], goal.metric, *goal.bounded)
        assert not got.tags and got.invalid is None, entry
        tuner = tuners.setdefault(str(goal), Tuner({"x": [1]}, Grid(), goal=goal))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DsiceWarning)
            trial = tuner.add({"x": 1}, got.value, metrics=got.metrics)
        assert recorded(trial) == entry["told"], entry


LOG = '{"loss": 0.25, "acc": 1}'


@pytest.mark.parametrize(
    "text",
    [
        f"{LOG}\ndone\n",
        f"{LOG}\n\x1b[32mdone\x1b[0m\n",
        f"epoch 1\n{LOG}\nSaved to out/.\nbye",
        '{"loss": 9, "acc": 9}\n' + LOG + '\n{"time": 3}\n',
        '{\n  "loss": 0.25,\n  "acc": 1\n}\n',
        f"\x1b[1m{LOG}\x1b[0m\nnow {{'a': 1}}\n",
        f"10%\r20%\r{LOG}\r100%\n",
        f"\ufeff{LOG}\nend\n",
        f"{LOG}\n" + "x" * 300_000 + "\nend\n",
    ],
)
def test_the_last_object_with_the_metric_counts(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text, "loss") == Measured(metrics={"loss": 0.25, "acc": 1.0})


def test_an_object_without_a_bounded_metric_is_passed_over(tmp_path: Path) -> None:
    text = '{"loss": 0.5, "memory": 3}\n{"loss": 0.4}\n7\n'
    found = read(tmp_path, text, "loss", "memory").metrics
    assert found == {"loss": 0.5, "memory": 3.0}
    assert read(tmp_path, text, "loss").value == 7.0  # as in 0.1.0


def test_repeats_tags_and_numbers(tmp_path: Path) -> None:
    text = '{"ms": [3.0, 3.1], "note": "hello", "on": true, "n": 3, "gpu": ["a"], "none": null}'
    found = read(tmp_path, text, "ms")
    assert found.metrics.pop("none") != 0  # type: ignore[attr-defined]
    assert found.metrics == {"ms": [3.0, 3.1], "n": 3.0}
    assert found.tags == {"note": "hello", "on": True, "gpu": ["a"]}
    assert read(tmp_path, "[\n 3.0,\n 3.1\n]\n", "ms").value == [3.0, 3.1]
    beside = '{"a": "b", "big": [NaN, "x"], "long": "' + "y" * 50_000 + '", "ms": 1}'
    tags = read(tmp_path, beside, "ms").tags
    assert tags["big"] == '[NaN, "x"]' and len(tags["long"]) < 21_000


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("true", "the last line of stdout is true, not a number"),
        ("[1, true]", "entry 1 of the list is true"),
        ('{"loss": true, "a": 1}', "metric 'loss' is true"),
        ('{"loss": "0.5"}\nend', "metric 'loss' is \"0.5\", not a number"),
        ('{"loss": 0.1}\n{"loss": "diverged"}', "diverged"),
        ('{"loss": []}', "metric 'loss' is an empty list"),
        ('{"loss": [1, "a"]}', "metric 'loss', entry 1 is \"a\""),
        ('{"loss": 1' + "0" * 400 + "}", "too large for a float"),
        ("{'loss': 0.5}", "is Python and not JSON"),
        ('log\n{\n"loss": 0.5\n}\n', "print it on one line"),
        ("loss: 0.5", "[metrics] loss = 'loss: *([-+0-9.eE]+)'"),
        ('{"accuracy": 0.5, "note": "x"}', "metric 'note' is \"x\", not a number"),
        ("", "stdout is empty"),
    ],
)
def test_what_is_no_measurement_is_named(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in wrong(tmp_path, text, "loss")


def test_looking_for_an_object_takes_no_time(tmp_path: Path) -> None:
    began = time.process_time()
    wrong(tmp_path, "\0" * 40_000_000, "loss")
    wrong(tmp_path, '{"epoch": 1}\n' * 500_000 + "end", "loss", metrics={"loss": "loss: (.*)"})
    assert time.process_time() - began < 10


# ------------------------------------------------------------------ patterns and files
PATTERN = r"val_loss[:=]\s*([-+0-9.eE]+)"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("val_loss: 0.5\nval_loss= 0.25\n", 0.25),
        ("\x1b[1mval_loss\x1b[0m: -2.5e-3, val_loss:\t7\r\n", 7.0),
        ("10% val_loss: 1\r20% val_loss: 2\rdone", 2.0),
        ("val_loss: 3\n" + "x\n" * 100_000, 3.0),
    ],
)
def test_the_last_match_of_a_pattern_counts(tmp_path: Path, text: str, value: float) -> None:
    assert read(tmp_path, text, "loss", metrics={"loss": PATTERN}).metrics == {"loss": value}


def test_a_pattern_beside_json(tmp_path: Path) -> None:
    options: dict[str, Any] = {"metrics": {"loss": PATTERN, "other": "other: (.*)"}}
    text = 'val_loss: 0.5\n{"memory": 3, "loss": 9}\n'
    found = read(tmp_path, text, "loss", "memory", **options).metrics
    assert found == {"loss": 0.5, "memory": 3.0}
    memory: dict[str, Any] = {"metrics": {"memory": "mem (.*)"}}
    assert read(tmp_path, "mem 5\n0.25\n", "loss", "memory", **memory) == Measured(
        0.25, {"memory": 5.0}
    )
    assert "'memory' as well" in wrong(tmp_path, "val_loss: 1\n7", "loss", "memory", **options)
    assert read(tmp_path, "x=1.5D-03", "x", metrics={"x": "^x=(.*)$"}).metrics == {"x": 0.0015}


def test_a_pattern_that_finds_no_number_is_named(tmp_path: Path) -> None:
    options: dict[str, Any] = {"metrics": {"loss": PATTERN}}
    error = wrong(tmp_path, "nothing\n", "loss", stderr="val_loss: 1\nloss: 2", **options)
    assert repr(PATTERN) in error and "'nothing'" in error and "2>&1" in error
    assert "'0.5.', which is no number" in wrong(tmp_path, "val_loss: 0.5.\n", "loss", **options)


def test_the_last_matches_are_repeats(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "metrics": {"ms": {"pattern": r"time (\S+)", "last": 3}, "w": "w=(.)"}
    }
    text = "warm-up time 9\n" + "x\n" * 100_000 + "time 3 w=1\ntime 1\ntime 2 w=2\n"
    assert read(tmp_path, text, "ms", **options).metrics == {"ms": [3.0, 1.0, 2.0], "w": 2.0}
    assert "matches 2 times in stdout, and last = 3" in wrong(
        tmp_path, "time 1\ntime 2\n", "ms", **options
    )
    assert read(tmp_path, "time 1\nw=3", "w", **options).metrics == {"ms": [1.0], "w": 3.0}
    assert "'x', which is no number" in wrong(tmp_path, "time x\n" * 3, "ms", **options)


def test_a_pattern_that_takes_for_ever_fails_the_trial_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patterns, "_PATIENCE", 0.2)
    command = "echo {text}"
    axes = {"text": ["b 1", "a" * 60]}
    options = {"value": r"(?:a+)+b$|b (\S+)"}
    with Tuner(axes, Grid()) as tuner, Local(command, metrics=options) as launcher:
        run(tuner, launcher, progress=False)
    assert [str(trial.state) for trial in tuner.history] == ["done", "failed"]
    assert "more than 0.2 seconds" in str(tuner.history[1].error)
    assert signal.getsignal(signal.SIGVTALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_a_result_file(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    options: dict[str, Any] = {"result": "out/result.json"}
    assert "left no file out/result.json" in wrong(tmp_path, LOG, "loss", **options)
    (tmp_path / "out" / "result.json").write_text('{\n"loss": 0.5, "net": "a"}\n')
    assert read(tmp_path, "7", "loss", **options) == Measured(None, {"loss": 0.5}, {"net": "a"})
    (tmp_path / "out" / "result.json").unlink()
    (tmp_path / "out" / "result.json").symlink_to(tmp_path / "stdout")
    assert "not read" in wrong(tmp_path, "7", "loss", **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": {"loss": "loss: .*"}}, "one group"),
        ({"metrics": {"loss": "(loss): (.*)"}}, "one group"),
        ({"metrics": {"loss": "loss: (.*"}}, "no regular expression"),
        ({"metrics": {"loss": 3}}, "regular expression"),
        ({"metrics": "loss: (.*)"}, "a mapping"),
        ({"metrics": {"loss": {"pattern": "(.*)", "last": 0}}}, "last.*>= 1"),
        ({"metrics": {"loss": {"pattern": "(.*)", "last": True}}}, "last.*>= 1"),
        ({"metrics": {"loss": {"pattern": "(.*)", "first": 2}}}, "first"),
        ({"metrics": {"loss": {"last": 2}}}, "a regular expression"),
        ({"result": "/tmp/x.json"}, "trial's directory"),
        ({"result": "../x.json"}, "trial's directory"),
        ({"result": "exit.json"}, "dsice's own"),
        ({"result": ""}, "trial's directory"),
        ({"invalid_exit": 0}, "invalid_exit=0"),
        ({"invalid_exit": 256}, "from 1 to 255"),
        ({"invalid_exit": True}, "invalid_exit=True"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], words: str) -> None:
    for launcher in (Local, Batch):
        with pytest.raises(OptionError, match=words):
            launcher("echo {x}", **options)


def test_a_function_has_no_output_to_read() -> None:
    with pytest.raises(OptionError, match=r"dsice\.Invalid"):
        Local(abs, invalid_exit=3)


# ------------------------------------------------------------------ wrong results
def test_a_program_says_that_its_result_is_wrong(tmp_path: Path) -> None:
    found = read(tmp_path, '{"loss": 0.5, "invalid": "residual 3"}\nend\n', "loss")
    assert found.metrics == {"loss": 0.5} and "residual 3" in str(found.invalid)
    assert read(tmp_path, '{"invalid": true}', "loss").invalid
    for said in ("false", "1", "null", '""'):
        assert read(tmp_path, f'{{"loss": 1, "invalid": {said}}}', "loss").invalid is None
    assert read(tmp_path, '{"invalid": 1.5}', "invalid").metrics == {"invalid": 1.5}


def told(program: Any, goal: Goal | None = None, **options: Any) -> Trial:
    """What becomes of the only trial of a study."""
    launcher = options.pop("launcher", Local)
    with Tuner({"x": [0]}, Grid(), goal=goal or Goal("loss")) as tuner:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DsiceWarning)  # that no trial has a value
            run(tuner, launcher(program, **options), progress=False)
        return tuner.history[0]


@pytest.mark.parametrize(
    ("command", "state", "value"),
    [
        ("""echo '{"loss": 0.5, "note": "hi"}'; echo {x}bye""", "done", 0.5),
        ("""echo '{"loss": [1, 2], "invalid": "bad"}'""", "invalid", 1.5),
        ("""echo '{"loss": 1}'; exit 3""", "invalid", None),
        ("""echo '{"loss": 1}'; exit 4""", "failed", None),
        ("""echo '{"invalid": true}'; exit 4""", "failed", None),
        ("""echo '{"invalid": true}'""", "invalid", None),
    ],
)
def test_states_of_a_command(command: str, state: str, value: float | None, tmp_path: Path) -> None:
    trial = told(f"{command} # {{x}}", invalid_exit=3, directory=tmp_path / "t")
    assert trial.state == state, trial.error
    assert trial.value == value
    assert trial.tags == ({"note": "hi"} if value == 0.5 else {})
    assert trial.state == State.DONE or "logs: " in str(trial.error)


def threads(function: Any) -> Futures:
    from concurrent.futures import ThreadPoolExecutor

    return Futures(function, lambda: ThreadPoolExecutor(1))


LAUNCHERS: list[Callable[..., Any]] = [Local, threads]


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(
    ("function", "state", "value", "reason"),
    [
        (programs.flawed, "invalid", None, "its result is wrong: the residual is 3"),
        (programs.flawed_silently, "invalid", 1.0, "its result is wrong: no physics"),
        (programs.rich, "done", 1.5, ""),
        (programs.flags, "done", 1.5, ""),
        (programs.yes, "failed", None, "must be a number, got bool"),
        (programs.named_yes, "failed", None, "metric 'loss' is true, not a number"),
        (programs.texts, "failed", None, "loss = '0.5', which is no number"),
    ],
)
def test_states_of_a_function(
    function: Any, state: str, value: float | None, reason: str, launcher: Any
) -> None:
    trial = told(function, launcher=launcher)
    assert (trial.state, trial.value) == (state, value), trial.error
    assert reason in (trial.error or "")
    if function is programs.rich:
        assert trial.tags == {"net": "a", "layers": ["x", 3], "on": True, "what": "{1}"}
        assert trial.values == (1.0, 2.0)
    if function is programs.flags:
        assert trial.metrics == {"loss": 1.5, "on": 1.0} and not trial.tags


def test_a_job_without_a_study_needs_no_certain_metric() -> None:
    with Local("""echo '{"a": "b", "c": 2}'; echo end""") as launcher:
        launcher.submit([Job(0)])
        result: Result = drain(launcher, 1)[0]
    assert result.metrics == {"c": 2.0} and result.tags == {"a": "b"}
    assert math.isfinite(result.seconds or math.nan)


# ------------------------------------------------------------------ errors
GCC = """kernel.c: In function 'main':
kernel.c:3:5: error: expected ';' before 'return' [a long word {word}]
    3 |     return 0;
      |     ^~~~~~
{more}1 error generated.
make: *** [Makefile:2: kernel] Error 1
"""
TRACEBACK = """Traceback (most recent call last):
  File "a.py", line 3, in <module>
    f()
  File "a.py", line 2, in f
    raise ValueError(text)
{error}
srun: error: node7: task 0: Exited with exit code 1
"""


@pytest.mark.parametrize(
    ("stderr", "stdout", "telling"),
    [
        (
            GCC.format(word="w" * 300, more="note: x\n" * 40),
            "compiling\n",
            f"kernel.c:3:5: error: expected ';' before 'return' [a long word {'w' * 300}]",
        ),
        (
            TRACEBACK.format(error="ValueError: bad shape. Use reshape() first " + "x" * 200),
            '{"loss": 1}\n',
            "ValueError: bad shape. Use reshape() first " + "x" * 200,
        ),
        (
            TRACEBACK.format(error="RuntimeError: keys:\n\tMissing key a.\n"),
            "",
            "RuntimeError: keys: Missing key a.",
        ),
        (
            "warning: old\n",
            "    def test():\n>       assert f() == 2\nE       assert 1 == 2\n1 failed in 0.1s\n",
            "E       assert 1 == 2",
        ),
        (
            "a.o: in function `main':\na.c:(.text+0x1): undefined reference to `f'\n"
            "collect2: error: ld returned 1 exit status\n",
            "",
            "a.c:(.text+0x1): undefined reference to `f'",
        ),
        ("a.f90:2:9:\n\n   2 | x = y\nError: Symbol 'y' has no type\n", "", "Error: Symbol 'y'"),
        ("error[E0308]: mismatched types\n --> src/main.rs:2:5\n", "", "error[E0308]: mismatched"),
        (
            "k.cu(3): error: identifier x is undefined\n\n1 error detected\n",
            "",
            "k.cu(3): error: id",
        ),
        ("terminate called\n  what():  out of range\nAborted\n", "", "what():  out of range"),
        ("/bin/sh: 1: prog: not found\n", "", "/bin/sh: 1: prog: not found"),
        ("\x1b[31mfatal: no such branch\x1b[0m\n", "", "fatal: no such branch"),
        ("", "step 1\nERROR disk quota\nbye\n", "ERROR disk quota"),
        ("all went well\n", "0.5\n", ""),
    ],
)
def test_the_line_that_tells_is_shown_whole(
    tmp_path: Path, stderr: str, stdout: str, telling: str
) -> None:
    (tmp_path / "stderr").write_text(stderr)
    (tmp_path / "stdout").write_text(stdout)
    found = telling_line(tmp_path)
    assert found.startswith(telling) if telling else not found
    assert "\x1b" not in found


@pytest.mark.parametrize("text", [":1", "warning", "x Assertion ", "a:" + 60_000 * "1", "loss "])
def test_one_endless_line_takes_no_time(tmp_path: Path, text: str) -> None:
    endless = "".join(islice(cycle(text), 60_000)) if text != "loss " else "loss" + 60_000 * " "
    (tmp_path / "stderr").write_text(endless)
    began = time.process_time()
    assert isinstance(telling_line(tmp_path), str)
    wrong(tmp_path, endless, "loss", stderr=endless)
    assert time.process_time() - began < 3


def test_the_message_of_a_panic_is_in_the_next_line(tmp_path: Path) -> None:
    (tmp_path / "stderr").write_text("thread 'main' panicked at src/main.rs:2:5:\nboom\nnote: x\n")
    (tmp_path / "stdout").write_text("")
    assert telling_line(tmp_path) == "thread 'main' panicked at src/main.rs:2:5: boom"


def test_last_words_show_both_outputs_and_cut_no_line(tmp_path: Path) -> None:
    (tmp_path / "stderr").write_text("x" * 1500 + "\n" + "y" * 1500 + ": use --fast\n")
    (tmp_path / "stdout").write_bytes(b"50%\r100%\r\n\x1b]0;title\x07done\n")
    words = last_words(tmp_path)
    assert "x" not in words.replace("use", "")[:50] and "y" * 1500 + ": use --fast" in words
    assert words.endswith("last lines of stdout:\n50%\n100%\ndone")


def test_the_error_of_a_trial_says_why(tmp_path: Path) -> None:
    text = "import sys; sys.stderr.write('noise\\n'); raise SystemError('x' * 300 + ' do this')"
    (tmp_path / "a.py").write_text(text)
    trial = told(f"python3 {tmp_path}/a.py {{x}}; exit 7", directory=tmp_path / "t")
    first = str(trial.error).partition("\n")[0]
    assert first == "exit code 7: SystemError: " + "x" * 300 + " do this"
