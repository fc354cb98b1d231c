"""A machine on which nothing can be started for a while: what was not run is told of no trial."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.bench import ROOT, linux_only, scaled
from tests.faults.conftest import Note
from tests.faults.coordinator import value

TRIALS = scaled(30, 1000)
SECONDS = scaled(1.5, 20.0)
BAR = f"{TRIALS} trials, {SECONDS:g} s without"
WITHOUT = {
    "disks": "room on the disk of trials and journal",
    "disk": "room on the trials' disk",
    "quotas": "quota for trials and journal",
    "quota": "quota for the trials",
    "processes": "new processes",
    "files": "file handles",
}


def _command(folder: Path, fault: str) -> list[str]:
    """What runs the coordinator, where need be with a small file system of its own."""
    script = [sys.executable, "-m", "tests.faults.starved", str(folder), fault]
    command = [*script, str(TRIALS), str(SECONDS)]
    if fault == "processes" and os.geteuid() == 0:  # root has no limit of processes
        rights = "+dac_override,+dac_read_search"
        user = ["setpriv", "--reuid=65534", "--clear-groups"]
        command = [*user, f"--inh-caps={rights}", f"--ambient-caps={rights}", *command]
        if shutil.which("setpriv") is None:
            pytest.skip("root has no limit of processes, and setpriv is not there")
    if fault.startswith("quota"):
        return [*_quota(folder), *command]
    if not fault.startswith("disk"):
        return command
    size = scaled(8, 64)
    mount = f'mount -t tmpfs -o size={size}m tmpfs "$0" && exec "$@"'
    inside = ["unshare", "-rm", "sh", "-c", mount, str(folder / "trials")]
    try:
        able = subprocess.run([*inside, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        able = False
    if not able:
        pytest.skip("no file system of one's own: unshare -rm and a tmpfs are needed; see `quota`")
    return [*inside, *command]


def _quota(folder: Path) -> list[str]:
    """What runs a command with a quota for the trials' files, which its children inherit."""
    library = folder / "quota.so"
    source = ROOT / "tests" / "faults" / "quota.c"
    try:
        build = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
        subprocess.run(build, check=True, capture_output=True)
    except OSError:
        pytest.skip("no C compiler, for the quota")
    variables = {
        "LD_PRELOAD": library,
        "QUOTA_FOLDER": f"{folder / 'trials'}/",
        "QUOTA_USED_UP": folder / "used-up",
    }
    return ["env", *(f"{name}={value}" for name, value in variables.items())]


@linux_only
@pytest.mark.parametrize("fault", list(WITHOUT)[:: scaled(2, 1)])
def test_what_was_not_run_is_not_told_and_runs_later(
    tmp_path: Path, note: Note, fault: str
) -> None:
    (tmp_path / "trials").mkdir()
    if fault == "processes" and os.geteuid() == 0:
        for path in (tmp_path, tmp_path / "trials"):
            os.chown(path, 65534, -1)
    began = time.monotonic()
    done = subprocess.run(
        _command(tmp_path, fault), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: list[Any] = [
        ast.literal_eval(line) for line in (tmp_path / "told.txt").read_text().splitlines()
    ]
    failed = [found for found in told if found[0] != "done"]
    measured = sum(found[1] == value(**found[2]) for found in told)
    what = WITHOUT[fault]
    note(BAR, f"told failed, without {what}", len(failed), "0")
    note(BAR, f"measured, without {what}", measured, str(TRIALS))
    assert not failed and measured == TRIALS
    assert "what runs goes on" in done.stderr.lower()
    assert time.monotonic() - began > SECONDS
