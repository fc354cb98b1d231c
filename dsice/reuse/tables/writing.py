"""The trials of a study as a table, which `Tuner.add_all` reads back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dsice.errors import MissingPackageError, TableError
from dsice.history import History
from dsice.journal.format import encode_float
from dsice.reuse.tables.columns import METRIC, PLACE, TAG, TIMES
from dsice.reuse.tables.json_lines import TRIAL
from dsice.space.values import as_json, has_parts
from dsice.trial import Trial
from dsice.typing import Record

if TYPE_CHECKING:
    import pandas as pd

_FIRST = ("id", "state")
_LAST = ("seconds", *TIMES, "error", "stage", "repeat", "member")


# ------------------------------------------------------------------ lines of JSON
def records_of(history: History) -> Iterator[Record]:
    """Each trial as an object, without what it does not have."""
    for trial in history:
        yield _record(trial, history.goal.metric)


def _record(trial: Trial, metric: str) -> Record:
    record: Record = {"id": trial.id, "state": str(trial.state)}
    record["params"] = as_json(dict(trial.params))
    if trial.values:
        record["values"] = list(map(encode_float, trial.values))
    metrics = {name: _told(trial, name) for name in trial.metrics if name != metric}
    if metrics:
        record["metrics"] = metrics
    facts = {"seconds": trial.seconds, **dict(zip(TIMES, trial.times, strict=True))}
    record |= {name: value for name, value in facts.items() if value is not None}
    if trial.error is not None:
        record["error"] = trial.error
    record |= {"stage": trial.stage, "repeat": trial.repeat, "member": trial.member}
    for name in ("tags", "where"):
        if facts := dict(getattr(trial, name)):
            record[name] = facts
    return record


def _told(trial: Trial, name: str) -> Any:
    """A metric as it was told: a number, or the list of its repeats."""
    if name in trial.repeats:
        return list(map(encode_float, trial.repeats[name]))
    value = encode_float(trial.metrics[name])
    return [value] if value is None else value


def _write_lines(history: History, names: Sequence[str], file: IO[str]) -> None:
    _ = names
    for record in records_of(history):
        file.write(json.dumps(record) + "\n")


# ------------------------------------------------------------------ tables
def frame_of(history: History, names: Sequence[str]) -> pd.DataFrame:
    """All trials, a row each; what is no number is text.

    Parameters
    ----------
    names
        The parameters.
    """
    import pandas as pd

    metric = history.goal.metric
    trials = list(history)
    metrics = dict.fromkeys([metric, *(name for trial in trials for name in trial.metrics)])
    tags = dict.fromkeys(name for trial in trials for name in trial.tags)
    where = dict.fromkeys(name for trial in trials for name in trial.where)
    about = {name: f"{TRIAL}{name}" if name in names else name for name in (*_FIRST, *_LAST)}
    taken = {*names, *about.values()}
    columns: dict[str, list[Any]] = {
        about["id"]: [trial.id for trial in trials],
        about["state"]: [str(trial.state) for trial in trials],
    }
    for name in names:
        cells = [trial.params.get(name, _MISSING) for trial in trials]
        columns[name] = [None if cell is _MISSING else _cell(cell) for cell in cells]
    for name in metrics:
        label = f"{METRIC}{name}" if name in taken or "." in name else name
        columns[label] = [_measured(trial, name, metric) for trial in trials]
    columns[about["seconds"]] = [trial.seconds for trial in trials]
    for place, name in enumerate(TIMES):
        columns[about[name]] = [trial.times[place] for trial in trials]
    for name in _LAST[len(TIMES) + 1 :]:
        columns[about[name]] = [getattr(trial, name) for trial in trials]
    columns |= {f"{TAG}{name}": [_fact(trial.tags, name) for trial in trials] for name in tags}
    columns |= {f"{PLACE}{name}": [_fact(trial.where, name) for trial in trials] for name in where}
    return pd.DataFrame({label: _uniform(cells) for label, cells in columns.items()})


_MISSING = object()


def _cell(value: Any) -> Any:
    """A value of a parameter as one cell."""
    if isinstance(value, (bool, int, float)):
        return value
    return json.dumps(as_json(value)) if has_parts(value) else str(value)


def _measured(trial: Trial, name: str, metric: str) -> Any:
    told: Any = list(map(encode_float, trial.values)) if name == metric else None
    if told is None and name in trial.metrics:
        told = _told(trial, name)
    if isinstance(told, list):
        told = told[0] if len(told) == 1 and told[0] is not None else told or None
    return json.dumps(told) if isinstance(told, list) else told


def _fact(facts: Any, name: str) -> Any:
    """A tag as a cell; texts that could be taken for something else, and objects, as JSON."""
    if name not in facts:
        return None
    value = facts[name]
    if isinstance(value, str):
        return json.dumps(value) if not value or not value[0].isalpha() else value
    return value if isinstance(value, (bool, int, float)) else json.dumps(value)


def _uniform(cells: list[Any]) -> pd.Series[Any]:
    """A column of numbers, or of texts where one cell is a text."""
    import pandas as pd

    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds <= {bool} or (kinds <= {int, float} and all(map(_is_exact, cells))):
        exact = kinds == {int} and None in cells
        return pd.Series(cells, dtype="Int64" if exact else None)
    return pd.Series([None if cell is None else str(cell) for cell in cells], dtype=object)


def _is_exact(cell: Any) -> bool:
    return not isinstance(cell, int) or abs(cell) < 2**53


# ------------------------------------------------------------------ files
def _write_csv(history: History, names: Sequence[str], file: IO[str]) -> None:
    frame_of(history, names).to_csv(file, index=False)


def _write_tsv(history: History, names: Sequence[str], file: IO[str]) -> None:
    frame_of(history, names).to_csv(file, index=False, sep="\t")


def _write_parquet(history: History, names: Sequence[str], path: Path) -> None:
    try:
        frame_of(history, names).to_parquet(path, index=False)
    except ImportError as error:
        raise MissingPackageError(
            f"writing {path} needs pyarrow: pip install 'dsice[parquet]'"
        ) from error


WRITERS: dict[str, Callable[[History, Sequence[str], IO[str]], None]] = {
    ".csv": _write_csv,
    ".tsv": _write_tsv,
    ".jsonl": _write_lines,
    ".ndjson": _write_lines,
}
"""Writers of text by the ending of the name; Parquet (.parquet, .pq) is written beside them."""


def write_table(history: History, names: Sequence[str], path: Path) -> None:
    """Write all trials to a file, in the format that its ending says; it is whole or not there.

    Parameters
    ----------
    names
        The parameters.

    Raises
    ------
    TableError
        Another ending, or it cannot be written.
    MissingPackageError
        Parquet without pyarrow.
    """
    ending = path.suffix.lower()
    if ending not in (*WRITERS, ".parquet", ".pq"):
        raise TableError(f"export to {path}: expected the ending .csv, .tsv, .parquet or .jsonl")
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        if ending in WRITERS:
            with new.open("x", encoding="utf-8", newline="") as file:
                WRITERS[ending](history, names, file)
        else:
            _write_parquet(history, names, new)
        new.replace(path)
    except OSError as error:
        raise TableError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        new.unlink(missing_ok=True)
