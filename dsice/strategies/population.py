"""Population-based training: members train in stages, and the worst copy the best.

A copy changes its rates, so that they follow a schedule that nobody wrote down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dsice.checks import is_number, whole, wrong
from dsice.errors import OptionError
from dsice.history import History
from dsice.space import Space
from dsice.strategies.base import Strategy, Stream
from dsice.trial import Proposal, State, Trial

MOST = 100_000  # members, and stages: a journal may name any number


@dataclass(frozen=True)
class Population(Strategy):
    """A population of trainings that share what they learn about their rates.

    This is population-based training. In stage 0 each member starts at a point of its own. When all
    members have ended a stage, the worst `quantile` of them copy a member of the best `quantile` -
    its params and its checkpoint, in ``DSICE_PARENT_DIR`` - and multiply their rates by one of
    `factors`; all others go on with their own. So every stage after the first continues the trial
    `parent`, and the goal is about the last: ``Goal(stage=stages - 1)``, which a Tuner without a
    goal takes.

    Parameters
    ----------
    members
        How many trainings run side by side; at least 2.
    stages
        How many stages each is trained for.
    quantile
        Share of members that copy, and that are copied from; at least one of each. At most 0.5.
    perturb
        Names of the numeric parameters that a copy changes. None: all whose levels are floats.
        Their values leave the grid (`Trial.overrides`) and stay within the ends of their axis;
        whole numbers are rounded.
    factors
        What a changed value is multiplied by, one of them at random.

    Raises
    ------
    OptionError
        A number out of range; in a Tuner: a name that is no numeric parameter, or a goal about
        another stage.

    Notes
    -----
    A member without a value at the end of a stage - failed, stopped, lost for good - copies one of
    the best like the worst ones do. If none has a value the search is over. Stages are rounds: no
    member goes on before all have ended.

    References
    ----------
    Jaderberg et al., Population Based Training of Neural Networks, 2017: truncation selection,
    factors 0.8 and 1.2.

    Examples
    --------
    >>> from dsice import Ordinal, Tuner
    >>> from dsice.strategies import Population
    >>> tuner = Tuner({"lr": Ordinal.log(1e-4, 1e-1, 7)}, Population(members=4, stages=2))
    >>> for trial in tuner.ask(4):
    ...     done = tuner.tell(trial, trial.params["lr"])
    >>> [(trial.stage, trial.member) for trial in tuner.ask(3)]
    [(1, 0), (1, 1), (1, 2)]
    """

    members: int = field(default=16, kw_only=True)
    stages: int = field(default=5, kw_only=True)
    quantile: float = field(default=0.25, kw_only=True)
    perturb: Sequence[str] | None = field(default=None, kw_only=True)
    factors: Sequence[float] = field(default=(0.8, 1.2), kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "members", whole("Population", "members", self.members, 2, most=MOST)
        )
        object.__setattr__(self, "stages", whole("Population", "stages", self.stages, 1, most=MOST))
        if not _positive(self.quantile) or self.quantile > 0.5:
            expected = "a share above 0, at most 0.5"
            raise wrong("Population", "quantile", self.quantile, expected)
        if self.perturb is not None:
            if not isinstance(self.perturb, (list, tuple)) or not all(
                isinstance(name, str) for name in self.perturb
            ):
                expected = "a list of names of parameters"
                raise wrong("Population", "perturb", self.perturb, expected)
            object.__setattr__(self, "perturb", tuple(self.perturb))
        factors = self.factors
        if not isinstance(factors, Sequence) or not factors or not all(map(_positive, factors)):
            expected = "a list of numbers above 0, such as (0.8, 1.2)"
            raise wrong("Population", "factors", factors, expected)
        object.__setattr__(self, "factors", tuple(map(float, factors)))

    @property
    def last_stage(self) -> int:  # type: ignore[override]
        """The stage that the goal is about."""
        return self.stages - 1

    def check(self, space: Space) -> None:
        """Raise OptionError for a space that has no such parameters."""
        for name in self.perturb or ():
            axis = space.axes.get(name)
            if axis is None or not axis.numeric:
                known = [n for n, a in space.axes.items() if a.numeric]
                raise OptionError(
                    f"Population(perturb={list(self.perturb or ())}): "
                    f"{name!r} is none of the numeric axes {known}"
                )

    def ask(self, n: int, space: Space, history: History, stream: Stream) -> list[Proposal]:
        """Up to `n` members of the current stage.

        None while the stage before still runs, and when all is done.
        """
        trials = _members(history)
        stage, missing = self._missing(trials)
        ids = range(len(history), len(history) + min(n, len(missing)))
        if stage == 0:
            return self._begin(dict(zip(ids, missing, strict=False)), space, history, stream)
        if not missing:
            return []
        before = [trials[stage - 1, m] for m in range(self.members)]
        if any(t.state is State.PENDING for t in before):
            return []
        order = _ranked(before, history)
        if not order:
            return []
        found = (
            self._next(m, before, order, space, stream(id))
            for id, m in zip(ids, missing, strict=False)
        )
        return [_with_free_repeat(proposal, history) for proposal in found]

    def exhausted(self, space: Space, history: History, stream: Stream) -> bool:
        """Whether all members are through, or none has a value to go on from."""
        trials = _members(history)
        stage, missing = self._missing(trials)
        if not missing or stage == 0:
            return not missing
        before = [trials[stage - 1, m] for m in range(self.members)]
        return all(t.state is not State.PENDING for t in before) and not _ranked(before, history)

    def _missing(self, trials: Mapping[tuple[int, int], Trial]) -> tuple[int, list[int]]:
        """The first stage that members were not asked for, and these members; none: all is done."""
        for stage in range(self.stages):
            missing = [m for m in range(self.members) if (stage, m) not in trials]
            if missing:
                return stage, missing
        return self.stages, []

    def _begin(
        self, members: Mapping[int, int], space: Space, history: History, stream: Stream
    ) -> list[Proposal]:
        """Starts at points drawn at random, all different while there are enough.

        `members` are the members to start, by the id of their trial.
        """
        taken = [t.point for t in history if t.stage == 0 and t.round is not None]
        batch: list[Proposal] = []
        for id, member in members.items():
            exclude = np.array(taken, dtype=np.int64).reshape(-1, space.ndim)
            point = (space.sample(stream(id), 1, exclude=exclude) or space.sample(stream(id), 1))[0]
            taken.append(point)
            start = Proposal(point, {"phase": "start"}, stage=0, member=member, overrides={})
            batch.append(_with_free_repeat(start, history))
        return batch

    def _next(
        self,
        member: int,
        before: list[Trial],
        order: list[int],
        space: Space,
        rng: np.random.Generator,
    ) -> Proposal:
        """The next stage of a member: on its own, or as a copy of one of the best.

        Parameters
        ----------
        before
            The stage before, a trial of each member.
        order
            Members that have a loss there, best first.
        """
        count = max(1, int(self.members * self.quantile))
        own = before[member]
        failed = len(before) - len(order)
        worst = order[max(count, len(order) - max(0, count - failed)) :]  # never one of the best
        if member in order and member not in worst:
            source = own
            phase = "train"
            overrides = dict(own.overrides)
        else:
            source = before[order[:count][int(rng.integers(min(count, len(order))))]]
            phase = "copy"
            overrides = self._perturbed(source, space, rng)
        return Proposal(
            source.point,
            {"phase": phase},
            stage=own.stage + 1,
            member=member,
            parent=source.id,
            overrides=overrides,
        )

    def _perturbed(self, source: Trial, space: Space, rng: np.random.Generator) -> dict[str, Any]:
        """The overrides of a copy: the rates of its source, each multiplied by a factor."""
        changed = dict(source.overrides)
        for name, axis in space.axes.items():
            values: list[Any] = list(axis.values)
            floats = axis.numeric and any(isinstance(v, float) for v in values)
            # Drawn for every axis: which are named moves no other.
            factor = self.factors[int(rng.integers(len(self.factors)))]
            named = floats if self.perturb is None else name in self.perturb
            if name in source.params and named:
                value = min(max(source.params[name] * factor, min(values)), max(values))
                changed[name] = float(value) if floats else round(value)
        return changed


def _positive(value: object) -> bool:
    """Whether this is a finite number above 0."""
    return is_number(value) and value > 0  # type: ignore[operator]


def _members(history: History) -> dict[tuple[int, int], Trial]:
    """The asked trial of each (stage, member); an enqueued point is the start of member 0."""
    found: dict[tuple[int, int], Trial] = {}
    for trial in history:
        if trial.round is not None:
            found.setdefault((trial.stage, trial.member), trial)
    return found


def _ranked(trials: Sequence[Trial], history: History) -> list[int]:
    """Members that have a loss, best first: by violation of the bounds, then loss, then number.

    While the goal weighs run time, it is that of the stage just ended.
    """
    losses, goal = history.losses(), history.goal
    if history.weighs_time:
        losses = goal.weigh(losses, history.seconds())
    usable = np.isfinite(losses) & history.allowed()
    scored = [m for m, t in enumerate(trials) if usable[t.id]]
    return sorted(scored, key=lambda m: (goal.violation(trials[m]), losses[trials[m].id], m))


def _with_free_repeat(proposal: Proposal, history: History) -> Proposal:
    """With the first repeat that is free: the same may have been added from elsewhere."""
    repeat = 0
    while history.id_of((proposal.point, proposal.stage, repeat, proposal.member)) is not None:
        repeat += 1
    return replace(proposal, repeat=repeat)
