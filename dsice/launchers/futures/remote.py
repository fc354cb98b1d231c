"""The worker's side of `Futures`: call a function as a trial, wherever an executor runs it.

What comes back is a plain dict of numbers and texts, whatever happened: no engine has to pickle an
exception of the user's.
"""

from __future__ import annotations

import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dsice.launchers.standalone._call import Unusable, failure, prepared, record, story
from dsice.launchers.trial_directory import no_checkpoint
from dsice.worker import STOP, STOPPING, TrialContext, in_trial, is_superseded


@dataclass(frozen=True)
class Task:
    """One call, as it travels to a worker.

    Attributes
    ----------
    function
        Pickled by cloudpickle; the function itself where the workers are threads of this process.
    path
        Where the coordinator finds modules (``sys.path``).
    directory
        The trial's directory, on a file system that worker and coordinator share; None: it has
        none.
    variables
        Environment variables for workers that run one trial at a time, in their main thread.
    measures
        Whether what it returns is a measurement; a preparation's work is in its directory.
    token
        Token of the submission, which the claim of the directory has, too.
    """

    params: Mapping[str, Any]
    function: bytes | Callable[..., Any]
    path: tuple[str, ...] = ()
    directory: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    measures: bool = True
    token: str = ""


def perform(task: Task) -> dict[str, Any]:
    """Call the function; what happened, with host, pid, start and end (Unix times) of the call."""
    done: dict[str, Any] = {"host": os.uname().nodename, "pid": os.getpid(), "started": time.time()}
    context = TrialContext(task.directory, task.variables, task.token)
    try:
        done.update(_attempt(task, context))
    except KeyboardInterrupt:  # Ctrl-C at a terminal reaches worker processes, too
        done["lost"] = "interrupted (SIGINT) on the worker"
    done["ended"] = time.time()
    done.setdefault("seconds", done["ended"] - done["started"])
    done["unheard"] = context.dropped_steps
    done["told_to_stop"] = task.directory is not None and os.path.lexists(
        f"{task.directory}/{STOPPING}"
    )
    return done


def _attempt(task: Task, context: TrialContext) -> dict[str, Any]:
    if task.directory is not None and not Path(task.directory).is_dir():
        missing = f"{task.directory} is not there on {os.uname().nodename}"
        advice = "give Futures a directory= on a file system that all workers share, or none"
        return {"error": f"{missing}; {advice}"}
    parent = task.variables.get("DSICE_PARENT_DIR")
    if parent is not None and not Path(parent).is_dir():
        return {"error": no_checkpoint(Path(parent))}
    if task.directory is not None and is_superseded(task.directory, task.token):
        return {"lost": "the trial was started again before this call of it began"}
    if _is_there(task.directory, STOP):
        return {"stopped": "cancelled before it began"}
    try:
        function = _loaded(task)
    except Exception as error:
        advice = (
            "Its module must be importable on the workers: install it there, "
            "or define the function in the script itself."
        )
        return {
            "error": f"the function cannot be loaded: {type(error).__name__}: {error}. {advice}",
            "traceback": story(error),
        }
    started = time.perf_counter()
    try:
        with in_trial(context), _environment(task.variables):
            returned = function(**task.params, **prepared(function, task.params, task.variables))
        seconds = time.perf_counter() - started
        return {**(record(returned) if task.measures else {}), "seconds": seconds}
    except Unusable as error:
        return {"error": str(error)}
    except SystemExit as error:
        return {"error": f"the function called sys.exit({error.code!r})", "traceback": story(error)}
    except Exception as error:
        return failure(error)


def _is_there(directory: str | None, mark: str) -> bool:
    """Whether a mark is in a trial's directory, where it has one."""
    return directory is not None and os.path.lexists(Path(directory, mark))


def _loaded(task: Task) -> Callable[..., Any]:
    if not isinstance(task.function, bytes):
        return task.function
    sys.path.extend(place for place in task.path if place not in sys.path)
    # sent by the coordinator, over the engine's own connection
    function: Callable[..., Any] = pickle.loads(task.function)  # noqa: S301
    return function


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the call, in a process that runs one trial at a time."""
    if threading.current_thread() is not threading.main_thread():
        yield  # the environment belongs to all threads
        return
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
