"""The live line on the terminal: trials done, running, failed, the best and the time left."""

from __future__ import annotations

import time
from types import TracebackType

from dsice.trial import State
from dsice.tuner import Tuner


class Progress:
    """Live display of a run; on no terminal it prints a line now and then instead.

    Parameters
    ----------
    tuner
        Whose trials are shown.
    total
        Trials in all, None where the end is not known.
    """

    EVERY = 10.0  # seconds between two lines where there is no terminal

    def __init__(self, tuner: Tuner, total: int | None) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        self.tuner, self.total = tuner, total
        self._began, self._first = time.monotonic(), len(tuner.history) - len(tuner.pending)
        self._console = Console(stderr=True)
        self._printed = self._began
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
        )
        self._bar = (
            Bar(*columns, console=self._console, transient=False)
            if self._console.is_terminal
            else None
        )
        self._task = self._bar.add_task("dsice", total=total, text="") if self._bar else None

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.update(0)
        if self._bar:
            self._bar.stop()
        else:
            self._console.print(self.text(0), highlight=False, soft_wrap=True)

    def update(self, running: int) -> None:
        """Show the state with that many trials running."""
        text = self.text(running)
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self._told(), text=text)
        elif time.monotonic() - self._printed >= self.EVERY:
            self._printed = time.monotonic()
            self._console.print(text, highlight=False, soft_wrap=True)

    def text(self, running: int) -> str:
        """One line: told/total, running, failed, best, time left."""
        told = self._told()
        failed = sum(
            t.state in (State.FAILED, State.TIMED_OUT, State.INVALID) for t in self.tuner.history
        )
        best = self.tuner.best
        parts = [f"{told}{f'/{self.total}' if self.total else ''} trials", f"{running} running"]
        parts += [f"{failed} failed"] if failed else []
        parts += [f"best {best.value:.6g}"] if best is not None and best.value is not None else []
        return ", ".join(parts + self._left(told))

    def _told(self) -> int:
        return len(self.tuner.history) - len(self.tuner.pending)

    def _left(self, told: int) -> list[str]:
        if not self.total or told <= self._first or told >= self.total:
            return []
        left = (self.total - told) * (time.monotonic() - self._began) / (told - self._first)
        return [f"about {int(left // 60)}:{int(left % 60):02d} left"]
