"""Runs the studies of `studies.py` with the dsice found in a folder, in a process of its own.

The fixtures were recorded by dsice 0.1.0 (commit 79ae3c9), whose code is in ``dsice-0.1.0.tar.xz``
beside this file::

    git archive --format=tar 79ae3c9 dsice | xz -9e > tests/journal/dsice-0.1.0.tar.xz
    mkdir OLD && tar -xf tests/journal/dsice-0.1.0.tar.xz -C OLD
    python -I tests/journal/record.py OLD write:tests/journal/fixtures

A journal that is in the folder already is left as it is: what 0.1.0 wrote once stays, and only a
new study is recorded.

Commands, any number of them:

``write:FOLDER``
    Write the journals of all studies that the folder lacks.
``go-on:FOLDER``
    Open each journal of the folder twice, which must not change it; then tell what is pending,
    ask, tell and ask once more.
    ``FOLDER/known.json`` gets what each tuner knew before.
``try:FOLDER``
    ``FOLDER/outcomes.json`` gets what becomes of each journal of the folder when it is resumed
    and asked.
``wait``
    Say "ready" and wait for a line of the standard input.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main(code: Path, commands: list[str]) -> None:
    sys.path[:] = [str(code), *sys.path, str(ROOT)]  # the dsice of the folder before any other
    import dsice

    os.fsync = lambda fd: None  # no power cut is tested here, and the disk may be slow

    assert Path(dsice.__file__).is_relative_to(code), f"{dsice.__file__} is not in {code}"
    for command in commands:
        name, _, folder = command.partition(":")
        if name == "wait":
            print("ready", flush=True)
            sys.stdin.readline()
        else:
            {"write": write, "go-on": go_on, "try": attempt}[name](Path(folder))


def write(folder: Path) -> None:
    from tests.journal.studies import STUDIES

    for name, study in STUDIES.items():
        path = folder / f"{name}.jsonl"
        if not path.exists():
            study.write(path)
            beside(path)


def go_on(folder: Path) -> None:
    from tests.journal.studies import STUDIES

    known = {}
    for path in sorted(folder.glob("*.jsonl")):
        study, data = STUDIES[path.stem], path.read_bytes()
        for open_it in (study.open, study.resume):
            open_it(path).close()
            assert path.read_bytes() == data, f"{path.name} was changed when it was opened"
        known[path.stem] = study.go_on(path)
        beside(path)
    (folder / "known.json").write_text(json.dumps(known))


def attempt(folder: Path) -> None:
    from dsice import DsiceError, DsiceWarning, Tuner

    outcomes = {}
    for path in sorted(folder.glob("*.jsonl")):
        data, done = path.read_bytes(), "resume"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DsiceWarning)  # a stopper that is not known
                tuner = Tuner.resume(path, orphans="keep")
            with tuner:
                assert path.read_bytes() == data, f"{path.name} was changed when it was opened"
                done = "ask"
                outcomes[path.stem] = f"asked {len(tuner.ask(3))}"
        except DsiceError as error:
            outcomes[path.stem] = f"{done}: {type(error).__name__}"
            assert path.read_bytes() == data, f"{path.name} was changed and refused"
        beside(path)
    (folder / "outcomes.json").write_text(json.dumps(outcomes))


def beside(path: Path) -> None:
    """Remove the lock and the owner record of a journal that is closed."""
    for end in ("lock", "owner"):
        path.with_name(f"{path.name}.{end}").unlink(missing_ok=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
