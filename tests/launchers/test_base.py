"""The hooks of a launcher: one protocol names them all; each has a default where it is missing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dsice.errors import OptionError
from dsice.launchers import Batch, Futures, Job, Launcher, Local, Result, Step, Table
from dsice.launchers.base import NO_DIRECTORY, LauncherLike, as_launcher


class Six:
    """A user's launcher: the six methods alone."""

    slots = 2

    def __init__(self) -> None:
        self.calls: list[str] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        self.calls.append("submit")

    def attach(self, jobs: Sequence[Job]) -> list[int]:
        return [job.id for job in jobs]

    def collect(self, timeout: float = 0.0) -> list[Result | Step]:
        return [Step(0, 1, timeout)]

    def cancel(self, id: int) -> None:
        self.calls.append(f"cancel {id}")

    def close(self) -> None:
        self.calls.append("close")


def test_an_object_with_the_six_methods_alone_gets_the_other_hooks() -> None:
    given = Six()
    launcher = as_launcher(given)
    assert launcher.cannot_step == launcher.cannot_continue == launcher.cannot_keep == ""
    assert "end with this call" in launcher.cannot_detach
    assert (launcher.stop([1]), launcher.queued()) == ([], None)
    launcher.detach()
    with launcher:
        assert launcher.slots == 2
        assert launcher.attach([Job(3)]) == [3]
        assert launcher.collect(0.5) == [Step(0, 1, 0.5)]
        launcher.submit([])
        launcher.cancel(7)
    assert given.calls == ["close", "submit", "cancel 7", "close"]


def test_hooks_that_an_object_has_are_kept() -> None:
    class More(Six):
        cannot_step = "it is mute"
        directory = None

        def detach(self) -> None:
            self.calls.append("detach")

        def stop(self, ids: Sequence[int]) -> list[int]:
            return list(ids)

    given = More()
    launcher = as_launcher(given)
    launcher.detach()
    assert given.calls == ["detach"]
    assert launcher.stop([4]) == [4]
    assert (launcher.cannot_step, launcher.cannot_continue) == ("it is mute", "")
    assert (launcher.cannot_detach, launcher.cannot_keep) == ("", NO_DIRECTORY)


def test_a_class_that_inherits_and_detaches_can_be_left_alone() -> None:
    class Detaching(Six, Launcher):
        def detach(self) -> None:
            """Leave the jobs alone."""

    class Staying(Six, Launcher):
        pass

    assert as_launcher(Detaching()).cannot_detach == ""
    assert "end with this call" in as_launcher(Staying()).cannot_detach


def test_a_class_that_inherits_the_defaults_is_taken_as_it_is() -> None:
    class Own(Six, Launcher):
        pass

    launcher = Own()
    assert as_launcher(launcher) is launcher
    assert launcher.cannot_detach and launcher.queued() is None


@pytest.mark.parametrize("kind", [Batch, Futures, Local, Table])
def test_the_launchers_of_dsice_have_all_hooks(kind: type) -> None:
    assert Launcher in kind.__mro__
    names = {name for base in (Launcher, LauncherLike) for name in vars(base)}
    hooks = {name for name in names if not name.startswith("_")}
    assert hooks == {
        *("slots", "submit", "attach", "collect", "cancel", "close"),
        *("cannot_step", "cannot_continue", "cannot_keep", "cannot_attach", "cannot_detach"),
        *("accept", "detach", "stop", "queued"),
    }
    assert all(hasattr(kind, name) for name in hooks)


@pytest.mark.parametrize("given", [None, "echo {x}", len, Local, Six])
def test_what_is_no_launcher_is_refused(given: object) -> None:
    with pytest.raises(OptionError, match=r"expected a launcher such as Local\(function\)"):
        as_launcher(given)
