"""`dsice completion`: what makes a shell complete commands, options and the files they take."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from dsice.errors import MissingPackageError

SHELLS = ("bash", "zsh")
_FILES = {"bash": "_shtab_compgen_files", "zsh": "_files"}
_STUDY = {"bash": "_dsice_study", "zsh": "_files -g '*.toml(-.)'"}
_JOURNAL = {"bash": "_dsice_journal", "zsh": "_files -g '*.jsonl(-.)'"}
_EITHER = {"bash": "_dsice_either", "zsh": "_files -g '*.(toml|jsonl)(-.)'"}
_BASH = """
_dsice_study() { compgen -d -S / -- "$1"; compgen -f -X '!*.toml' -- "$1"; }
_dsice_journal() { compgen -d -S / -- "$1"; compgen -f -X '!*.jsonl' -- "$1"; }
_dsice_either() { _dsice_study "$1"; compgen -f -X '!*.jsonl' -- "$1"; }
"""
_BY_METAVAR = {"JOURNAL|STUDY.TOML": _EITHER, "JOURNAL": _JOURNAL, "TABLE": _FILES}


def script(parser: argparse.ArgumentParser, shell: str) -> int:
    """Print the script of a shell for a parser that has the arguments of every command.

    Raises
    ------
    MissingPackageError
        shtab is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise MissingPackageError(
            "dsice completion needs shtab, which comes with dsice: pip install shtab"
        ) from error
    for action in _arguments(parser):
        kind = _kind(action)
        if kind is not None:
            action.complete = kind  # type: ignore[attr-defined]  # the name is shtab's
    print(shtab.complete(parser, shell=shell, preamble=_BASH if shell == "bash" else ""))
    return 0


def _arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _arguments(command)


def _kind(action: argparse.Action) -> dict[str, str] | None:
    """The files that an argument takes, by its name in the help; None: it takes none."""
    name = str(action.metavar or action.dest).upper()
    if action.choices is not None or action.nargs == 0:
        return None
    if name in ("STUDY", "STUDY.TOML"):
        return _STUDY
    return _FILES if name.startswith("FILE") else _BY_METAVAR.get(name)
