"""The reference of study files: every key, from the tables and the docstrings of the code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from numpydoc.docscrape import NumpyDocString

from dsice import Goal, Source, run
from dsice.launchers import Batch, Local, Table
from dsice.running.options import STUDY_KEYS
from dsice.space.axes import AXIS_TYPES
from dsice.stopping import stopper_names
from dsice.strategies import strategy_names
from dsice.study import file, sections, sources

HEAD = """# The study file

Every section with every key; [Tune from the command line](../docs/command-line.md) shows how they
are used. The file is TOML, paths are relative to it, and an unknown section or key is an error that
names the nearest one.
"""

STUDY = {
    "command": "The program: a shell command with [placeholders](../docs/programs.md).",
    "function": "The program, instead of `command`: a Python function, `module:function`; "
    "modules beside the study file are found.",
    "journal": "Where the journal is; default: `NAME.jsonl` beside `NAME.toml`. The trials' "
    "directories are in `JOURNAL.trials/`.",
    "max_trials": "How many trials are asked in all, earlier runs included; default: no end.",
    "seed": "Of all random numbers; the same seed and results give the same search.",
    "slots": "How many trials run at the same time; default: one per core, with "
    '`kind = "batch"` 40.',
    "timeout": "Time limit of a trial in seconds; default: none.",
    "lock": "false: for file systems that refuse locks; then no other process may write the "
    "journal.",
    "reuse": "Measurements of related tasks: a list of paths of journals and tables, or of tables "
    "with the keys below.",
}
SPACE = {
    "[1, 2, 4]": "Numbers: an ordered parameter with these values. Strings and booleans: a choice.",
    "{linear = [lo, hi], n = 5}": "n values at equal distances.",
    "{log = [lo, hi], n = 5}": "n values at equal ratios.",
    "{..., integer = true}": "With `linear` or `log`: whole numbers only; `false`: none is "
    "made whole.",
    "{..., digits = 3}": "With `linear` or `log`: significant digits of each value.",
    "{choice = [...]}": "Values without an order, of any kind that JSON has.",
}
RULES = {
    "where": "List of conditions that every trial meets, such as `batch * lr <= 1`.",
    "when": 'List of tables `{if = "optimizer == \'sgd\'", params = ["momentum"]}`: the parameters '
    "`params` exist only where `if` holds.",
}
METRICS = {
    "NAME": "Of a command that prints no JSON: a regular expression whose group holds the number. "
    "The last match counts; of `{pattern = '...', last = 5}` five do, as repeats.",
}


def page() -> str:
    """The page, in Markdown."""
    parts = [HEAD, *_study(), *_goal_and_space()]
    parts += _classes("strategy", "What to measure next", strategy_names(), "dsice.strategies")
    parts += _classes("stopper", "When to stop a trial early", stopper_names(), "dsice.stopping")
    parts += _launcher()
    return "\n".join(parts)


def described(thing: Callable[..., Any]) -> dict[str, str]:
    """What the docstring of a class or function says of each of its parameters.

    Lines are joined, and code is in single backticks.
    """
    found = NumpyDocString(inspect.getdoc(thing) or "")
    return {
        name.strip().lstrip("*"): " ".join(" ".join(entry.desc).split()).replace("``", "`")
        for entry in found["Parameters"]
        for name in entry.name.split(",")
    }


def keys_of(thing: Callable[..., Any], keys: Iterable[str] | None = None) -> dict[str, str]:
    """Keys, their meanings and defaults; all parameters without `keys`.

    Raises
    ------
    LookupError
        A key without a word in the docstring.
    """
    words, signature = described(thing), inspect.signature(thing).parameters
    found = {}
    for key in signature if keys is None else keys:
        if not words.get(key):
            raise LookupError(f"the docstring of {thing.__name__} does not say what {key!r} is")
        default = signature[key].default
        plain = isinstance(default, (bool, int, float, str)) and default != ""
        shown = str(default).lower() if isinstance(default, bool) else repr(default)
        found[key] = words[key] + (f" Default: `{shown}`." if plain else "")
    return found


def _table(rows: Mapping[str, str], head: str = "key") -> str:
    lines = [f"| `{key}` | {text.replace('|', '&#124;')} |" for key, text in rows.items()]
    return "\n".join([f"| {head} | meaning |", "|---|---|", *lines, ""])


def _study() -> list[str]:
    own = {key: STUDY[key] for key in file._KEYS}
    output, options = keys_of(Local, file._OUTPUT), keys_of(run, STUDY_KEYS)
    source = {"path": "The journal or the table."}
    source |= keys_of(Source, [key for key in sources._KEYS if key != "path"])
    return [
        "## [study]\n",
        _table(own | options | output),
        "### An entry of reuse\n",
        _table(source),
    ]


def _goal_and_space() -> list[str]:
    kinds = {f"{{{kind} = [...]}}" for kind in AXIS_TYPES if kind != "ordinal"}
    if not kinds <= set(SPACE):
        raise LookupError(f"no word for the axes {sorted(kinds - set(SPACE))}")
    return [
        "## [space]\n\nOne key a parameter; its value is one of these.\n",
        _table(SPACE, "value"),
        "## [rules]\n",
        _table(RULES),
        "## [goal]\n",
        _table(keys_of(Goal, sections.goal_keys())),
        "## [metrics]\n",
        _table(METRICS),
    ]


def _classes(section: str, about: str, names: Mapping[str, str], module: str) -> list[str]:
    """The keys of a section that names a class: its options are its parameters."""
    found = import_names(module, names)
    parts = [
        f"## [{section}]\n\n{about}. `name` is one of {', '.join(f'`{name}`' for name in found)}; "
        "the other keys are the options of that class.\n"
    ]
    for name, kind in found.items():
        options = keys_of(kind)
        parts += [f'### name = "{name}"\n', _table(options) if options else "No options.\n"]
    return parts


def import_names(module: str, names: Mapping[str, str]) -> dict[str, Any]:
    """The classes that a section may name, by the name that is written there."""
    from importlib import import_module

    return {short: getattr(import_module(module), name) for short, name in names.items()}


def _launcher() -> list[str]:
    parts = ["## [launcher]\n\n`kind` is `local` (the default) or `batch`.\n"]
    for kind, keys in sections._KINDS.items():
        thing = {"local": Local, "batch": Batch, "table": Table}[kind]
        parts += [f'### kind = "{kind}"\n', _table(keys_of(thing, keys))]
    return parts
