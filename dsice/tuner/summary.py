"""What a prompt and a notebook show of a tuner: how far it is, the best, and what comes next."""

from __future__ import annotations

from dsice.history import History
from dsice.history.summary import best_facts, counted
from dsice.space.summary import Summary, joined
from dsice.trial import Trial
from dsice.tuner.ending import EndingStudy

_GO_ON = "it is only looked at here; Tuner.resume(journal) or the same script goes on"


def tuner_summary(study: EndingStudy, history: History, best: Trial | None) -> Summary:
    """The summary of a tuner, whose best trial is given."""
    axes = study.space.ndim
    budget = "" if study.max_trials is None else f" of {study.max_trials}"
    viewed = study._recorder.read_from
    facts: dict[str, object] = {
        "asked": f"{history.asked}{budget} trials",
        "trials": counted(history),
        **best_facts(history.goal, best),
        "journal": study.journal or viewed or "none: all is lost when this process ends",
        "next": _next(study, history) if viewed is None else _GO_ON,
    }
    return Summary(f"Tuner of {axes} parameter{'' if axes == 1 else 's'}", facts)


def _next(study: EndingStudy, history: History) -> str:
    """What to do now; it asks nothing of the strategy, which may take long."""
    pending = history.pending()
    if pending:
        ids = joined(str(trial.id) for trial in pending)
        return f"tell what came out of the pending trials: {ids}"
    if study.noted_end is not None:
        return study.noted_end.with_advice
    if study.max_trials is not None and history.asked >= study.max_trials:
        return "the budget is used up; a larger max_trials goes on"
    if not history.asked:
        return "ask(n) for trials, or dsice.run(tuner, launcher)"
    return "ask(n) for more; dsice.write_report(tuner, 'report.html') shows all"
