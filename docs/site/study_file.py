"""The reference of study files: every key, from the tables and the docstrings of the code.

The page is kept in the repository, so that other pages can link to it::

    python -m docs.site.study_file > docs/study-file.md
"""

from __future__ import annotations

import inspect
import sys
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

Every section with every key; [Tune from the command line](command-line.md) shows how they are used.
The file is [TOML](https://toml.io), paths are relative to it, and an unknown section or key is an
error that names the nearest one. Only `[space]` must be there.

The words are those of the Python classes. A mapping such as `{"gpus": 4}` is written `{gpus = 4}`
here; None can be given in Python only, so where it is the default, leave the key out.

<!-- Written from the code: python -m docs.site.study_file > docs/study-file.md -->
"""

STUDY = {
    "command": "The program: a shell command. `{name}` is the value of a parameter, "
    "`{name:default}` has a default for trials in which the parameter is not active; formats, "
    "flags, several words and None: [all placeholders](programs.md).",
    "function": "The program, instead of `command`: a Python function, `module:function`, which "
    "gets the parameters as keyword arguments; modules beside the study file are found. With "
    "neither, others start the trials: `dsice ask` and `dsice tell`.",
    "journal": "Where the journal is; default: `NAME.jsonl` beside `NAME.toml`. The trials' "
    "directories are in `JOURNAL.trials/`.",
    "max_trials": "How many trials are asked in all, earlier runs included; default: until the "
    "[search ends](stopping.md#why-did-the-search-end) or the grid is used up.",
    "seed": "Of all random numbers; the same seed and results give the same search. Default: `0`.",
    "slots": "How many trials run at the same time; default: one per core, with "
    '`kind = "batch"` 40.',
    "timeout": "Time limit of a trial in seconds; default: none.",
    "lock": "false: for file systems that refuse locks; then no other process may write the "
    "journal.",
    "reuse": "Measurements of related tasks: a list of paths of journals and tables, or of tables "
    'with the keys below, such as `{path = "sweep.csv", metric = "time", fixed = {gpus = 4}}`. '
    "`dsice run STUDY --reuse FILE` names more, relative to where you are. Without any, those that "
    "the journal has ([what they do](reuse.md)).",
    "result": "Of a command: the file in the trial's directory `$DSICE_DIR` that it writes its "
    "measurement to; default: it prints it.",
    "invalid_exit": "Of a command: the exit code by which it says that its result is wrong.",
}
SPACE = {
    "[1, 2, 4]": "Numbers: an ordered parameter with these values.",
    '["sgd", "adam"]': "Strings, also booleans: a choice, without an order.",
    "[[16, 16], [32, 8]]": "A choice whose values are lists, or tables such as "
    '`{name = "sgd"}`; a command gets them as JSON, a function as tuples and dicts.',
    "{linear = [lo, hi], n = 5}": "n values at equal distances; whole numbers if both ends are.",
    "{log = [lo, hi], n = 5}": "n values at equal ratios; whole numbers if both ends are.",
    "{..., integer = true}": "With `linear` or `log`: whole numbers only; `false`: none is "
    "made whole.",
    "{..., digits = 3}": "With `linear` or `log`: significant digits of each value.",
    "{choice = [...]}": "Values without an order, of any kind that JSON has, also numbers.",
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
STRATEGY = (
    "What to measure next ([which](tuning.md#i-want-another-search), [populations](population.md), "
    "[published algorithms](published.md)). Default: `dsice`"
)
STOPPER = "When to stop a trial early by what it reports with `dsice step` ([how](stopping.md))"
NOTES = {
    "max_seconds": "With `dsice advance`: seconds since the study began.",
    "prepare": "In a study file: a shell command, or a table of several "
    "([how trials use it](running.md#i-want-to-prepare-something-once-before-the-first-trial)).",
    "confirm": "[When](running.md#i-want-to-be-sure-of-the-best).",
    "until": "Written as `{trials = 50}`, `{seconds = 3600}` or `{share = 0.5}` (of `max_trials`).",
    "of": "[When which](tuning.md#my-measurements-are-noisy).",
    "start": 'Written as `{lr = 0.1, optimizer = "adam"}`.',
    "sampler": "Modules beside the study file are found.",
}
"""What study files add to the words of the docstrings."""
EXAMPLE = """## An example

A [population](population.md) of trainings, of which the hopeless ones are stopped early:

```toml
# stages.toml
[study]
command = '''
cd "$DSICE_DIR"
test -z "$DSICE_PARENT_DIR" || cp "$DSICE_PARENT_DIR"/epochs .
echo {rate} >> epochs
wc -l < epochs
'''
slots = 2

[space]
rate = {log = [1e-4, 1e-1], n = 7}

[strategy]
name = "population"
members = 4
stages = 3

[stopper]
name = "median"
complete = 3
```

```console
$ dsice run stages.toml --no-progress
best value  3
...
```
"""


def page() -> str:
    """The page, in Markdown."""
    parts = [HEAD, *_study(), *_goal_and_space()]
    parts += _classes("strategy", STRATEGY, strategy_names(), "dsice.strategies")
    parts += _classes("stopper", STOPPER, stopper_names(), "dsice.stopping")
    parts += [*_launcher(), EXAMPLE]
    return "\n".join(parts)


def described(thing: Callable[..., Any]) -> dict[str, str]:
    """What the docstring of a class or function says of each of its parameters.

    Lines are joined, and code is in single backticks. Where a class says no more than "See" of a
    parameter that it inherits, the words are those of the class that it has it from.
    """
    found: dict[str, str] = {}
    for one in reversed(inspect.getmro(thing)) if inspect.isclass(thing) else (thing,):
        for entry in NumpyDocString(inspect.cleandoc(one.__doc__ or ""))["Parameters"]:
            text = " ".join(" ".join(entry.desc).split()).replace("``", "`")
            for name in (name.strip().lstrip("*") for name in entry.name.split(",")):
                if name not in found or not text.startswith("See `"):
                    found[name] = text
    return found


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
        default_of = f" Default: `{shown}`." if plain else ""
        found[key] = f"{words[key]}{default_of} {NOTES.get(key, '')}".rstrip()
    return found


def _table(rows: Mapping[str, str], head: str = "key") -> str:
    lines = [f"| `{key}` | {text.replace('|', '&#124;')} |" for key, text in rows.items()]
    return "\n".join([f"| {head} | meaning |", "|---|---|", *lines, ""])


def _study() -> list[str]:
    own = {key: STUDY[key] for key in file._KEYS}
    options = keys_of(run, STUDY_KEYS)
    output = {key: STUDY[key] for key in file._OUTPUT}
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
        "## [space]\n\nOne key a parameter; its value is one of these. A name with a dot stands in "
        'quotes: `"model.lr" = [1e-3, 1e-2]`.\n',
        _table(SPACE, "value"),
        "## [rules]\n\n[What a condition may hold]"
        "(tuning.md#i-want-to-rule-out-combinations-or-have-parameters-that-exist-only-sometimes)."
        "\n",
        _table(RULES),
        "## [goal]\n",
        _table(keys_of(Goal, sections.goal_keys())),
        "## [metrics]\n",
        _table(METRICS),
        "```toml\n[metrics]\nloss = 'val_loss[:=]\\s*([-+0-9.eE]+)'\n"
        "ms = {pattern = 'time ([-+0-9.eE]+) ms', last = 5}\n```\n",
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
    parts = [
        "## [launcher]\n\n`kind` is `local` (the default) or `batch` ([which](launchers.md)).\n"
    ]
    for kind, keys in sections._KINDS.items():
        thing = {"local": Local, "batch": Batch, "table": Table}[kind]
        parts += [f'### kind = "{kind}"\n', _table(keys_of(thing, keys))]
    return parts


if __name__ == "__main__":
    sys.stdout.write(page())
