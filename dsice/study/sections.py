"""The sections of a study file, each read into the object that it describes.

``[space]`` and ``[rules]`` become a `Space`, ``[goal]`` a `Goal`, ``[strategy]`` a strategy,
``[stopper]`` a stopper; ``[launcher]`` becomes a `LauncherSection`, which makes the launcher.

::

    [strategy]
    name = "population"                 # the other keys: the options of that strategy
    members = 8
    stages = 4                          # the goal is about the last stage

    [stopper]
    name = "learningcurvematching"      # or "median"
    points = [1, 2, 4, 8]
    checkpoints = [4, 8]
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from dsice.checks import is_number, is_whole
from dsice.errors import DsiceError, OptionError
from dsice.goal import Goal, goal_keys
from dsice.launchers import Batch, Local
from dsice.space import Axis, Ordinal, Require, Rule, Space, When
from dsice.space.axes import AXIS_TYPES
from dsice.space.nearest import point_of
from dsice.stopping import Stopper, stopper_from_dict, stopper_names
from dsice.strategies import Strategy, strategy_from_dict, strategy_names


class Section:
    """A table of a TOML file.

    Parameters
    ----------
    file, name
        The file and the name of the table; name ``""`` is the file itself.
    data
        The table.
    known
        The keys it may have; None: any.

    Attributes
    ----------
    location
        File and name, for messages.

    Raises
    ------
    OptionError
        A key that is not known.
    """

    def __init__(
        self, file: Path, name: str, data: Mapping[str, Any], *, known: Sequence[str] | None
    ) -> None:
        self.file = file
        self.name = name
        self.data = dict(data)
        self.location = f"{file.name}, [{name}]" if name else file.name
        what = "key" if name else "section"
        for key in data:
            if known is not None and key not in known:
                raise self.unknown(key, known, what=what)

    def unknown(self, key: str, known: Iterable[str], *, what: str) -> OptionError:
        """The error for a name that is none of the known ones."""
        names = list(known)
        close = difflib.get_close_matches(key, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
        return OptionError(
            f"{self.location}: unknown {what} {key!r} ({hint}known: {', '.join(names)})"
        )

    def wrong(self, key: str, expected: str) -> OptionError:
        """The error for a value of the wrong kind."""
        return OptionError(f"{self.location}: {key} = {self.data.get(key)!r}; expected {expected}")

    def section(self, name: str, known: Sequence[str] | None, *, required: bool = False) -> Section:
        """The table of that name; an empty one where it is missing."""
        if required and name not in self.data:
            raise OptionError(f"{self.location}: the section [{name}] is missing")
        data = self.data.get(name, {})
        if not isinstance(data, Mapping):
            raise self.wrong(name, f"a section [{name}]")
        return Section(self.file, f"{self.name}.{name}" if self.name else name, data, known=known)

    def text(self, key: str, default: str | None = None) -> str:
        """A string; required without a default."""
        value = self.data.get(key, default)
        if value is None:
            raise OptionError(f"{self.location}: {key} is missing")
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        return value

    def texts(self, key: str) -> list[str]:
        """A list of strings, empty where the key is missing."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.wrong(key, "a list of strings")
        return value

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        """A list of tables, empty where the key is missing."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, Mapping) for v in value):
            raise self.wrong(key, "a list of tables")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self.data.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def whole(self, key: str, *, least: int = 1) -> int | None:
        """A whole number of at least `least`, None where the key is missing."""
        value = self.data.get(key)
        if value is not None and not (is_whole(value) and value >= least):
            raise self.wrong(key, f"a whole number >= {least}")
        return value

    def positive(self, key: str) -> float | None:
        """A finite number of seconds above 0, None where the key is missing."""
        value = self.data.get(key)
        if value is not None and not (is_number(value) and value > 0):
            raise self.wrong(key, "a number of seconds > 0")
        return value


def read_space(top: Section) -> Space:
    """The space of the sections ``[space]`` and ``[rules]``.

    Raises
    ------
    OptionError
        A missing section, an unknown key, or an axis of the wrong form.
    SpaceError
        Axes or rules that make no space.
    """
    axes = top.section("space", None, required=True)
    section = top.section("rules", ("where", "when"))
    rules: list[Rule] = [Require(text) for text in section.texts("where")]
    for number, table in enumerate(section.tables("when"), 1):
        name = f"rules.when, entry {number}"
        when = Section(section.file, name, table, known=("if", "params"))
        rules.append(When(when.text("if"), *when.texts("params")))
    return Space({name: _read_axis(axes, name) for name in axes.data}, where=rules)


_SPACED: Final = {"linear": Ordinal.linear, "log": Ordinal.log}
"""Axes that are written as two ends and a number of values."""
_SPACING: Final = ("integer", "digits")
"""Options of these."""
_LISTED: Final = {kind: axis for kind, axis in AXIS_TYPES.items() if kind != Ordinal.kind}
"""Axes that are written as their values below their kind; a bare list is an Ordinal or a Choice."""


def _read_axis(axes: Section, name: str) -> Axis | list[Any]:
    value = axes.data[name]
    if isinstance(value, list):
        return value
    *forms, last = (
        *(f"{{{word} = [lo, hi], n = 5}}" for word in _SPACED),
        *(f"{{{kind} = [...]}}" for kind in _LISTED),
    )
    expected = f"{', '.join(forms)} or {last}"
    if not isinstance(value, Mapping):
        raise axes.wrong(name, f"a list of values, {expected}")
    words = (*_SPACED, *_LISTED)
    table = Section(axes.file, f"space.{name}", dict(value), known=(*words, "n", *_SPACING))
    kinds = [kind for kind in words if kind in table.data]
    if len(kinds) != 1 or (kinds[0] in _LISTED) == ("n" in table.data):
        raise axes.wrong(name, expected)
    kind = kinds[0]
    spacing = {key: table.data[key] for key in _SPACING if key in table.data}
    values = table.data[kind]
    if kind in _LISTED:
        if not isinstance(values, list):
            raise table.wrong(kind, "a list of values")
        for key in spacing:
            raise table.unknown(key, (kind,), what="key")
    elif not isinstance(values, list) or len(values) != 2:
        raise table.wrong(kind, "[lo, hi]")
    try:
        if kind in _LISTED:
            return _LISTED[kind](values)
        return _SPACED[kind](values[0], values[1], table.data["n"], **spacing)
    except DsiceError as error:
        raise OptionError(f"{table.location}: {error}") from error


def read_goal(top: Section, strategy: Strategy) -> Goal:
    """The goal; of a strategy that trains in stages, the goal of the last one.

    Raises
    ------
    OptionError
        An unknown key, a value of the wrong kind, or a stage that is not the strategy's last.
    """
    goal = top.section("goal", goal_keys())
    goal.flag("maximize", default=False)
    for key in ("at_most", "at_least"):
        if not isinstance(goal.data.get(key, {}), Mapping):
            raise goal.wrong(key, "a table of bounds, such as {memory = 16}")
    weight = goal.data.get("time_weight", 0.0)
    if not isinstance(weight, (float, str)) and not is_number(weight):
        raise goal.wrong("time_weight", "a number or 'auto'")
    last = strategy.last_stage
    stage = goal.whole("stage", least=0)
    if last is not None and stage not in (None, last):
        raise goal.wrong("stage", f"{last}, the last stage of [strategy], or no such key")
    try:
        return Goal.from_dict(goal.data | {"stage": last or stage or 0}, stored=False)
    except OptionError as error:
        raise OptionError(f"{goal.location}: {error}") from error


def read_strategy(top: Section, space: Space) -> Strategy:
    """The strategy, checked against the space.

    Raises
    ------
    OptionError
        An unknown name or option, or an option of the wrong kind.
    SpaceError
        A start that is not on the grid.
    MissingPackageError
        A sampler of a package that is not installed.
    """
    section = top.section("strategy", None)
    name = _class_name(section, section.text("name", "dsice"), strategy_names(), "strategy")
    starts = section.data.get("start", ())
    if not isinstance(starts, (Mapping, list, tuple)):
        raise section.wrong("start", "a table of params, or a list of them")
    if ":" in str(section.data.get("sampler", "")):  # a function beside the study file makes it
        make_importable(section.file.parent)
    try:
        strategy = strategy_from_dict({**section.data, "name": name})
        strategy.check(space)
        near = bool(section.data.get("nearest", False))
        for start in [starts] if isinstance(starts, Mapping) else starts:
            point_of(start, space, nearest=near)
    except DsiceError as error:
        raise type(error)(f"{section.location}: {error}") from error
    return strategy


def read_stopper(top: Section) -> Stopper | None:
    """The stopper; None without the section.

    Raises
    ------
    OptionError
        An unknown name or option, or an option that is missing or of the wrong kind.
    """
    if "stopper" not in top.data:
        return None
    section = top.section("stopper", None)
    name = _class_name(section, section.text("name"), stopper_names(), "stopper")
    try:
        return stopper_from_dict({**section.data, "name": name})
    except OptionError as error:
        raise OptionError(f"{section.location}: {error}") from error


def _class_name(section: Section, name: str, names: Mapping[str, str], what: str) -> str:
    """Name of the class that is meant; upper and lower case do not matter."""
    if name.lower() not in names:
        raise section.unknown(name, sorted(names), what=what)
    return names[name.lower()]


def make_importable(folder: Path) -> None:
    """Let modules beside the study file be imported; the folder stays on ``sys.path``."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


_BATCH_SLOTS = 40
_LOCAL = ("env", "grace", "stop_grace", "gpus", "cpus_per_trial", "restart_elsewhere")
_BATCH = (
    "scheduler",
    "resources",
    "requeue",
    "per_job",
    "array_size",
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
_HERE = ("gpus", "cpus_per_trial")  # what a study file says of a machine that may be another one


@dataclass(frozen=True)
class LauncherSection:
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

    def make_launcher(
        self,
        program: Callable[..., Any] | str,
        *,
        slots: int | None,
        timeout: float | None,
        directory: os.PathLike[str],
        output: Mapping[str, Any] | None = None,
    ) -> Local | Batch:
        """The launcher.

        Parameters
        ----------
        output
            Its options that say how the measurement of a command is read.

        Raises
        ------
        OptionError
            An option of the wrong kind.
        LaunchError
            A program that cannot be launched.
        """
        shared: dict[str, Any] = {"timeout": timeout, "directory": directory}
        shared |= {**(output or {}), **self.options}
        try:
            if self.kind == "batch":
                return Batch(program, slots=slots or _BATCH_SLOTS, **shared)
            return Local(program, slots=slots, **shared)
        except OptionError as error:
            raise OptionError(f"[launcher]: {error}") from error


def read_launcher(top: Section) -> LauncherSection:
    """The section ``[launcher]``; without one the trials run on this machine.

    Raises
    ------
    OptionError
        An unknown kind or key, or an option of the wrong kind.
    """
    section = top.section("launcher", None)
    kind = section.text("kind", "local")
    if kind not in _KINDS:
        raise section.unknown(kind, _KINDS, what="kind")
    options = {key: value for key, value in section.data.items() if key != "kind"}
    for key in options:
        if key not in _KINDS[kind]:
            raise section.unknown(key, _KINDS[kind], what="key")
    found = LauncherSection(kind, options)
    # a wrong option is found now, not when the first trial starts; but for what this machine has
    here = {key: value for key, value in options.items() if kind == "batch" or key not in _HERE}
    try:
        checked = LauncherSection(kind, here)
        checked.make_launcher("true", slots=None, timeout=None, directory=top.file.parent).close()
    except DsiceError as error:
        text = f"{section.location}: {error}".replace("[launcher]: [launcher]", "[launcher]")
        raise OptionError(text) from error
    return found
