"""Several searches beside each other: the best so far over what each spent, bands over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, get_args

import numpy as np

from dsice.checks import choice, shown
from dsice.errors import OptionError
from dsice.history import History
from dsice.plots import place
from dsice.plots.given import Given, HistoryLike, given, standing
from dsice.plots.scale import scale_of
from dsice.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    head,
    remove_frame,
    save,
)
from dsice.plots.texts import text
from dsice.typing import Floats, PathLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Over: TypeAlias = Literal["trials", "rounds", "seconds"]
"""What searches are compared over."""
Searches: TypeAlias = (
    "HistoryLike | Sequence[HistoryLike] | Mapping[str, HistoryLike | Sequence[HistoryLike]]"
)
"""One search, several, or those of each strategy by its name: one for each seed."""

COLOURS: Final = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, BLACK)
DASHES: Final = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))
BAND: Final = (0.25, 0.75)
"""Quantiles between which the band lies."""
MOST_STEPS: Final = 2000
"""Places of a curve, at most."""
WORDS: Final = {"trials": "trial", "rounds": "round", "seconds": "seconds"}


@dataclass(frozen=True)
class Run:
    """The best so far of one search: what was spent at each change, and its value from then on.

    Attributes
    ----------
    spent, best
        Shape (changes,), `spent` rising.
    end
        What was spent in all.
    """

    spent: Floats
    best: Floats
    end: float


def compare(
    searches: Searches,
    path: PathLike | None = None,
    *,
    over: Over = "trials",
    ax: Axes | None = None,
) -> Figure:
    """Draw the best so far of several searches over what they spent.

    A line for each search; where several searches share a name, such as those of one strategy with
    several seeds, the median of their best and a band between the quartiles. A search that has
    ended keeps its best; before its first value it counts as worse than all others, so that a line
    begins where half of its searches have a value.

    Parameters
    ----------
    searches
        One search or a list of them, each as for `progress`; or a mapping from names to searches
        or lists of searches.
    path
        As for `progress`.
    over
        ``"trials"``, ``"rounds"`` of asking, or ``"seconds"``: since the first start where trials
        have times, else run times added up.
    ax
        Axes to draw in; a figure of its own by default.

    Returns
    -------
    matplotlib.figure.Figure
        As that of `progress`.

    Raises
    ------
    OptionError
        None of the searches has a value, their goals differ, or seconds were not told.

    Examples
    --------
    >>> from dsice import Tuner, plots
    >>> from dsice.strategies import Random
    >>> searches = {"DSICE": Tuner({"x": range(9)}), "Random": Tuner({"x": range(9)}, Random())}
    >>> for tuner in searches.values():
    ...     for trial in tuner.ask(6):
    ...         _ = tuner.tell(trial, (trial.params["x"] - 2) ** 2)
    >>> figure = plots.compare(searches, "compare.png")
    """
    choice("compare", "over", over, get_args(Over))
    groups = _groups(searches)
    everything = [seen for group in groups.values() for seen in group]
    _require_one_goal(everything)
    goal = everything[0].history.goal
    runs, empty = _runs(groups, over)
    lines = {name: _line(group, less_is_better=not goal.maximize) for name, group in runs.items()}
    scale = scale_of(
        np.concatenate([values[:, 1] for _, values in lines.values()]),
        less_is_better=not goal.maximize,
    )
    figure, axes = place.panel(ax, (7.4, 4.8))
    for i, (name, (x, values)) in enumerate(lines.items()):
        n = len(groups[name])
        colour, dashes = COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)]
        low, middle, high = scale.drawn(values).T
        if n > 1:
            axes.fill_between(x, low, high, step="post", color=colour, alpha=0.18, linewidth=0)
        # a label that begins with _ is left out of legends
        label = f" {text(name, 32)} ({n} searches)" if n > 1 else f" {text(name, 32)}"
        style: dict[str, Any] = {"color": colour, "linestyle": dashes, "linewidth": 1.8}
        axes.step(x, middle, where="post", label=label, **style)
    _label(axes, over, everything, max(run.end for group in runs.values() for run in group))
    best = f"best {text(goal.metric, 28)} so far"
    scale.apply(axes.yaxis, f"{best}\n{scale.said}" if scale.said else best)
    remove_frame(axes)
    several = any(len(group) > 1 for group in groups.values())
    parts = ["median and quartiles of the searches of one name"] if several else []
    parts += [f"no value yet: {', '.join(text(name, 24) for name in empty)}"] if empty else []
    head(axes, "\n".join(parts), columns=3)
    save(figure, path, "compare")
    return figure


# ---------------------------------------------------------------------- what is compared
def _groups(searches: Any) -> dict[str, list[Given]]:
    """The searches of each name."""
    if isinstance(searches, Mapping):
        found = {str(name): [given(s) for s in _several(some)] for name, some in searches.items()}
        if empty := [name for name, group in found.items() if not group]:
            raise OptionError(f"compare: {shown(empty[0])} has no searches; leave it out")
    else:
        found = _named([given(search) for search in _several(searches)])
    if not found:
        raise OptionError("compare: expected at least one search, got none")
    return found


def _several(searches: Any) -> list[Any]:
    """A list of searches: itself, or the one search in a list."""
    if isinstance(searches, Iterable) and not isinstance(searches, (str, History)):
        is_search = hasattr(searches, "history") or hasattr(searches, "columns")
        if not is_search and not hasattr(searches, "__fspath__"):
            return list(searches)
    return [searches]


def _named(searches: Sequence[Given]) -> dict[str, list[Given]]:
    """Each search under the name of its journal, or a number; equal names with a number."""
    found: dict[str, list[Given]] = {}
    for i, seen in enumerate(searches):
        name = seen.name or (f"search {i + 1}" if len(searches) > 1 else "search")
        while name in found:
            name = f"{seen.name or 'search'} ({i + 1})"
            if name in found:
                name += "'"
        found[name] = [seen]
    return found


def _require_one_goal(searches: Sequence[Given]) -> None:
    goals = {(s.history.goal.metric, s.history.goal.maximize) for s in searches}
    if len(goals) > 1:
        said = " and ".join(
            f"{'the largest' if maximize else 'the smallest'} {metric!r}"
            for metric, maximize in sorted(goals)
        )
        raise OptionError(f"compare: the searches have different goals, {said}; compare like ones")


def _runs(
    groups: Mapping[str, Sequence[Given]], over: Over
) -> tuple[dict[str, list[Run]], list[str]]:
    """The runs of each name, those of which none has a value apart."""
    runs: dict[str, list[Run]] = {}
    empty = []
    for name, group in groups.items():
        found = [_run(seen, over, name) for seen in group]
        if any(len(run.best) for run in found):
            runs[name] = found
        else:
            empty.append(name)
    if not runs:
        history = next(iter(groups.values()))[0].history
        raise OptionError(f"compare: {standing(history)}, so there is nothing to draw")
    return runs, empty


def _run(seen: Given, over: Over, name: str) -> Run:
    """The best so far of one search over what it spent."""
    history = seen.history
    if history.best is None:
        return Run(np.empty(0), np.empty(0), 0.0)
    spent, end = _spent(history, over, name)
    if over == "seconds":
        return _by_time(history, spent, end)
    leaders = history.leaders()
    best = np.array([leader.value for _, leader in leaders], dtype=float)
    at = spent[[id for id, _ in leaders]]
    last = np.append(at[1:] != at[:-1], True)  # of the changes in one round the last
    return Run(at[last], best[last], end)


def _by_time(history: History, ended: Floats, end: float) -> Run:
    """The best so far in the order in which results came; each trial counts by its own value."""
    order = np.asarray(history.order(), dtype=np.int64)
    order = order[history.allowed()[order]]
    ids = order[np.lexsort((order, ended[order]))]
    rank = np.empty(len(history))
    rank[order] = np.arange(len(ids))
    leads = rank[ids] <= np.minimum.accumulate(rank[ids])
    leaders = ids[leads]
    points = [history.at(history[i].point, member=history[i].member) for i in leaders.tolist()]
    values = [history.goal.metric_of(p) if p is not None else np.nan for p in points]
    return Run(ended[leaders], np.array(values, dtype=float), end)


def _spent(history: History, over: Over, name: str) -> tuple[Floats, float]:
    """What was spent when each trial ended, shape (trials,), and in all."""
    trials = list(history)
    if over == "trials":
        spent = np.arange(1.0, len(trials) + 1.0)
        return spent, float(len(trials))
    if over == "rounds":
        numbers = {r: i + 1.0 for i, r in enumerate(dict.fromkeys(t.round for t in trials))}
        spent = np.array([numbers[t.round] for t in trials])
        return spent, float(len(numbers))
    scored = history.order().tolist()
    if _timed(history):
        zero = min(t.times[1] for t in trials if t.times[1] is not None)
        spent = np.array([np.nan if t.times[2] is None else t.times[2] - zero for t in trials])
    elif all(trials[i].seconds is not None for i in scored):
        spent = np.cumsum([t.seconds or 0.0 for t in trials])
    else:
        raise OptionError(
            f"compare(over='seconds'): trials of {shown(name)} have neither times nor run times; "
            "compare over 'trials'"
        )
    return spent, float(np.nanmax(spent))


def _timed(history: History) -> bool:
    """Whether trials have the times of their starts, and all that count those of their ends."""
    started = any(trial.times[1] is not None for trial in history)
    return started and all(history[i].times[2] is not None for i in history.order().tolist())


# ---------------------------------------------------------------------- lines
def _line(runs: Sequence[Run], *, less_is_better: bool) -> tuple[Floats, Floats]:
    """Where the runs of a name change together, and the quartiles and median of their best there.

    Returns
    -------
    x, values
        Shapes (places,) and (places, 3).
    """
    end = max(run.end for run in runs)
    x = np.unique(np.concatenate([*(run.spent for run in runs), [end]]))
    if len(x) > MOST_STEPS:
        x = x[np.linspace(0, len(x) - 1, MOST_STEPS).astype(np.int64)]
    worst = np.inf if less_is_better else -np.inf
    table = np.full((len(runs), len(x)), worst)
    for row, run in zip(table, runs, strict=True):
        place_of = np.searchsorted(run.spent, x, side="right") - 1
        known = place_of >= 0
        row[known] = run.best[place_of[known]]
    quantiles = np.stack([_quantile(table, q) for q in (BAND[0], 0.5, BAND[1])], axis=1)
    return x, np.where(np.isfinite(quantiles), quantiles, np.nan)


def _quantile(table: Floats, q: float) -> Floats:
    """Quantile of each column between its two nearest values, also beside infinite ones."""
    ordered = np.sort(table, axis=0)
    place_of = q * (len(table) - 1)
    low, high = ordered[int(np.floor(place_of))], ordered[int(np.ceil(place_of))]
    share = place_of % 1.0
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(low == high, low, low * (1.0 - share) + high * share))


def _label(axes: Axes, over: Over, searches: Sequence[Given], end: float) -> None:
    """What the searches spent, from nothing to all."""
    from dsice.plots import ticks

    label = WORDS[over]
    if over == "seconds":
        timed = {_timed(s.history) for s in searches if s.history.best is not None}
        kinds = {True: "seconds since the first start", False: "seconds of run time"}
        label = ", or ".join(kinds[kind] for kind in sorted(timed, reverse=True))
        ticks.plain(axes.xaxis)
    else:
        ticks.whole(axes.xaxis)
    half = 0.0 if over == "seconds" else 0.5
    axes.set_xlim(half, (end or 1.0) + half)
    axes.set_xlabel(label)
