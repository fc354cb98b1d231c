"""The sections ``[goal]``, ``[strategy]`` and ``[stopper]`` of a study file: what is searched for, how, and what ends early.

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

import sys
from collections.abc import Mapping
from pathlib import Path

from dsice.errors import DsiceError, OptionError
from dsice.goal import Goal
from dsice.space import Space
from dsice.stopping import Stopper, stopper_from_dict, stopper_names
from dsice.strategies import Strategy, strategy_from_dict, strategy_names
from dsice.study_section import Section


def read_goal(top: Section, strategy: Strategy) -> Goal:
    """The goal; of a strategy that trains in stages, the goal of the last one.

    Raises
    ------
    OptionError
        An unknown key, a value of the wrong kind, or a stage that is not the strategy's last.
    """
    goal = top.section(
        "goal", ("metric", "maximize", "at_most", "at_least", "time_weight", "until", "stage")
    )
    if not isinstance(goal.data.get("maximize", False), bool):
        raise goal.wrong("maximize", "true or false")
    for key in ("at_most", "at_least"):
        if not isinstance(goal.data.get(key, {}), Mapping):
            raise goal.wrong(key, "a table of bounds, such as {memory = 16}")
    weight = goal.data.get("time_weight", 0.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float, str)):
        raise goal.wrong("time_weight", "a number or 'auto'")
    last = getattr(strategy, "last_stage", None)
    stage = goal.whole("stage", least=0)
    if last is not None and stage not in (None, last):
        raise goal.wrong("stage", f"{last}, the last stage of [strategy], or no such key")
    return Goal.from_dict(goal.data | {"stage": last or stage or 0})


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
    name = _known(section, section.text("name", "dsice"), strategy_names(), "strategy")
    starts = section.data.get("start", ())
    if not isinstance(starts, (Mapping, list, tuple)):
        raise section.wrong("start", "a table of params, or a list of them")
    if ":" in str(
        section.data.get("sampler", "")
    ):  # a function beside the study file that makes a sampler
        importable(section.file.parent)
    try:
        strategy = strategy_from_dict({**section.data, "name": name})
        if callable(check := getattr(strategy, "check", None)):
            check(space)
        for start in [starts] if isinstance(starts, Mapping) else starts:
            space.point(start)
    except DsiceError as error:
        raise type(error)(f"{section.where}: {error}") from error
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
    name = _known(section, section.text("name"), stopper_names(), "stopper")
    try:
        return stopper_from_dict({**section.data, "name": name})
    except OptionError as error:
        raise OptionError(f"{section.where}: {error}") from error


def importable(folder: Path) -> None:
    """Let modules beside the study file be imported; the folder stays on ``sys.path``."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _known(section: Section, name: str, names: Mapping[str, str], what: str) -> str:
    """Name of the class that is meant; upper and lower case do not matter."""
    if name.lower() not in names:
        raise section.unknown(name, sorted(names), what=what, kind=f"a {what}")
    return names[name.lower()]
