"""What `Batch` makes of commands that hang, answers that are none, and files that fail."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from dsice import Tuner, run
from dsice.errors import DsiceWarning, LaunchError, OptionError
from dsice.launchers import Batch, Job, Result, Scheduler, trial_directory
from dsice.launchers.batch import scheduler_client
from dsice.launchers.batch.command import ask
from dsice.launchers.batch.record import Absence, JobRecord
from dsice.launchers.batch.scheduler import PBS, PJM, SLURM
from dsice.launchers.batch.scheduler_client import Busy, Client, TooLarge, Unreadable
from tests.launchers.batch.test_batch import OWN, batch, jobs
from tests.launchers.fixtures import Fake
from tests.launchers.helpers import drain, eventually, mark, marked


def shell(text: str, seconds: float = 5.0) -> Any:
    return ask(["sh", "-c", text], seconds, dict(os.environ))


# ---------------------------------------------------------------------- commands
def test_a_process_that_keeps_the_output_open_is_not_waited_for() -> None:
    sign = mark()
    began = time.monotonic()
    answer = shell(f"setsid sleep {sign} & echo 77; echo word >&2")
    assert time.monotonic() - began < 3.0
    assert (answer.code, answer.out, answer.err) == (0, "77\n", "word\n")
    left = marked(sign)
    assert left, "it is left alone: it may be the master of a shared connection"
    for process in left:
        os.kill(process, 9)


def test_after_the_limit_the_session_ends_and_what_was_printed_counts() -> None:
    sign = mark()
    began = time.monotonic()
    answer = shell(f"echo 77; sleep {sign} & trap '' TERM; sleep {sign}", 0.5)
    assert time.monotonic() - began < 1.5
    assert answer.code is None and answer.out == "77\n"
    assert eventually(lambda: not marked(sign), 2.0)


def test_a_job_id_counts_although_the_command_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduler_client, "_TIMEOUT", 0.5)
    client = Client(Scheduler(**OWN | {"submit": "sh -c 'echo 812; sleep 60' {script}"}))
    assert client.submit(tmp_path / "script.sh") == "812"


def test_no_variable_of_the_user_makes_another_job_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``sbatch`` prefers variables to a script's lines: a job of another name is another's."""
    names = ("SBATCH_JOB_NAME", "SQUEUE_PARTITION", "SCANCEL_INTERACTIVE", "SBATCH_ACCOUNT")
    for name in names:
        monkeypatch.setenv(name, "7")
    said = "".join(f"${{{name}:-0}}" for name in names)
    client = Client(Scheduler(**OWN | {"submit": f"sh -c 'echo {said}' {{script}}"}))
    assert client.submit(tmp_path / "script.sh") == "0007"


# ---------------------------------------------------------------------- refusals
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
ANSWERS: list[tuple[Scheduler, str, Any]] = [
    (SLURM, f"sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: {POLICY}", False),
    (SLURM, f"sbatch: error: AssocGrpSubmitJobsLimit\nsbatch: error: {POLICY}", False),
    (SLURM, f"sbatch: error: QOSMaxJobsPerUserLimit\nsbatch: error: {POLICY}", False),
    (SLURM, f"sbatch: error: {POLICY}", False),
    (SLURM, "sbatch: error: Socket timed out on send/recv operation", True),
    (SLURM, "sbatch: error: Unable to contact slurm controller (connect failure)", True),
    (SLURM, "ssh: connect to host login port 22: Connection refused", True),
    (SLURM, f"sbatch: error: QOSMaxWallDurationPerJobLimit\n{POLICY}", LaunchError),
    (SLURM, f"sbatch: error: AssocMaxWallDurationPerJobLimit\n{POLICY}", LaunchError),
    (SLURM, f"sbatch: error: QOSMaxMemoryPerJob\n{POLICY}", LaunchError),
    (SLURM, f"sbatch: error: QOSMaxNodePerUserLimit\n{POLICY}", LaunchError),
    (SLURM, f"sbatch: error: QOSMinGRES\n{POLICY}", LaunchError),
    (SLURM, f"sbatch: error: QOSTimeLimit\n{POLICY}", LaunchError),
    (SLURM, f"sbatch: error: AssociationResourceLimit\n{POLICY}", LaunchError),
    (SLURM, f"sbatch: error: PartitionTimeLimit\n{POLICY}", LaunchError),
    (SLURM, "Required partition not available (inactive or drain)", False),
    (SLURM, "sbatch: error: Requested time limit is invalid (exceeds some limit)", LaunchError),
    (SLURM, "sbatch: error: Invalid account or account/partition combination", LaunchError),
    (SLURM, "Batch job submission failed: Invalid job array specification", TooLarge),
    (PBS, "qsub: would exceed queue workq's per-user limit of jobs in 'Q' state", False),
    (PBS, "qsub: Job violates queue and/or server resource limits", LaunchError),
    (PJM, "[ERR.] PJM 0058 pjsub The number of jobs exceeds the upper limit.", False),
    (PJM, "[ERR.] PJM 0057 pjsub node=32 is greater than the upper limit (24).", LaunchError),
]


@pytest.mark.parametrize(
    ("scheduler", "text", "meaning"), ANSWERS, ids=[text[:60] for _, text, _ in ANSWERS]
)
def test_what_a_refusal_means(
    tmp_path: Path, scheduler: Scheduler, text: str, meaning: Any
) -> None:
    """False: wait; True: wait, and it may have the job; else the error."""
    (tmp_path / "said").write_text(text)
    command = f"sh -c 'cat {tmp_path}/said >&2; exit 1' {{script}}"
    client = Client(dataclasses.replace(scheduler, submit=command))
    if isinstance(meaning, bool):
        with pytest.raises(Busy) as found:
            client.submit(tmp_path / "script.sh")
        assert found.value.unsure is meaning
    else:
        with pytest.raises(meaning, match=text.splitlines()[0][:20].replace("[", r"\[")):
            client.submit(tmp_path / "script.sh")


# ---------------------------------------------------------------------- lists of jobs
def listing(base: str, place: Path, text: str) -> Client:
    (place / "list").write_text(text)
    known = {"slurm": SLURM, "pbs": PBS, "pjm": PJM}[base]
    return Client(dataclasses.replace(known, queue=f"cat {place}/list"))


def test_lines_of_others_are_passed_over_and_said_once(tmp_path: Path) -> None:
    text = "Lmod: loaded gcc\n77+0|R|big\n12_3|PD|d3fa2c1-7\nslurm maintenance!\n13|R|d3fa2"
    client = listing("slurm", tmp_path, text)
    with pytest.warns(DsiceWarning, match="no jobs of dsice.*'Lmod: loaded gcc'") as said:
        found = client.queue()
        client.queue()
    assert len(said) == 1
    assert {job: entry.name for job, entry in found.items()} == {
        "77+0": "big",
        "12_3": "d3fa2c1-7",
        "13": "d3fa2",
    }
    assert found["13"].cut and found["13"].has_name("d3fa2c1-9") and not found["77+0"].cut


def test_both_formats_of_qstat_are_read(tmp_path: Path) -> None:
    plain = (
        "Job id            Name             User              Time Use S Queue\n"
        "----------------  ---------------- ----------------  -------- - -----\n"
        "101.server        d3fa2c1-7        someone           00:00:00 R workq\n"
        "94646[].server    sweep            else              0        B workq\n"
    )
    wide = (
        "\nserver: \n"
        "                                                   Req'd  Req'd   Elap\n"
        "Job ID          Username Queue    Jobname    SessID NDS TSK Memory Time  S Time\n"
        "--------------- -------- -------- ---------- ------ --- --- ------ ----- - -----\n"
        "101.server      someone  workq    d3fa2c1-7*  12345   1   1    --  00:10 R 00:01\n"
    )
    for text in (plain, wide):
        found = listing("pbs", tmp_path, text).queue()["101"]
        assert found.state == "R" and found.has_name("d3fa2c1-7")


def test_an_answer_without_a_job_is_asked_for_again_ten_times(tmp_path: Path) -> None:
    client = listing("slurm", tmp_path, "<html>maintenance</html>\n")
    for _ in range(9):
        with pytest.raises(Unreadable):
            client.queue()
    with pytest.raises(LaunchError, match=r"cannot be read: '<html>[\s\S]*10 times in a row"):
        client.queue()


def test_another_program_with_the_id_of_a_dead_job_is_left_alone(
    fake: Fake, tmp_path: Path
) -> None:
    with batch(fake, "sleep 60; echo {x}", tmp_path) as launcher:
        launcher.submit(jobs(0, 1))
        assert eventually(lambda: len(list(tmp_path.glob("trials/*/process.json"))) == 2)
        file = fake.place / "jobs" / "100"
        pid = int(file.read_text().split()[-1])
        os.killpg(pid, signal.SIGKILL)
        other = subprocess.Popen(["sleep", "60"], start_new_session=True)
        file.write_text(f"thesis {other.pid}")
        try:
            launcher.cancel(0)
            assert drain(launcher, 1)[0].state == "stopped"
            launcher.cancel(1)
            assert drain(launcher, 1)[1].state == "stopped"
            assert other.poll() is None and file.exists()
        finally:
            other.kill()
            other.wait()


def test_a_job_in_no_list_is_asked_for_by_its_id_before_it_is_lost(
    fake: Fake, tmp_path: Path
) -> None:
    with batch(fake, "sleep 3; echo {x}", tmp_path, lost_after=0.5) as launcher:
        launcher.submit(jobs(0))
        fake.tell("late", "100")  # its list never has the job
        began = time.monotonic()
        fake.forget("late") if launcher.collect(1.0) else None
        assert time.monotonic() - began >= 0.9, "nothing is lost yet"
        fake.forget("late")
        assert drain(launcher, 1)[0].value == 0.0


def test_a_list_that_is_empty_is_no_news(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, "sleep 2; echo {x}", tmp_path, lost_after=0.5) as launcher:
        launcher.submit(jobs(0))
        fake.tell("empty", "error: busy")
        assert launcher.collect(1.5) == []
        fake.forget("empty")
        assert drain(launcher, 1)[0].value == 0.0
    assert fake.submissions == 1


def test_a_scheduler_that_cannot_look_for_a_job_is_believed_about_one_of_several(
    commands: Fake, tmp_path: Path
) -> None:
    own = {"base": "pjm", "find": []}
    with batch(
        commands, "sleep {x}; echo {x}", tmp_path, scheduler=own, lost_after=0.6
    ) as launcher:
        launcher.submit([Job(0, {"x": 60}), Job(1, {"x": 4})])
        assert eventually(lambda: len(list(tmp_path.glob("trials/*/process.json"))) == 2)
        pid = int((commands.place / "jobs" / "100").read_text().split()[-1])
        supervisor = json.loads((tmp_path / "trials/0/process.json").read_text())["pid"]
        for process in (pid, supervisor):
            os.kill(process, 9)
        began = time.monotonic()
        assert drain(launcher, 1)[0].state == "lost"
        assert time.monotonic() - began < 3.9, "not after several times the patience"
        assert drain(launcher, 1)[1].value == 4.0


# ---------------------------------------------------------------------- double submissions
@pytest.mark.filterwarnings("ignore:the pjm queue:dsice.errors.DsiceWarning")
@pytest.mark.filterwarnings("ignore:the pbs queue:dsice.errors.DsiceWarning")
def test_a_job_that_turns_up_late_is_not_submitted_again(fake: Fake, tmp_path: Path) -> None:
    fake.tell("late", "1.2")
    fake.tell("lie", "1")
    with batch(fake, "echo {x} >> ../seen; echo {x}", tmp_path, lost_after=2.0) as launcher:
        launcher.submit(jobs(0))
        assert drain(launcher, 1)[0].value == 0.0
    assert fake.submissions == 1


@pytest.mark.filterwarnings("ignore:the pjm queue:dsice.errors.DsiceWarning")
@pytest.mark.filterwarnings("ignore:the pbs queue:dsice.errors.DsiceWarning")
def test_a_job_that_turns_up_after_its_successor_is_cancelled(fake: Fake, tmp_path: Path) -> None:
    fake.tell("late", "100")
    fake.tell("lie", "1")
    fake.tell("hold")  # the first never begins
    with batch(fake, "sleep 3; echo {x}", tmp_path, lost_after=0.5) as launcher:
        launcher.submit(jobs(0))
        assert launcher.collect(1.2) == []
        fake.forget("hold")
        assert eventually(lambda: launcher.collect(0.2) == [] and fake.submissions == 2)
        fake.forget("late")
        assert eventually(
            lambda: launcher.collect(0.2) == [] and not (fake.place / "jobs" / "100").exists(), 3.0
        )
        assert drain(launcher, 1)[0].value == 0.0
    names = {path.stem for path in (tmp_path / "trials" / "jobs").glob("*.sh")}
    assert len(names) == 2, "each submission has a name of its own"


# ---------------------------------------------------------------------- arrays
def test_the_size_of_arrays_is_an_option(commands: Fake, tmp_path: Path) -> None:
    options = {"scheduler": "slurm", "slots": 5}
    for size, scripts in ((0, 5), (1, 5), (2, 3), (1000, 1)):
        launcher = batch(commands, "echo {x}", tmp_path, array_size=size, **options)
        made = launcher.dry_run(jobs(*range(5)))
        assert len(made) == scripts
        assert any("--array" in script.text for script in made) == (size > 1)
    with pytest.raises(OptionError, match="array_size"):
        batch(commands, "echo {x}", tmp_path, array_size=-1)


def test_an_array_that_is_too_large_is_split(commands: Fake, tmp_path: Path) -> None:
    commands.tell("array", "2")
    with (
        batch(commands, "echo {x}", tmp_path, scheduler="slurm", slots=5) as launcher,
        pytest.warns(DsiceWarning, match="refused an array of 5 jobs; trying 2"),
    ):
        launcher.submit(jobs(*range(5)))
        assert sorted(drain(launcher, 5)) == list(range(5))
        launcher.submit(jobs(5, 6, 7))
        assert len(drain(launcher, 3)) == 3
    assert len(commands.calls("sbatch")) == 1 + 3 + 2


# ---------------------------------------------------------------------- scripts
@pytest.mark.parametrize("name", ["a b", "100% %j", 'q"uote', "it's", "\u00e9 \u6f22"])
def test_odd_names_of_directories_stand_quoted_in_scripts(tmp_path: Path, name: str) -> None:
    for scheduler, percent in (("slurm", "%%"), ("pjm", "%"), ("pbs", "%")):
        launcher = Batch("echo 1", scheduler=scheduler, directory=tmp_path / name)
        text = launcher.dry_run([Job(0)])[0].text
        path = f"{tmp_path / name}/jobs/d000000-0.log"
        shown = path.replace("%", percent).replace('"', '\\"')
        assert f'"{shown}"\n' in text


def test_values_of_resources_with_blanks_are_quoted(tmp_path: Path) -> None:
    resources = {"comment": "a b", "mail": '"x y"', "-A": 'my "own"  account'}
    text = Batch("echo 1", resources=resources, directory=tmp_path).dry_run([Job(0)])[0].text
    for line in ('--comment="a b"', '--mail="x y"', r'-A "my \"own\"  account"'):
        assert f"#SBATCH {line}\n" in text
    text = (
        Batch("echo 1", scheduler="pbs", resources={"select": "1:host=a b"}, directory=tmp_path)
        .dry_run([Job(0)])[0]
        .text
    )
    assert '#PBS -l select="1:host=a b"\n' in text


@pytest.mark.parametrize("name", ["two\nlines", "back\\slash"])
def test_names_that_no_script_can_hold_are_refused(tmp_path: Path, name: str) -> None:
    launcher = Batch("echo 1", directory=tmp_path / name)
    with pytest.raises(LaunchError, match="line break or a backslash"):
        launcher.dry_run([Job(0)])


def test_scripts_are_for_their_owner_alone(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, "echo {x}", tmp_path, env={"TOKEN": "secret"}) as launcher:
        launcher.submit(jobs(0))
        drain(launcher, 1)
    script = next((tmp_path / "trials" / "jobs").glob("*.sh"))
    assert script.stat().st_mode & 0o777 == 0o600


# ---------------------------------------------------------------------- clocks
def test_a_clock_that_jumps_gives_no_job_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now, wall = 1000.0, 1e9
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "time", lambda: wall)
    absence = Absence()
    found = absence.counted(JobRecord("t", "n"), 60.0)
    now, wall = now + 10.0, wall + 3600.0  # within a process the wall clock says nothing
    found = absence.counted(found, 60.0)
    assert found.absent == 10.0
    for jump, expected in ((3600.0, 40.0), (-7200.0, 40.0), (12.0, 52.0), (600.0, 82.0)):
        wall += jump  # each of these looks is made by another process
        found = Absence().counted(found, 60.0)
        assert found.absent == expected
    assert Absence().ended(found).absent == 0.0 and Absence().ended(found).missing is None


# ---------------------------------------------------------------------- files that fail
def failing(patch: pytest.MonkeyPatch, name: str, times: int, code: int) -> list[str]:
    """Let a file not be opened so many times; what was tried."""
    real, failed = os.open, list[str]()

    def opened(path: Any, *arguments: Any, **options: Any) -> int:
        if os.path.basename(path) == name and len(failed) < times:  # noqa: PTH119
            failed.append(str(path))
            raise OSError(code, os.strerror(code))
        return real(path, *arguments, **options)

    patch.setattr(os, "open", opened)
    return failed


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_trial_whose_directory_cannot_be_made_is_unstarted(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with batch(fake, "echo {x}", tmp_path) as launcher:
        with monkeypatch.context() as patch:
            patch.setattr(trial_directory, "make", no_room)
            launcher.submit(jobs(0))
            found = launcher.collect(0.1)
            assert [(e.id, e.state) for e in found if isinstance(e, Result)] == [(0, "unstarted")]
        launcher.submit(jobs(0))
        assert drain(launcher, 1)[0].value == 0.0


def test_a_run_waits_for_a_disk_that_is_full(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = trial_directory.make
    failed: list[Any] = []

    def make(*arguments: Any) -> Any:
        if len(failed) < 3:
            failed.append(arguments)
            no_room()
        return real(*arguments)

    monkeypatch.setattr(trial_directory, "make", make)
    with (
        Tuner({"x": range(2)}, max_trials=2) as tuner,
        batch(fake, "echo {x}", tmp_path, slots=2) as launcher,
        pytest.warns(DsiceWarning),
    ):
        run(tuner, launcher, progress=False)
    assert sorted(trial.value for trial in tuner.history if trial.value is not None) == [0.0, 1.0]


def test_letters_of_a_study_that_cannot_be_read_are_not_drawn_again(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with batch(fake, "sleep 0.5; echo {x}", tmp_path) as launcher:
        launcher.submit(jobs(0))
    before = (tmp_path / "trials" / "study.json").read_bytes()
    failed = failing(monkeypatch, "study.json", 3, errno.ESTALE)
    with batch(fake, "sleep 0.5; echo {x}", tmp_path) as again:
        assert again.attach(jobs(0)) == [0] and failed
        assert drain(again, 1)[0].value == 0.0
    assert (tmp_path / "trials" / "study.json").read_bytes() == before


def test_a_stopped_trial_is_not_lost_where_its_mark_cannot_be_looked_at(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[Any] = []

    def once(real: Any) -> Any:
        def look(path: Any, *arguments: Any, **options: Any) -> Any:
            if str(path).endswith("/0/stop") and not failed:
                failed.append(path)
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            return real(path, *arguments, **options)

        return look

    fake.tell("hold")
    quick = {"poll": 0.1, "lost_after": 0.2}
    with (
        batch(fake, "echo {x}", tmp_path, **quick) as launcher,
        pytest.warns(DsiceWarning, match="cannot be used: .*looking again"),
    ):
        launcher.submit(jobs(0))
        launcher.stop([0])  # as another process does; nobody told this launcher
        for name in ("stat", "lstat"):
            monkeypatch.setattr(os, name, once(getattr(os, name)))
        assert drain(launcher, 1)[0].state == "stopped" and failed


def test_a_supervisor_that_was_not_wanted_ran_nothing(fake: Fake, tmp_path: Path) -> None:
    """The directory was claimed anew when it came, and the claim was taken back."""
    fake.tell("hold")
    with batch(fake, "echo {x}", tmp_path) as launcher:
        launcher.submit(jobs(0))
        claim = tmp_path / "trials" / "0" / "job.json"
        own = claim.read_text()
        claim.write_text(json.dumps(json.loads(own) | {"token": "of another"}))
        subprocess.run(["/bin/bash", fake.place / "script.100"], check=True)
        claim.write_text(own)
        result = drain(launcher, 1)[0]
    assert result.state == "unstarted" and "exit code 73" in str(result.error)


def test_an_interpreter_that_is_not_there_ran_nothing(fake: Fake, tmp_path: Path) -> None:
    with batch(fake, "echo {x}", tmp_path, python="/not/there/python3") as launcher:
        launcher.submit(jobs(0))
        result = drain(launcher, 1)[0]
    assert result.state == "unstarted" and "exit code 127" in str(result.error)
    assert "/not/there/python3" in str(result.error)


def test_a_measurement_that_cannot_be_read_for_a_moment_is_not_lost(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = failing(monkeypatch, "stdout", 2, errno.EIO)
    with (
        batch(fake, "echo {x}", tmp_path) as launcher,
        pytest.warns(DsiceWarning, match="cannot be used: .*Input/output.*looking again"),
    ):
        launcher.submit(jobs(7))
        assert drain(launcher, 1)[7].value == 7.0 and len(failed) == 2
