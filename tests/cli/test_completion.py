"""What `dsice completion` prints makes a real shell complete commands, options and files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from dsice.cli.main import COMMANDS, main

TRY = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_shtab_dsice
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script of each shell."""
    folder = tmp_path_factory.mktemp("completion")
    with pytest.MonkeyPatch.context() as patch:
        for shell in ("bash", "zsh"):
            with (folder / shell).open("w") as file:
                patch.setattr("sys.stdout", file)
                assert main(["completion", shell]) == 0
                patch.undo()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("s.toml", "s.jsonl", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "runs").mkdir()
    return tmp_path


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", set(COMMANDS)),
        ("st", {"status", "step"}),
        ("status --w", {"--watch"}),
        ("run ", {"s.toml", "runs/"}),
        ("status ", {"s.toml", "s.jsonl", "runs/"}),
        ("run --reuse ", {"s.toml", "s.jsonl", "notes.txt", "runs"}),
        ("completion ", {"bash", "zsh"}),
        ("journal ch", {"check"}),
    ],
)
def test_bash_completes(scripts: Path, folder: Path, typed: str, offered: set[str]) -> None:
    words = ["dsice", *typed.split(" ")]
    done = subprocess.run(
        ["bash", "--norc", "-c", TRY, "-", scripts / "bash", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == offered


@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
def test_zsh_reads_its_script(scripts: Path) -> None:
    subprocess.run(["zsh", "-n", scripts / "zsh"], check=True)


def test_zsh_is_told_every_command_and_which_files_it_takes(scripts: Path) -> None:
    text = (scripts / "zsh").read_text()
    assert text.startswith("#compdef dsice")
    assert all(f"{name}:" in text for name in COMMANDS)
    assert "_files -g '*.toml(-.)'" in text and "_files -g '*.(toml|jsonl)(-.)'" in text


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["completion", "fish"])
    assert left.value.code == 2 and "bash" in capsys.readouterr().err
