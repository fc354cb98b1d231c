"""A coordinator that comes and goes: advance, cancel, doctor, on the fakes of PJM and PBS."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from dsice import Tuner, run
from dsice.cli.main import main
from dsice.errors import LaunchError, OptionError
from dsice.launchers import Batch, Job, Local
from dsice.running.run import advance
from dsice.strategies import Grid
from tests.launchers.fixtures import Fake
from tests.launchers.helpers import eventually, marked

pytestmark = pytest.mark.usefixtures("temporary")

STUDY = """
[study]
command = '{command}'
max_trials = {trials}
slots = 4
{more}
[space]
x = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
[goal]
metric = "value"
[strategy]
name = "grid"
[launcher]
kind = "batch"
scheduler = "{scheduler}"
poll = 0.2
lost_after = 1.0
throttle = 0.01
{launcher}
"""


def study(
    fake: Fake, place: Path, command: str, *, trials: int = 12, more: str = "", launcher: str = ""
) -> Path:
    file = place / "s.toml"
    file.write_text(
        STUDY.format(
            command=command, trials=trials, more=more, scheduler=fake.name, launcher=launcher
        )
    )
    return file


def advanced(file: Path, *options: str) -> None:
    assert main(["advance", str(file), *options]) == 0


def read(file: Path) -> Tuner:
    return Tuner.read(file.with_suffix(".jsonl"))


# for tests in which the scheduler makes no difference
one_fake = pytest.mark.parametrize("fake", ["pjm"], indirect=True)
COUNT = 'echo run >> "$DSICE_DIR/../runs"; sleep 0.2; echo {x}'


def test_short_calls_measure_everything_once_and_leave_no_slot_empty(
    fake: Fake, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = study(fake, tmp_path, COUNT)
    for _ in range(60):
        advanced(file, "--for", "0.3")
        tuner = read(file)
        if not tuner.pending:
            break
        # all slots have work meanwhile
        assert len(tuner.pending) == min(4, 12 - (len(tuner.history) - len(tuner.pending)))
    assert [trial.value for trial in tuner.history] == [float(x) for x in range(12)]
    assert (
        tmp_path / "s.jsonl.trials" / "runs"
    ).read_text() == "run\n" * 12 and fake.submissions == 12
    out, err = capfd.readouterr()
    assert re.fullmatch(
        r"0 ended, 4 new, 4 running|\d+ ended, \d+ new, 4 running, best .*", out.splitlines()[0]
    )
    assert out.splitlines()[-1].endswith("finished, best value 0 (trial 0)")
    assert not err, "nothing for cron to mail"
    advanced(file)  # once more, when all is over
    assert capfd.readouterr().out == "0 ended, 0 new, finished, best value 0 (trial 0)\n"


def test_one_look_collects_tells_submits_and_exits(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = study(
        fake,
        tmp_path,
        'test -e "$DSICE_DIR/../go" && echo {x} || { sleep 60; }'.replace(
            "{ sleep 60; }", "sleep 60"
        ),
    )
    (tmp_path / "s.jsonl.trials").mkdir()
    (tmp_path / "s.jsonl.trials" / "go").touch()
    advanced(file)
    assert eventually(lambda: len(list((tmp_path / "s.jsonl.trials" / "ended").iterdir())) == 4)
    advanced(file)
    assert capsys.readouterr().out.splitlines() == [
        "0 ended, 4 new, 4 running",
        "4 ended, 4 new, 4 running, best value 0 (trial 0)",
    ]


@one_fake
def test_the_last_line_of_each_job_can_go_on_with_the_tuning(fake: Fake, tmp_path: Path) -> None:
    call = f"{sys.executable} -m dsice.cli advance s.toml --wait 30 >> advances 2>&1"
    fake_dir, path = os.environ["FAKE"], os.environ["PATH"]
    variables = f'env = {{PYTHONPATH = "{Path.cwd()}", FAKE = "{fake_dir}", PATH = "{path}"}}'
    file = study(fake, tmp_path, "echo {x}", trials=6, launcher=f"after = ['{call}']\n{variables}")
    file.write_text(file.read_text().replace("slots = 4", "slots = 2"))
    advanced(file)
    assert eventually(lambda: len(read(file).history) == 6 and not read(file).pending, 60), (
        tmp_path / "advances"
    ).read_text()
    assert eventually(lambda: "finished" in (tmp_path / "advances").read_text())
    assert fake.submissions == 6


@one_fake
def test_a_job_that_vanishes_between_the_calls_is_lost_and_not_retried_for_ever(
    fake: Fake, tmp_path: Path
) -> None:
    file = study(fake, tmp_path, "sleep 60; echo {x}", trials=1)
    advanced(file)
    until = time.monotonic() + 40
    while not read(file).history[0].error:
        assert time.monotonic() < until
        for job in (fake.place / "jobs").iterdir():
            pid = int(job.read_text().split()[1])
            if eventually(lambda: (tmp_path / "s.jsonl.trials" / "0" / "process.json").exists()):
                supervisor = [
                    p
                    for p in marked("supervise.py")
                    if str(tmp_path) in Path(f"/proc/{p}/cmdline").read_text()
                ]
                for process in supervisor:
                    os.kill(process, signal.SIGKILL)
            job.unlink()
            os.killpg(pid, signal.SIGKILL)
        advanced(file)  # no call stays as long as lost_after
        time.sleep(0.3)
    trial = read(file).history[0]
    assert trial.state == "failed" and "lost 2 times" in str(trial.error)
    assert fake.submissions == 2


@one_fake
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_jobs_running_and_says_how_to_go_on(
    fake: Fake, tmp_path: Path, number: int
) -> None:
    file = study(
        fake, tmp_path, 'while test ! -e "$DSICE_DIR/../go"; do sleep 0.1; done; echo {x}', trials=4
    )
    command = [sys.executable, "-m", "dsice.cli", "advance", str(file), "--for", "60"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert eventually(
        lambda: len(list((tmp_path / "s.jsonl.trials").glob("*/process.json"))) == 4, 40
    )
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == (130 if number == signal.SIGINT else 128 + number)
    assert f"4 trials stay in the {fake.name} queue" in err and "to go on" in err
    assert number != signal.SIGINT or f"go on with: dsice advance {file}" in err
    (tmp_path / "s.jsonl.trials" / "go").touch()
    advanced(file, "--for", "20")
    assert [trial.value for trial in read(file).history] == [
        0.0,
        1.0,
        2.0,
        3.0,
    ] and fake.submissions == 4


def test_prepare_through_the_scheduler_by_short_calls(fake: Fake, tmp_path: Path) -> None:
    prepare = "prepare = 'echo >> prepared; sleep 0.5; echo 7 > \"$DSICE_DIR/model\"'"
    file = study(
        fake, tmp_path, "echo $(($(cat $DSICE_PREPARED/model) * {x}))", trials=3, more=prepare
    )
    advanced(file)
    assert len(read(file).history) == 0  # nothing is asked before it is there
    for _ in range(40):
        advanced(file, "--for", "0.2")
        if read(file).asked == 3 and not read(file).pending:
            break
    assert [trial.value for trial in read(file).history] == [0.0, 7.0, 14.0]
    assert (tmp_path / "prepared").read_text() == "\n" and fake.submissions == 4


@one_fake
def test_a_function_is_prepared_by_batch(fake: Fake, tmp_path: Path) -> None:
    def pretrain() -> None:
        Path(os.environ["DSICE_DIR"], "model").write_text("5")

    def train(x: int, prepared: str) -> float:
        return x + float(Path(prepared, "model").read_text())

    options = {"slots": 2, "poll": 0.2, "directory": tmp_path / "t"}
    with Tuner({"x": [1, 2]}, Grid(), journal=tmp_path / "j.jsonl") as tuner:
        with Batch(train, scheduler=fake.name, **options) as launcher:  # type: ignore[arg-type]
            run(tuner, launcher, prepare=pretrain, progress=False)
        assert [trial.value for trial in tuner.history] == [6.0, 7.0]


@one_fake
def test_what_cannot_be_advanced(
    tmp_path: Path, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    with Tuner({"x": [1, 2]}, journal=tmp_path / "j.jsonl") as tuner, Local("true") as local:
        with pytest.raises(OptionError, match="its trials would end with this call"):
            advance(tuner, local)
        assert len(tuner.history) == 0
    with pytest.raises(OptionError, match="give the tuner a journal"):
        advance(Tuner({"x": [1]}), Batch("true", scheduler=fake.name, directory=tmp_path / "t"))
    fake.tell("refuse", "[ERR.] no such resource group")
    file = study(fake, tmp_path, "echo {x}")
    assert main(["advance", str(file)]) == 2
    assert "no such resource group" in capsys.readouterr().err


def test_all_that_waits_for_the_throttle_is_submitted_before_leaving(
    fake: Fake, tmp_path: Path
) -> None:
    with Tuner({"x": range(9)}, Grid(), journal=tmp_path / "j.jsonl") as tuner:
        launcher = Batch(
            "sleep 60; echo {x}",
            scheduler=fake.name,
            slots=4,
            throttle=0.05,
            directory=tmp_path / "t",
        )
        assert advance(tuner, launcher)
    assert fake.submissions == 4
    with pytest.raises(LaunchError, match="closed"):
        launcher.submit([Job(5)])


# ---------------------------------------------------------------------- cancel
def test_cancel_ends_trials_and_records_them(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = study(fake, tmp_path, "sleep 60; echo {x}", trials=4)
    advanced(file)
    assert eventually(lambda: len(list((tmp_path / "s.jsonl.trials").glob("*/process.json"))) == 4)
    assert main(["cancel", str(file), "1", "2"]) == 0
    assert (
        "2 of 2 pending trials had a job, which was ended\n2 recorded as stopped"
        in capsys.readouterr().out
    )
    assert [str(t.state) for t in read(file).history] == [
        "pending",
        "stopped",
        "stopped",
        "pending",
    ]
    assert (
        main(["cancel", str(file), "1"]) == 2
        and "told already (stopped)" in capsys.readouterr().err
    )
    assert main(["cancel", str(file), "9"]) == 2 and "there are 4 trials" in capsys.readouterr().err
    assert main(["cancel", str(file)]) == 0
    assert [str(t.state) for t in read(file).history] == ["stopped"] * 4
    assert main(["cancel", str(file)]) == 0
    assert "0 of 0" in capsys.readouterr().out


def test_cancel_of_jobs_that_wait_in_the_queue(fake: Fake, tmp_path: Path) -> None:
    fake.tell("hold")
    file = study(fake, tmp_path, "echo {x}", trials=2)
    advanced(file)
    assert main(["cancel", str(file)]) == 0
    assert [str(t.state) for t in read(file).history] == ["stopped"] * 2


@one_fake
def test_cancel_beside_a_coordinator_at_work(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = study(fake, tmp_path, "sleep 60; echo {x}", trials=4)
    process = subprocess.Popen(
        [sys.executable, "-m", "dsice.cli", "advance", str(file), "--for", "60"]
    )
    assert eventually(
        lambda: len(list((tmp_path / "s.jsonl.trials").glob("*/process.json"))) == 4, 40
    )
    assert main(["cancel", str(file), "3"]) == 0
    assert "a coordinator is at work" in capsys.readouterr().out
    assert eventually(lambda: read(file).history[3].state == "stopped", 20)
    assert len(read(file).pending) == 3
    process.terminate()
    process.wait()


@one_fake
@pytest.mark.parametrize(
    "gone",
    [False, True],
    ids=["a coordinator at work", "one that records them and leaves meanwhile"],
)
def test_cancel_of_local_trials(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    file = study(fake, tmp_path, "sleep 60; echo {x}", trials=2)
    file.write_text(file.read_text().partition("[launcher]")[0])
    process = subprocess.Popen(
        [sys.executable, "-m", "dsice.cli", "run", str(file), "--no-progress"]
    )
    assert eventually(
        lambda: len(list((tmp_path / "s.jsonl.trials").glob("*/process.json"))) == 2, 40
    )
    stop = Local.stop

    def slow(launcher: Local, ids: Sequence[int]) -> list[int]:
        ended = stop(launcher, ids)
        process.wait(30)
        return ended

    if gone:
        monkeypatch.setattr(Local, "stop", slow)
    assert main(["cancel", str(file)]) == 0
    assert process.wait(30) == 1  # no trial has a value
    assert [str(t.state) for t in read(file).history] == ["stopped"] * 2


# ---------------------------------------------------------------------- doctor
@pytest.mark.parametrize("program", ["command", "function"])
def test_doctor_follows_a_job(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str], program: str
) -> None:
    file = study(fake, tmp_path, "echo {x}")
    if program == "function":
        (tmp_path / "own.py").write_text("def cost(x):\n    return x\n")
        file.write_text(file.read_text().replace("command = 'echo {x}'", 'function = "own:cost"'))
    own = file.with_name(f"{file.stem}.jsonl.doctor")  # a name that is the user's as any other
    own.mkdir()
    (own / "notes").touch()
    assert main(["doctor", str(file)]) == 0
    out = capsys.readouterr().out
    steps = ("study file", "journal", "scheduler", "submit", "start", "result", "machine", "trial")
    for step in steps:
        assert re.search(rf"^{step} +ok: ", out, re.MULTILINE), out
    assert os.uname().nodename in out and "all is well" in out
    assert fake.submissions == 2 and [p for p in tmp_path.iterdir() if "doctor" in p.name] == [own]
    assert list(own.iterdir()) == [own / "notes"] and not file.with_suffix(".jsonl").exists()


@one_fake
@pytest.mark.parametrize(
    ("fault", "text", "step", "said"),
    [
        ("refuse", "[ERR.] no such group", "submit", "no such group"),
        ("down", "no license", "scheduler", "no license"),
        ("hold", "", "start", "has not started within --wait 1 s"),
    ],
)
def test_doctor_names_the_step_that_fails(
    fake: Fake,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: str,
    text: str,
    step: str,
    said: str,
) -> None:
    fake.tell(fault, text)
    assert main(["doctor", str(study(fake, tmp_path, "echo {x}")), "--wait", "1"]) == 1
    out = capsys.readouterr().out
    assert re.search(rf"^{step} +FAILED: [^$]*{re.escape(said)}", out, re.MULTILINE), out
    # no job is left behind
    assert fault != "hold" or not list((fake.place / "jobs").iterdir())


@one_fake
def test_doctor_sees_a_job_that_fails(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                "doctor",
                str(study(fake, tmp_path, "echo {x}", launcher="setup = ['exit 1']")),
                "--wait",
                "20",
            ]
        )
        == 1
    )
    assert re.search(
        r"^(start|result) +FAILED: the job ended as lost", capsys.readouterr().out, re.MULTILINE
    )


@pytest.mark.parametrize("seconds", ["-1", "nan"])
def test_a_time_that_is_none_is_refused(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    assert main(["advance", str(study(fake, tmp_path, "echo {x}")), "--for", seconds]) == 2
    assert "expected a number of seconds >= 0" in capsys.readouterr().err and fake.submissions == 0


@one_fake
def test_a_flood_of_steps_is_taken_in_one_look(fake: Fake, tmp_path: Path) -> None:
    line = '{\\"step\\": %d, \\"value\\": 0.5}\\n'
    (tmp_path / "program.py").write_text(
        "import os, sys\n"
        "with open(os.environ['DSICE_DIR'] + '/steps', 'a') as file:\n"
        f"    file.writelines('{line}' % i for i in range(6000))\n"
        "print(sys.argv[1])\n".replace('\\"', '"')
    )
    file = study(fake, tmp_path, f"{sys.executable} {tmp_path}/program.py {{x}}", trials=1)
    advanced(file)
    eventually(lambda: bool(list((tmp_path / "s.jsonl.trials").glob("ended/*"))))
    for _ in range(20):
        advanced(file)
        if read(file).history[0].curve:
            break
        time.sleep(0.3)
    assert len(read(file).history[0].curve) == 6000 and read(file).history[0].value == 0.0
