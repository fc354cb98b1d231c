"""Which pages the site has, in their order."""

from collections.abc import Callable

from docs.site import api, command_line

HOME = "README.md"

WRITTEN: dict[str, Callable[[], str]] = {
    **{f"reference/{module}.md": api.page_of(module) for module in api.MODULES},
    "reference/dsice.integrations.md": api.integrations,
    "reference/command-line.md": command_line.page,
}
"""Pages that are written from the code, and the function that writes each."""

SECTIONS: dict[str, list[str]] = {
    "Start here": ["docs/install.md", "docs/start.md"],
    "How to": [
        "docs/tuning.md",
        "docs/command-line.md",
        "docs/running.md",
        "docs/programs.md",
        "docs/launchers.md",
        "docs/reuse.md",
        "docs/stopping.md",
        "docs/population.md",
        "docs/insight.md",
        "docs/report.md",
        "docs/replay.md",
        "docs/figures.md",
        "docs/spline.md",
    ],
    "Inside other tools": [
        "docs/optuna.md",
        "docs/kernel-tuner.md",
        "docs/scikit-learn.md",
        "docs/callbacks.md",
        "docs/embedding.md",
    ],
    "Questions": ["docs/questions.md"],
    "Reference": [*WRITTEN, "docs/study-file.md", "docs/journal-format.md"],
    "Method and measurements": [
        "docs/method.md",
        "docs/published.md",
        "docs/literature.md",
        "benchmarks/literature/*/README.md",
        "docs/benchmarks.md",
        "benchmarks/*/README.md",
        "docs/comparison.md",
        "docs/reliability.md",
    ],
    "For maintainers": ["docs/architecture.md", "CONTRIBUTING.md", "tests/**/README.md"],
    "Versions": ["docs/upgrading.md", "CHANGELOG.md"],
}
"""The pages of each section, or patterns of their names; what else is in docs/ joins "How to"."""
