"""The C kernel of docs/programs.md: compiled in each trial, timed as the median of five runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from dsice import State, Tuner
from tests.test_docs import ROOT, blocks

KERNEL = """\
#include <stdio.h>
#include <stdlib.h>
#if TILE == 64 && UNROLL == 4
#error "64 x 4 does not fit into the registers"
#endif
int main(void) {
    FILE *runs = fopen(getenv("DSICE_RUNS"), "a+");
    fseek(runs, 0, SEEK_END);
    int run = (int)ftell(runs);
    fputc('.', runs);
    fclose(runs);
    if (TILE == 8 && UNROLL == 1 && run == 2) return 3;
    printf("time %d.%d ms\\n", run == 4 ? 90 : 128 / TILE + UNROLL, run);
    return 0;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_kernel_of_the_docs_is_compiled_and_timed_five_times(tmp_path: Path) -> None:
    page = ROOT / "docs" / "programs.md"
    (text,) = [block.text for block in blocks(page) if block.file == "kernel.toml"]
    text = text.replace('where = ["tile * unroll <= 128"]', "")
    for old, new in (
        ('["-O2", "-O3 -funroll-loops"]', '["-O1 -g"]'),
        ("[8, 16, 32, 64]", "[8, 64]"),
        ("[1, 2, 4]", "[1, 4]"),
        ("[goal]", '[strategy]\nname = "grid"\n[goal]'),
    ):
        assert old in text
        text = text.replace(old, new)
    text = text.replace("cc {", 'export DSICE_RUNS=\\"$DSICE_DIR\\"/runs; cc {')
    (tmp_path / "kernel.toml").write_text(text)
    (tmp_path / "kernel.c").write_text(KERNEL)
    done = subprocess.run(
        [sys.executable, "-m", "dsice.cli", "run", "kernel.toml", "--no-progress"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "best ms   3.2 (median of 5, sd " in done.stdout
    history = Tuner.read(tmp_path / "kernel.jsonl").history
    assert len(history) == 4
    for trial in history:
        tile, unroll = trial.params["tile"], trial.params["unroll"]
        if (tile, unroll) == (64, 4):
            assert trial.state is State.FAILED
            assert "64 x 4 does not fit" in str(trial.error).splitlines()[0]
        elif (tile, unroll) == (8, 1):
            assert trial.state is State.INVALID and not trial.values
        else:
            assert len(trial.values) == 5 and trial.values[-1] == 90.4
            assert median(trial.values) == pytest.approx(128 // tile + unroll + 0.2)
