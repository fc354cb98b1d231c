"""The section ``[launcher]`` of a study file: where the trials run.

::

    [launcher]
    kind = "batch"                      # or "local", the default
    scheduler = "slurm"                 # the other keys: the options of Batch, or of Local
    resources = {partition = "gpu", gres = "gpu:1"}
    requeue = 2
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dsice.errors import DsiceError, OptionError
from dsice.launchers import Local
from dsice.launchers.batch import Batch
from dsice.study_section import Section

_BATCH_SLOTS = 40
_LOCAL = ("env", "grace")
_BATCH = (
    "scheduler",
    "resources",
    "requeue",
    "per_job",
    "gpus",
    "setup",
    "after",
    "wrap",
    "env",
    "forward",
    "python",
    "poll",
    "lost_after",
    "throttle",
    "grace",
)
_KINDS = {"local": _LOCAL, "batch": _BATCH}


@dataclass(frozen=True)
class LauncherChoice:
    """What ``[launcher]`` says.

    Attributes
    ----------
    kind
        ``local`` or ``batch``.
    options
        Options of that launcher; slots, timeout and directory belong to the study.
    """

    kind: str = "local"
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(
        self,
        program: Callable[..., Any] | str,
        *,
        slots: int | None,
        timeout: float | None,
        directory: os.PathLike[str],
    ) -> Local | Batch:
        """The launcher.

        Raises
        ------
        OptionError
            An option of the wrong kind.
        LaunchError
            A program that cannot be launched.
        """
        try:
            if self.kind == "batch":
                return Batch(
                    program,
                    slots=slots or _BATCH_SLOTS,
                    timeout=timeout,
                    directory=directory,
                    **self.options,
                )
            return Local(program, slots=slots, timeout=timeout, directory=directory, **self.options)
        except OptionError as error:
            raise OptionError(f"[launcher]: {error}") from error


def read_launcher(top: Section) -> LauncherChoice:
    """The section ``[launcher]`` of a study file; without one the trials run on this machine.

    Raises
    ------
    OptionError
        An unknown kind or key, or an option of the wrong kind.
    """
    section = top.section("launcher", None)
    kind = section.text("kind", "local")
    if kind not in _KINDS:
        raise section.unknown(kind, _KINDS, what="kind", kind="a launcher")
    options = {key: value for key, value in section.data.items() if key != "kind"}
    for key in options:
        if key not in _KINDS[kind]:
            raise section.unknown(key, _KINDS[kind], what="key", kind="a key")
    choice = LauncherChoice(kind, options)
    try:  # found now, not when the first trial starts
        choice.make("true", slots=None, timeout=None, directory=top.file.parent).close()
    except DsiceError as error:
        raise OptionError(
            f"{section.where}: {error}".replace("[launcher]: [launcher]", "[launcher]")
        ) from error
    return choice
