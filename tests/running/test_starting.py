"""A launcher whose machine can start nothing for a while, and how `run` waits for it."""

from __future__ import annotations

import errno
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dsice import Trial, Tuner, run
from dsice.errors import DsiceWarning, LaunchError, OptionError
from dsice.launchers import Futures, Job, Launcher, Local, Result, Step
from dsice.running import starting
from dsice.strategies import Grid, Random

REASON = "OSError: [Errno 28] No space left on device"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starting, "_SHORTEST", 0.02)
    monkeypatch.setattr(starting, "_LONGEST", 0.1)
    monkeypatch.setattr(starting, "_SETTLED", 0.05)


class Machine(Launcher):
    """Jobs end at the next look; `able` says which can be started."""

    def __init__(self, able: Callable[[Job], bool], slots: int = 4) -> None:
        self.able, self.tries, self.events = able, list[int](), list[Result | Step]()
        self._slots = slots

    @property
    def slots(self) -> int:
        return self._slots

    def submit(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            self.tries.append(job.id)
            self.events.append(self.answer(job))

    def answer(self, job: Job) -> Result:
        now = time.time()
        if self.able(job):
            return Result(job.id, "done", value=float(job.id), times=(now, now, now))
        return Result(job.id, "unstarted", error=REASON, times=(now, None, None))

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        return []

    def collect(self, timeout: float = 0.0) -> Iterable[Result | Step]:
        events, self.events = self.events, []
        return events

    def cancel(self, id: int) -> None: ...

    def close(self) -> None: ...


def during(seconds: float) -> Callable[[Job], bool]:
    """Whether a job can be started: not within so many seconds of the fifth try."""
    tries, until = list[int](), list[float]()

    def able(job: Job) -> bool:
        tries.append(job.id)
        if len(tries) == 5:
            until.append(time.monotonic() + seconds)
        return not until or time.monotonic() > until[0]

    return able


def tuner(path: Path | None = None) -> Tuner:
    return Tuner({"x": range(30)}, Grid(), journal=path)


@pytest.mark.parametrize("mode", ["async", "rounds"])
def test_what_was_not_started_is_not_told_and_runs_later(mode: str) -> None:
    launcher = Machine(during(0.5))
    mine = tuner()
    seen: list[int] = []

    def note(tuner: Tuner, trial: Trial) -> None:
        seen.append(trial.id)

    with pytest.warns(
        DsiceWarning, match=r"No space left.*\n.*tried again.*start_timeout"
    ) as words:
        run(mine, launcher, mode=mode, callbacks=[note], retries=0, progress=False)  # type: ignore[arg-type]
    assert len(words) == 1  # not each time the same
    assert sorted(seen) == list(range(30))
    assert [trial.value for trial in mine.history] == [float(i) for i in range(30)]
    # one at a time, and ever more seldom
    assert len(launcher.tries) < 30 + 4 + 20


def test_nothing_new_is_asked_meanwhile_and_the_budget_is_untouched(tmp_path: Path) -> None:
    mine = tuner(tmp_path / "j.jsonl")
    launcher = Machine(lambda job: job.id < 3, slots=2)
    with (
        pytest.warns(DsiceWarning),
        pytest.raises(LaunchError, match=r"(?s)No space left.*same script"),
    ):
        run(mine, launcher, max_trials=8, start_timeout=0.4, progress=False)
    assert [trial.state.value for trial in mine.history][:3] == ["done"] * 3
    assert mine.asked <= 5 and all(t.state.value == "pending" for t in list(mine.history)[3:])
    mine.close()
    with tuner(tmp_path / "j.jsonl") as again:
        run(again, Machine(lambda _: True), max_trials=8, progress=False)
        assert [trial.value for trial in again.history] == [float(i) for i in range(8)]


def test_as_many_run_as_the_machine_bears() -> None:
    """With file handles for three, a fourth waits until one of them ends."""
    running: set[int] = set()

    class Small(Machine):
        def submit(self, jobs: Sequence[Job]) -> None:
            for job in jobs:
                self.tries.append(job.id)
                if len(running) < 3:
                    running.add(job.id)
                else:
                    self.events.append(Result(job.id, "unstarted", error="EMFILE"))

        def collect(self, timeout: float = 0.0) -> Iterable[Result | Step]:
            if not self.events and running:
                id = min(running)
                running.remove(id)
                self.events.append(Result(id, "done", value=float(id)))
            return super().collect(timeout)

    mine, launcher = tuner(), Small(lambda _: True, slots=6)
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(mine, launcher, progress=False)
    assert [trial.value for trial in mine.history] == [float(i) for i in range(30)]
    assert time.monotonic() - began < 5 and len(launcher.tries) < 30 + 12


def test_what_ran_while_nothing_could_be_started_and_failed_runs_again() -> None:
    began = time.time()
    failures: list[int] = []

    class Full(Machine):
        def answer(self, job: Job) -> Result:
            found = super().answer(job)
            if job.id == 5 and not failures:
                failures.append(job.id)
                now = time.time()
                return Result(5, "failed", error="lost its output", times=(began, began, now))
            return found

    mine = tuner()
    with pytest.warns(DsiceWarning):
        run(mine, Full(during(0.1), slots=6), progress=False)
    assert failures and all(trial.state.value == "done" for trial in mine.history)


def test_what_runs_in_vain_too_often_is_told_as_it_is() -> None:
    class Vain(Machine):
        def answer(self, job: Job) -> Result:
            if job.id == 2:
                now = time.time()
                return Result(2, "unstarted", error="it fills the disk", times=(now, now, now))
            return super().answer(job)

    mine, launcher = tuner(), Vain(lambda _: True)
    with pytest.warns(DsiceWarning):
        run(mine, launcher, progress=False)
    states = [trial.state.value for trial in mine.history]
    assert states[2] == "failed" and states.count("done") == 29
    assert launcher.tries.count(2) == 1 + starting._SPOILED


def test_a_preparation_waits_like_a_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, refused = Local.submit, list[int]()

    def submit(self: Local, jobs: Sequence[Job]) -> None:
        if len(refused) < 3:
            refused.extend(job.id for job in jobs)
            self._ready.extend(Result(job.id, "unstarted", error=REASON) for job in jobs)
        else:
            real(self, jobs)

    monkeypatch.setattr(Local, "submit", submit)
    with (
        Tuner({"x": range(3)}, Random(), journal=tmp_path / "j.jsonl") as mine,
        Local("cat $DSICE_PREPARED/n  # {x}", directory=tmp_path / "t") as launcher,
        pytest.warns(DsiceWarning, match="preparation 0.*No space"),
    ):
        run(mine, launcher, prepare="echo 7 > $DSICE_DIR/n", progress=False)
        assert [trial.value for trial in mine.history] == [7.0] * 3


def test_a_preparation_that_never_starts_ends_the_run() -> None:
    with pytest.warns(DsiceWarning), pytest.raises(LaunchError, match="nothing could be started"):
        run(tuner(), Machine(lambda _: False), prepare="true", start_timeout=0.2, progress=False)


def test_files_of_an_earlier_run_that_cannot_be_read_yet_are_waited_for(tmp_path: Path) -> None:
    with tuner(tmp_path / "j.jsonl") as mine:
        mine.ask(3)

    class Late(Machine):
        def __init__(self) -> None:
            super().__init__(lambda _: True)
            self.asked = 0

        def attach(self, jobs: Sequence[Job]) -> list[int]:
            self.asked += 1
            if self.asked < 3:
                raise OSError(errno.EMFILE, "Too many open files")
            return []

    launcher = Late()
    with (
        tuner(tmp_path / "j.jsonl") as mine,
        pytest.warns(DsiceWarning, match="cannot be read now"),
    ):
        run(mine, launcher, progress=False)
    assert launcher.asked == 3
    never = Late()
    never.asked = -(10**6)
    with tuner(tmp_path / "k.jsonl") as mine:
        mine.ask(3)
    with (
        tuner(tmp_path / "k.jsonl") as mine,
        pytest.warns(DsiceWarning),
        pytest.raises(LaunchError, match="could not be read"),
    ):
        run(mine, never, start_timeout=0.2, progress=False)
    assert not never.tries


@pytest.mark.parametrize("wrong", [-1, "10", float("nan"), True])
def test_wrong_patience_is_refused(wrong: object) -> None:
    with pytest.raises(OptionError, match="start_timeout"):
        run(tuner(), Machine(lambda _: True), start_timeout=wrong, progress=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [Local, Futures])
def test_what_ran_in_vain_leaves_nothing_beside_the_trial(
    tmp_path: Path, kind: Callable[..., Launcher]
) -> None:
    """On a full disk it would keep what the disk has no room for."""
    failures = tmp_path / "failures"
    failures.mkdir()

    def program(x: int) -> float:
        if len(list(failures.iterdir())) < 2:
            (failures / str(time.time_ns())).touch()
            raise OSError(errno.ENOSPC, "No space left on device")
        return float(x)

    home = tmp_path / "trials"
    with ThreadPoolExecutor(1) as pool:
        more = [pool] if kind is Futures else []
        with pytest.warns(DsiceWarning, match="No space left") as said:
            found = run(tuner(), kind(program, *more, directory=home, slots=1), max_trials=1)
    assert [trial.state for trial in found.history] == ["done"]
    assert [path.name for path in home.iterdir() if path.is_dir()] == ["0"]
    assert not any("put aside" in str(warning.message) for warning in said)
