"""The fit of a line in one compiled call: the same to the last bit, and used only where it pays."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import dsice.spline.line
from dsice.errors import FitError
from dsice.spline import fit, kernels
from dsice.spline.quick import Switch
from tests.spline.lines import arrangements

needs_jit = pytest.mark.skipif(
    numba.config.DISABLE_JIT,  # type: ignore[attr-defined]
    reason="the JIT is switched off",
)


def use(monkeypatch: pytest.MonkeyPatch, after: int) -> Switch:
    """From now on fit compiled after so many measurements."""
    switch = Switch(after)
    monkeypatch.setattr(dsice.spline.line, "switch", switch)
    return switch


def everything(levels: list[int], values: list[float], n: int, alpha: float | str) -> str:
    """All that a fit says, to the last bit."""
    curve = fit(levels, values, n, alpha=alpha)
    where = [0, n // 3, n - 1]
    numbers = [
        *(curve.argmin, curve.minimum, curve.alpha, curve.sigma2),
        *(curve.dof, curve.gcv, curve.loo, curve.reml, curve.at(n // 2)),
        *(curve.at(where).tolist(), curve.variance(where).tolist(), curve.residuals.tolist()),
    ]
    return repr((curve, numbers, curve.levels, curve.values, curve.weights))


@needs_jit
@pytest.mark.parametrize("n", [8, 64, 1024, 10**6, 10**12])
def test_the_same_to_the_last_bit(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(n)
    for k in (3, 5, 8, 30):
        for places in arrangements(n, min(k, n), rng).values():
            levels = sorted(set(places.tolist()))
            noisy = rng.normal(size=len(levels))
            for shape in (noisy, noisy.round(), 1e60 * noisy, np.abs(places - n / 3.0)):
                values = shape.tolist()
                for alpha in ("reml", 1e-8, 0.5, 30, 1e6):
                    use(monkeypatch, 10**9)
                    plain = everything(levels, values, n, alpha)
                    switch = use(monkeypatch, 0)
                    assert everything(levels, values, n, alpha) == plain
                    assert (switch.kernel is kernels.fit_knots) == (len(levels) > 2)


@needs_jit
def test_used_after_many_fits_for_ordinary_lines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    switch = use(monkeypatch, 7)
    line = [0, 2, 5], [1.0, 0.5, 2.0]
    fit([0, 2], [1.0, 0.5], 6)
    fit(*line, 6, spacing="refined")
    fit(*line, 6, weights=[1.0, 2.0, 1.0])
    fit(*line, 2**53 + 1)
    assert switch.left == 7
    fit(*line, 6)
    fit(*line, 6)
    assert switch.kernel is None
    fit(*line, 6)
    assert switch.kernel is kernels.fit_knots


@needs_jit
def test_a_bad_alpha_is_refused_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, 0)
    for alpha in (0.0, -1.0, float("nan"), 1e9, True, "gcv", None):
        with pytest.raises(FitError, match="alpha"):
            fit([0, 2, 5], [1.0, 0.5, 2.0], 6, alpha=alpha)  # type: ignore[arg-type]


@pytest.mark.parametrize("disable", ["0", "1"])
def test_however_many_fits_load_no_numba(disable: str) -> None:
    """And with the JIT off a loaded kernel, which is slow then, is not used."""
    program = """
import sys
from dsice.spline import fit, line
line.switch.left = 1
for _ in range(3):
    fit([0, 2, 5], [1.0, 0.5, 2.0], 6)
line.switch.left = 1
assert "numba" not in sys.modules and line.switch.kernel is None
from dsice.spline import kernels
fit([0, 2, 5], [1.0, 0.5, 2.0], 6)
print(line.switch.kernel is kernels.fit_knots)
"""
    environment = os.environ | {"NUMBA_DISABLE_JIT": disable}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(disable == "0")
