"""Code is compiled on first bulk use only and cached once; without a cache it works, too."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import dsice.errors
import dsice.spline
import dsice.spline.line
import dsice.typing
from dsice.spline import fit, fit_many, kernels
from dsice.spline.quick import Switch
from tests.spline.lines import ragged

compiled = not numba.config.DISABLE_JIT  # type: ignore[attr-defined]
needs_jit = pytest.mark.skipif(not compiled, reason="the JIT is switched off")

SMALL = """
import numpy as np
from dsice.spline import kernels
rows = np.array([[1.0, 2.0, 0.0, 0.0, 1.0], [3.0, 4.0, 0.0, 0.0, 1.0]])
assert kernels.quadratic_form(4, rows) == 0.5 + 2.25
"""
"""A program that compiles a small kernel."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The spline package alone, as if installed in a folder of its own, without any cache."""
    package = tmp_path / "site" / "dsice"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    for module in (dsice.errors, dsice.typing):
        shutil.copy(str(module.__file__), package)
    source = Path(dsice.spline.__file__).parent
    shutil.copytree(source, package / "spline", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def start(program: str, site: Path, **environment: str) -> subprocess.Popen[str]:
    """Run a program that sees that installation only."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NUMBA_", "XDG_", "COV_"))
    }
    clean |= {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", program], env=clean, cwd=site, stdout=pipe, stderr=pipe, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_importing_and_small_fits_load_neither_numba_nor_scipy(copy: Path) -> None:
    program = """
import sys
from dsice.spline import fit, fit_many, score_alphas
fit(range(8), [3.0, 2.0, 1.0, 2.0, 3.0, 2.5, 4.0, 6.0], 8).variance(3)
fit_many([0, 3], [0, 2, 4], [1.0, 0.0, 2.0], 5, curves=True, variances=True)
score_alphas([0, 2, 4], [1.0, 0.0, 2.0], 5, [0.1, 1.0])
print([name for name in ("numba", "scipy", "pandas", "matplotlib") if name in sys.modules])
"""
    assert finish(start(program, copy)).strip() == "[]"


@needs_jit
def test_each_kernel_has_one_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    """For all types of input: numba's cache could swap two signatures of one kernel."""
    batch = ragged(130, np.random.default_rng(1))
    fit_many(*batch[:3], 64, alpha=0.5, curves=True)
    fit_many(
        batch.offsets.astype(np.int32),
        batch.levels.astype(float),
        batch.values.astype(np.float32),
        [64] * 130,
        alpha=1,
    )
    fit([0, 9], [1.0, 2.0], 100_000).curve()
    kernels.fit_one(batch.levels, batch.values, 64, 0.25, np.empty(64))
    monkeypatch.setattr(dsice.spline.line, "switch", Switch(0))
    fit([0, 9, 20], [1.0, 2.0, 0.5], 64)
    levels, values = np.array([0, 9, 20]), np.array([1, 2, 0.5], np.float32)
    fit(levels, values, np.int32(64), alpha=1)  # type: ignore[arg-type]
    dispatchers = {
        name: value for name, value in vars(kernels).items() if hasattr(value, "signatures")
    }
    assert len(dispatchers) > 15
    for name, dispatcher in dispatchers.items():
        seen = set(dispatcher.signatures)
        # kernels that only other kernels call appear only in the cache
        if hasattr(dispatcher._cache, "_cache_file"):
            seen |= {key[0] for key in dispatcher._cache._cache_file._load_index()}
        assert len(seen) <= 1, (name, seen)


@needs_jit
def test_compiled_once_per_machine(copy: Path, tmp_path: Path) -> None:
    program = (
        SMALL + "stats = kernels.quadratic_form.stats\n"
        "print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))"
    )
    assert finish(start(program, copy, NUMBA_CACHE_DIR=str(tmp_path / "cache"))).split() == [
        "0",
        "1",
    ]
    assert finish(start(program, copy, NUMBA_CACHE_DIR=str(tmp_path / "cache"))).split() == [
        "1",
        "0",
    ]


@needs_jit
def test_read_only_installation_without_home(copy: Path) -> None:
    """With no place to write, code is compiled without a cache.

    Files stand where folders would be made, which stops root, too.
    """
    (copy / "dsice" / "spline" / "__pycache__").touch()
    program = SMALL + "print(type(kernels.quadratic_form._cache).__name__)"
    out = finish(start(program, copy, HOME="/dev/null", XDG_CACHE_HOME="/dev/null"))
    assert out.strip() == "NullCache"


@needs_jit
def test_a_user_without_a_home_gets_no_folder_called_tilde(copy: Path) -> None:
    (copy / "dsice" / "spline" / "__pycache__").touch()
    nobody = """
import os, pwd
os.environ.pop("HOME", None)
pwd.getpwuid = lambda uid: {}[uid]  # as for a number that no user has
os.access = lambda path, mode: False  # which root always has
"""
    program = nobody + SMALL + "print(type(kernels.quadratic_form._cache).__name__)"
    assert finish(start(program, copy)).strip() == "NullCache"
    assert not (copy / "~").exists()


@needs_jit
@pytest.mark.parametrize(
    "damage", ["index", *(pytest.param(name, marks=pytest.mark.long) for name in ("data", "gone"))]
)
def test_damaged_or_vanished_cache_counts_as_none(copy: Path, tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    finish(start(SMALL, copy, NUMBA_CACHE_DIR=str(cache)))
    files = [p for p in cache.rglob("*") if p.suffix == (".nbc" if damage == "data" else ".nbi")]
    assert files
    for path in files:
        path.write_bytes(b"not what numba wrote")
    early = ""
    if damage == "gone":  # the folder turns into a file between decoration and the first call
        early = "import shutil; from dsice.spline import kernels\n"
        early += f"shutil.rmtree({str(cache)!r}); open({str(cache)!r}, 'w').close()"
    finish(start(early + SMALL, copy, NUMBA_CACHE_DIR=str(cache)))


@pytest.mark.long
@needs_jit
def test_eight_processes_start_at_once_on_one_cache(copy: Path, tmp_path: Path) -> None:
    shared = str(tmp_path / "cache")
    for process in [start(SMALL, copy, NUMBA_CACHE_DIR=shared) for _ in range(8)]:
        finish(process)
    finish(
        start(
            SMALL + "assert sum(kernels.quadratic_form.stats.cache_hits.values()) == 1",
            copy,
            NUMBA_CACHE_DIR=shared,
        )
    )


def test_jit_switched_off() -> None:
    """The same kernels as plain Python, to the last bit but for logarithms."""
    program = """
import sys, numpy as np
from dsice.spline import fit_many
from tests.spline.lines import ragged
batch = ragged(110, np.random.default_rng(2), repeats=True)
fits = fit_many(*batch[:3], batch.sizes, curves=True, variances=True)
np.save(sys.stdout.buffer, np.r_[fits.argmin, fits.alpha, fits.curves, fits.variances])
"""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    root = Path(__file__).parents[2]
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", program]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    off = np.load(io.BytesIO(done.stdout))
    batch = ragged(110, np.random.default_rng(2), repeats=True)
    on = fit_many(*batch[:3], batch.sizes, curves=True, variances=True)
    np.testing.assert_allclose(off, np.r_[on.argmin, on.alpha, on.curves, on.variances], rtol=1e-9)
