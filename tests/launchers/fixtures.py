"""Fixtures that start schedulers and executors, for every test that launches trials."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.launchers import cases
from tests.launchers.slurm import Slurm
from tests.launchers.slurm import missing as slurm_missing

COMMANDS = ("pjsub", "pjstat", "pjdel", "qsub", "qstat", "qdel", "sbatch", "squeue", "scancel")
FAKE_SCHEDULER = Path(__file__).with_name("fake_scheduler.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for a real Slurm is long, and the second of the two fakes."""
    for item in items:
        if (
            {"slurm", "cluster"} & set(getattr(item, "fixturenames", ()))
            or "[slurm" in item.name
            or "[pbs" in item.name
        ):
            item.add_marker(pytest.mark.long)


@pytest.fixture
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary directories of launchers go: they keep the logs of failed trials."""
    place = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    return place


@pytest.fixture(autouse=True, scope="session")
def engines() -> Iterator[None]:
    """End the dask client, ray and the MPI pool that tests have started."""
    yield
    cases.end_shared()


class Fake:
    """A fake scheduler; see `fake_scheduler`."""

    def __init__(self, name: str, place: Path) -> None:
        self.name, self.place = name, place

    def tell(self, name: str, text: str = "") -> None:
        (self.place / name).write_text(text)

    def forget(self, name: str) -> None:
        (self.place / name).unlink()

    def calls(self, command: str) -> list[str]:
        log = self.place / "log"
        return [
            line
            for line in (log.read_text().splitlines() if log.exists() else [])
            if line.startswith(command)
        ]

    @property
    def submissions(self) -> int:
        return len(self.calls("pjsub") + self.calls("qsub") + self.calls("sbatch"))


@pytest.fixture(params=["pjm", "pbs"])
def fake(request: pytest.FixtureRequest, commands: Fake) -> Fake:
    """A fake PJM, and a fake PBS."""
    return Fake(request.param, commands.place)


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """The commands of PJM, PBS and Slurm on PATH; jobs that are left at the end are killed."""
    place = tmp_path / "fake"
    (place / "jobs").mkdir(parents=True)
    (place / "bin").mkdir()
    for name in COMMANDS:
        file = place / "bin" / name
        file.write_text(f"#!{sys.executable} -ISs\n" + FAKE_SCHEDULER.read_text())
        file.chmod(0o755)
    monkeypatch.setenv("FAKE", str(place))
    monkeypatch.setenv("PATH", f"{place / 'bin'}:{os.environ['PATH']}")
    yield Fake("pjm", place)
    for file in (place / "jobs").iterdir():
        pid = int(file.read_text().split()[-1])
        if pid:
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGTERM)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Slurm]:
    """A real Slurm, one for each process that runs tests."""
    if reason := slurm_missing():
        if os.environ.get("DSICE_NEEDS_SLURM"):
            pytest.fail(f"DSICE_NEEDS_SLURM is set: {reason}")
        pytest.skip(reason)
    with Slurm() as started:
        yield started


@pytest.fixture
def slurm(cluster: Slurm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Slurm]:
    """The real Slurm, without a job in it."""
    for name, value in cluster.variables.items():
        monkeypatch.setenv(name, value)
    yield cluster
    if cluster.jobs():
        cluster.clear()
