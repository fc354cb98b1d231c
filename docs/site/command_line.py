"""The reference of the command line, from the parsers of the commands."""

from __future__ import annotations

import argparse

from dsice.cli.main import COMMANDS, _parser

HEAD = """# The command line

Every command with every argument; [Tune from the command line](../docs/command-line.md) says what
they are for, [The study file](../docs/study-file.md) what stands in `STUDY.toml`.

## Exit codes

| code | |
|---|---|
| 0 | done; of `ask`: here are trials |
| 1 | of `run` and `best`: no trial has a value; a step of `doctor` failed; \
of `journal check`: it is damaged; of `ask`: the search has finished, and stderr says why |
| 2 | wrong input; a message on stderr says what to do |
| 3 | of `step`: the trial is asked to stop |
| 4 | of `ask`: nothing until something is told, so wait |
| 130 | after Ctrl-C |

"""


def page() -> str:
    """The page, in Markdown."""
    return "\n".join([HEAD, *(_command(name) for name in COMMANDS)])


def _command(name: str) -> str:
    parts = _parts(_choices(_parser([name]))[name], f"dsice {name}")
    return f"## dsice {name}\n\n{COMMANDS[name][1][0].upper()}{COMMANDS[name][1][1:]}.\n\n{parts}"


def _choices(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands below a parser."""
    below = [a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return dict(below[0]) if below else {}


def _parts(parser: argparse.ArgumentParser, prog: str) -> str:
    """Usage and arguments of a parser, and of the commands below it."""
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    lines = [f"```text\n{usage}\n```", ""]
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    below = [action for action in actions if isinstance(action, argparse._SubParsersAction)]
    rows = [_row(parser, action) for action in actions if action not in below]
    if rows:
        lines += ["| argument | meaning |", "|---|---|", *rows, ""]
    for action in below:
        helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for name, command in action.choices.items():
            lines += [f"### {prog} {name}", "", f"{helps.get(name, '')}.".capitalize(), ""]
            lines += [_parts(command, f"{prog} {name}")]
    return "\n".join(lines)


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = parser._get_formatter()
    names = formatter._format_action_invocation(action)
    text = formatter._expand_help(action) if action.help else ""
    cells = (f"`{names}`", " ".join(text.split()))
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


def _escaped(cell: str) -> str:
    """A cell of a table: a bar within it, also in code, does not end it."""
    return cell.replace("|", r"\|")
