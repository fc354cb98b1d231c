"""`dsice plot`: one of the figures of a study, as a file."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from typing import Any

from dsice.checks import expanded, shown
from dsice.cli import output
from dsice.errors import OptionError
from dsice.journal.files import journal_of


def add_plot(command: argparse.ArgumentParser) -> None:
    """Arguments of ``dsice plot``."""
    command.add_argument("path", metavar="JOURNAL|STUDY.toml", nargs="?")
    command.add_argument("name", metavar="FIGURE", nargs="?", help="which figure; see --list")
    text = "the file to write: .png, .pdf or .svg (default: JOURNAL.FIGURE.png beside the journal)"
    command.add_argument("-o", "--output", metavar="FILE", help=text)
    command.add_argument("--list", action="store_true", help="print the figures and what they show")
    text = "of compare: more journals or study files"
    command.add_argument("--with", metavar="JOURNAL", nargs="+", dest="others", help=text)
    text = "of compare: trials (the default), rounds or seconds"
    command.add_argument("--over", metavar="WHAT", help=text)
    text = "of tradeoff: the metrics on the two axes"
    command.add_argument("--metrics", metavar=("A", "B"), nargs=2, help=text)
    text = "of line and lineage: the parameter that is drawn"
    command.add_argument("--param", metavar="NAME", help=text)
    command.set_defaults(act=_plot)


def _plot(args: argparse.Namespace) -> int:
    if args.list:
        return list_figures()
    if args.path is None or args.name is None:
        raise OptionError(
            "plot: expected a journal or study file and the name of a figure, such as "
            "dsice plot study.toml progress; dsice plot --list names the figures"
        )
    given = {option: getattr(args, option) for option in ("others", "over", "metrics", "param")}
    return plot(args.path, args.name, args.output, **given)


def figures() -> dict[str, Callable[..., Any]]:
    """The figures by name."""
    from dsice import plots

    return {name: getattr(plots, name) for name in plots.__all__}


def list_figures() -> int:
    """Print the name of each figure, and the first line of what it says about itself."""
    about = {name: (inspect.getdoc(draw) or "").split("\n")[0] for name, draw in figures().items()}
    output.table(("figure", "what it does"), list(about.items()))
    return 0


def plot(path: str, name: str, out: str | None = None, **options: Any) -> int:
    """Draw a figure of a journal or study file, and print where it is.

    Parameters
    ----------
    out
        The file; None: beside the journal, with its name and that of the figure.
    options
        ``others``, ``over``, ``metrics`` and ``param`` as on the command line, None where absent.

    Raises
    ------
    OptionError
        There is no such figure, an option belongs to another one, or there is nothing to draw.
    """
    import matplotlib

    known = figures()
    if name not in known:
        raise OptionError(f"plot: no figure is called {shown(name)}; there are {', '.join(known)}")
    source = expanded(path)
    journal = journal_of(source) if path.endswith(".toml") else source
    file = journal.with_suffix(f".{name}.png") if out is None else expanded(out)
    if file.resolve() in (journal.resolve(), source.resolve()):
        raise OptionError(f"plot {file}: that is the file it is made of; give -o another name")
    matplotlib.interactive(False)  # a file is wanted and no window, whatever matplotlibrc says
    searches, named = _arguments(path, name, options)
    known[name](searches, path=file, **named)
    output.say(file)
    return 0


def _arguments(path: str, name: str, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What the figure's function is called with."""
    words = {"others": "--with", "over": "--over", "metrics": "--metrics", "param": "--param"}
    of: dict[str, tuple[str, ...]] = {
        "others": ("compare",),
        "over": ("compare",),
        "metrics": ("tradeoff",),
    }
    of["param"] = ("line", "lineage")
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if name not in of[option]:
            raise OptionError(
                f"plot: {words[option]} is an option of {' and '.join(of[option])}, not of {name}"
            )
    searches: Any = path if "others" not in given else [path, *given.pop("others")]
    if "metrics" in given:
        given["a"], given["b"] = given.pop("metrics")
    if name == "line" and "param" in given:
        given["along"] = given.pop("param")
    return searches, given
