"""What a trial's own program calls: to report its learning curve, and to know where it runs.

A launcher gives the program of a trial environment variables whose names begin with ``DSICE_``,
and, with `STEPS` and `STOP`, two files in the trial's directory: reports go into the one, the
other asks the trial to stop. Standard library only.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import SupportsFloat, SupportsIndex

from dsice.errors import DsiceWarning, TellError

STEPS = "steps"
"""File in a trial's directory that `step` appends to: one JSON line for each call."""

STOP = "stop"
"""File in a trial's directory whose presence asks the trial to stop."""

STOPPING = "stopping"
"""File in a trial's directory that says that `step` has returned True.

What the program returns then is not the result of a whole trial.
"""

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK


CLAIM = "job.json"
"""File in a trial's directory that names the run that the directory belongs to."""

_CONFIRM = 1.0  # seconds between two looks at a claim, of which one may be taken back
_MANY = 1000
_looked: dict[tuple[str, str], float] = {}  # when the claim of a directory was looked at


class TrialContext:
    """What the process's environment cannot say of a trial that shares the process with others.

    Attributes
    ----------
    directory
        The trial's directory; None: learning curves are not available.
    variables
        What `environment` returns in the trial.
    token
        Token of the run, which the claim of its directory has, too.
    dropped_steps
        Number of calls of `step` that went nowhere.
    """

    def __init__(
        self, directory: str | None, variables: Mapping[str, str] | None = None, token: str = ""
    ) -> None:
        self.directory = directory
        self.token = token
        self.variables = dict(variables or {})
        if directory is not None:
            self.variables["DSICE_DIR"] = directory
        self.dropped_steps = 0


_context: ContextVar[TrialContext | None] = ContextVar("dsice_trial", default=None)


@contextmanager
def in_trial(context: TrialContext) -> Iterator[None]:
    """Let `step` and `environment` follow `context` in this thread, not the environment."""
    token = _context.set(context)
    try:
        yield
    finally:
        _context.reset(token)


def step(step: SupportsIndex, value: SupportsFloat) -> bool:
    """Report one point of the running trial's learning curve.

    Call it inside the program of a trial, where the launcher has set the environment variable
    ``DSICE_DIR`` to the trial's directory. Outside of a trial it does nothing, so the same program
    also runs by hand. In a multi-process trainer call it from one process only.

    Parameters
    ----------
    step
        Number of the epoch, iteration or checkpoint: an integer >= 0.
    value
        The metric at that step; NaN and infinities are passed on as they are.

    Returns
    -------
    bool
        True when the coordinator asked this trial to stop: save what is worth saving and return.
        Also where the trial was started again meanwhile: then nothing is reported any more.

    Raises
    ------
    TellError
        If `step` is not an integer >= 0 or `value` is not a number.

    Examples
    --------
    >>> import dsice
    >>> for epoch in range(3):
    ...     if dsice.step(epoch, 1 / (epoch + 1)):
    ...         break
    """
    line = json.dumps({"step": _whole(step), "value": _number(value)}) + "\n"
    context = _context.get()
    directory = os.environ.get("DSICE_DIR") if context is None else context.directory
    if context is not None and directory is None:
        context.dropped_steps += 1
    if not directory:
        return False
    token = os.environ.get("DSICE_NONCE", "") if context is None else context.token
    if is_superseded(directory, token):
        return True
    path = Path(directory, STEPS)
    if not _append(path, line):
        text = f"{path} is something else than a file: this point of the curve is dropped"
        warnings.warn(text, DsiceWarning, stacklevel=2)
    if not os.path.lexists(Path(directory, STOP)):
        return False
    with suppress(FileExistsError):
        os.close(os.open(Path(directory, STOPPING), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return True


def _append(path: Path, line: str) -> bool:
    """Add a line to a file; False: a link, a FIFO or a device is in its place."""
    # One write to a file opened with O_APPEND: lines of threads and processes never mix.
    # The file is not kept open, since the program may fork.
    try:
        handle = os.open(path, _APPEND, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO):
            return False
        raise
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return False
        os.write(handle, line.encode("ascii"))
        return True
    finally:
        os.close(handle)


def is_superseded(directory: str, token: str) -> bool:
    """Whether a trial's directory belongs to another run than the one with `token`.

    It is looked at once a second at most. Where it cannot be known, the directory is its own.
    """
    now = time.monotonic()
    key = directory, token
    if not token or now < _looked.get(key, 0.0):
        return False
    for again in (False, True):
        if again:
            time.sleep(_CONFIRM)
        if _owner(directory) in ("", token):
            if len(_looked) > _MANY:
                _looked.clear()
            _looked[key] = now + _CONFIRM
            return False
    return True


def _owner(directory: str) -> str:
    """Token of the run that a directory belongs to; empty where that cannot be read."""
    try:
        handle = os.open(Path(directory, CLAIM), os.O_RDONLY | os.O_NONBLOCK)
        with open(handle, "rb") as file:  # noqa: PTH123
            return str(json.loads(file.read(1 << 20))["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def trial_dir() -> Path | None:
    """Directory of the running trial, to write to.

    It is the one in ``DSICE_DIR``; where several trials run in one process, as threads do, that of
    this thread's trial. None outside of a trial, and where its launcher has no directories.

    Examples
    --------
    >>> import dsice
    >>> dsice.trial_dir() is None  # outside of a trial
    True
    """
    return _path("DSICE_DIR")


def parent_dir() -> Path | None:
    """Directory of the trial that the running one continues, where its checkpoint is.

    It is the one in ``DSICE_PARENT_DIR``; where several trials run in one process, that of this
    thread's trial. None if the trial continues no other.

    Examples
    --------
    >>> import dsice
    >>> parent = dsice.parent_dir()
    >>> epochs = 0 if parent is None else int((parent / "epochs").read_text())
    """
    return _path("DSICE_PARENT_DIR")


def _path(name: str) -> Path | None:
    found = environment().get(name)
    return Path(found) if found else None


def environment() -> dict[str, str]:
    """The ``DSICE_`` variables of the running trial: its id, its directory, that of its parent.

    They are those of ``os.environ`` where a trial has a process of its own. Where trials share one
    (threads, dask), which only `dsice.launchers.Futures` does, they are those of the trial that
    this thread runs.

    Returns
    -------
    dict
        Names (``DSICE_TRIAL``, ``DSICE_DIR``, ``DSICE_STAGE``, ``DSICE_PARENT_DIR``,
        ``DSICE_PREPARED``, ...) and values; empty outside of a trial.

    Examples
    --------
    >>> import dsice
    >>> dsice.environment().get("DSICE_DIR", ".")
    '.'
    """
    context = _context.get()
    if context is not None:
        return dict(context.variables)
    return {name: value for name, value in os.environ.items() if name.startswith("DSICE_")}


def _whole(step: SupportsIndex) -> int:
    try:
        number = step.__index__()
    except AttributeError:
        raise TellError(
            f"step must be an integer >= 0, got {step!r}; pass the number of the epoch or iteration"
        ) from None
    if number < 0:
        raise TellError(f"step must be an integer >= 0, got {number}")
    return number


def _number(value: SupportsFloat) -> float:
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TellError(
            f"value must be one number, got {value!r}; pass the metric as a float"
        ) from None
