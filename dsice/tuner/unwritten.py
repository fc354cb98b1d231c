"""Results that a journal could not take: kept in memory, and in a file that the error names, until it can."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsice.journal import Journal
from dsice.trial import Trial

Made = tuple[dict[str, Any], list[Trial]]


@dataclass(frozen=True)
class Result:
    """Something told: `make` gives its journal line and trials as they follow from the history of the moment.

    Attributes
    ----------
    id
        The trial that was told; None for one that was added, and for a step.
    """

    make: Callable[[], Made]
    id: int | None = None


@dataclass
class Unwritten:
    """Results in hand, in the order told, and the file that has them too."""

    results: list[Result] = field(default_factory=list)
    file: Path | None = None

    def has(self, id: int) -> bool:
        """Whether the end of that trial is in hand."""
        return any(result.id == id for result in self.results)

    def forget(self, id: int) -> None:
        """A result that is told anew."""
        self.results = [result for result in self.results if result.id != id]

    def save(self, journal: Journal) -> str:
        """Write all results to a file, wherever there is room; a sentence that says where."""
        text = "".join(
            json.dumps(result.make()[0], separators=(",", ":")) + "\n" for result in self.results
        ).encode()
        left = journal.left() if journal.gone else b""
        old, name = self.file, f"{journal.path.name}.unwritten-{os.getpid()}.jsonl"
        for folder in dict.fromkeys(
            [journal.path.parent, Path(tempfile.gettempdir()), Path.home()]
        ):
            if _written(folder / name, left + text):
                self.file = folder / name
                break
        else:
            return f"The {_count(self.results)} in hand could be saved nowhere else and stay in the memory of this process"
        if old is not None and old != self.file:
            old.unlink(missing_ok=True)
        if left:
            return f"The whole journal as it was, with the {_count(self.results)} in hand, is saved in {self.file}"
        return (
            f"The {_count(self.results)} in hand stay in this tuner and are written as soon as the journal can be; until then "
            f"{self.file} has them too, and after the end of this process `dsice tell {journal.path} --from {self.file}` takes "
            "them"
        )

    def written(self) -> None:
        """Everything is in the journal now."""
        self.results = []
        if self.file is not None:
            with suppress(OSError):
                self.file.unlink(missing_ok=True)
            self.file = None


def _count(results: Sequence[Result]) -> str:
    return "result" if len(results) == 1 else f"{len(results)} results"


def _written(file: Path, data: bytes) -> bool:
    """Whether all of it is on the disk; half a file is taken away again."""
    temporary = file.with_name(file.name + ".new")
    try:
        with temporary.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        return False
    return True
