"""Draw the pictures of docs/spline.md: ``python docs/figures/spline.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy.interpolate import make_interp_spline
from scipy.linalg import solveh_banded

from dsice.spline import fit, score_alphas

ROOT = Path(__file__).parents[2]
OUT = ROOT / "docs" / "img"
INK, BLUE, ORANGE, GREEN, GREY = "#222222", "#1f6fb4", "#d9731a", "#2f8f5b", "#9a9a9a"

LEVELS = np.array([0, 4, 7, 10, 15, 19, 23, 27, 31])
N = 32


def true_cost(level: np.ndarray) -> np.ndarray:
    """A cost over 32 levels: steep on the left, a flat valley, a slow rise."""
    x = level / 31.0
    return 4.0 * np.exp(-6.0 * x) + 3.0 * (x - 0.55) ** 2 + 1.0 + 0.15 * np.sin(9.0 * x)


MEASURED = true_cost(LEVELS) + 0.4 * np.random.default_rng(11).normal(size=len(LEVELS))


def plain(ax: Axes, title: str) -> None:
    """The style that all pictures share."""
    ax.set_title(title, loc="left", fontsize=10, color=INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel("level")
    ax.set_ylabel("score (lower is better)")


def save(figure: plt.Figure, name: str) -> None:
    """Write one picture."""
    figure.tight_layout()
    figure.savefig(OUT / f"spline_{name}.png", dpi=130)
    plt.close(figure)


def alpha() -> None:
    """The same points under three alphas and the one chosen."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), width_ratios=[3, 2])
    for value, colour in [(0.05, ORANGE), (20.0, GREEN), (300.0, "#7a5ea8")]:
        curve = fit(LEVELS, MEASURED, N, alpha=value)
        left.plot(
            curve.curve(),
            color=colour,
            lw=1.5,
            label=f"alpha {value:g} ({curve.dof:.1f} degrees of freedom)",
        )
    chosen = fit(LEVELS, MEASURED, N)
    left.plot(
        chosen.curve(),
        color=BLUE,
        lw=2.5,
        label=f'alpha "reml" = {chosen.alpha:.2g} ({chosen.dof:.1f})',
    )
    left.plot(LEVELS, MEASURED, "o", color=INK, ms=6, zorder=5)
    left.legend(frameon=False, fontsize=8)
    plain(left, "one set of measurements, four alphas")
    alphas = np.geomspace(1e-2, 1e3, 120)
    scores = score_alphas(LEVELS, MEASURED, N, alphas)
    prior = (2.0 * np.log10(alphas) + 0.5) ** 2
    total = scores.reml + prior
    right.plot(alphas, total - total.min(), color=BLUE, lw=2, label="REML + prior (decides)")
    right.plot(alphas, scores.reml - scores.reml.min(), color=BLUE, lw=1, ls="--", label="REML")
    right.plot(alphas, prior, color=GREY, lw=1, ls=":", label="prior")
    right.axvline(chosen.alpha, color=INK, lw=0.8)
    right.set(xscale="log", ylim=(-0.3, 15.0))
    plain(right, "how alpha is chosen")
    right.set(xlabel="alpha", ylabel="-2 log likelihood, from its lowest")
    right.legend(
        edgecolor="none", framealpha=0.9, fontsize=8, loc="upper center", bbox_to_anchor=(0.4, 1.0)
    )
    save(figure, "alpha")


def bands() -> None:
    """Curve and band of a line that is measured well, and of one with a wide gap."""
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), sharey=True)
    for ax, levels, title in [
        (axes[0], LEVELS, "nine measurements spread out"),
        (axes[1], np.array([0, 1, 2, 3, 4, 6, 24, 26, 31]), "nine measurements with a gap"),
    ]:
        values = true_cost(levels) + 0.15 * np.random.default_rng(3).normal(size=len(levels))
        curve = fit(levels, values, N)
        mean, sd = curve.curve(), np.sqrt(curve.variance(np.arange(N)))
        ax.fill_between(
            np.arange(N),
            mean - 2 * sd,
            mean + 2 * sd,
            color=BLUE,
            alpha=0.18,
            lw=0,
            label="curve ± 2 sd",
        )
        ax.plot(mean, color=BLUE, lw=2)
        ax.plot(true_cost(np.arange(N)), color=GREY, lw=1.2, ls="--", label="the true cost")
        ax.plot(levels, values, "o", color=INK, ms=6)
        ax.plot(
            curve.argmin,
            curve.minimum,
            "v",
            color=ORANGE,
            ms=10,
            label=f"argmin: level {curve.argmin}",
        )
        plain(ax, title)
        ax.legend(frameon=False, fontsize=8)
    save(figure, "bands")


def gaussian_process(
    levels: np.ndarray, values: np.ndarray, length: float, noise: float
) -> np.ndarray:
    """Mean of a Gaussian process with a squared-exponential kernel, fixed length and noise."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * ((a[:, None] - b[None, :]) / length) ** 2)

    weights = np.linalg.solve(
        kernel(levels, levels) + noise * np.eye(len(levels)), values - values.mean()
    )
    return values.mean() + kernel(np.arange(N), levels) @ weights


def others() -> None:
    """A d-spline beside an interpolating B-spline and a Gaussian process."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.6), sharey=True)
    levels = np.array([0, 3, 4, 5, 10, 12, 26, 31])
    values = true_cost(levels) + 0.25 * np.random.default_rng(8).normal(size=len(levels))
    curve = fit(levels, values, N)
    for ax in (left, right):
        ax.plot(curve.curve(), color=BLUE, lw=2.2, label=f"d-spline, argmin {curve.argmin}")
        ax.plot(levels, values, "o", color=INK, ms=6, zorder=5)
    inside = np.arange(levels[0], levels[-1] + 1)
    through = make_interp_spline(levels, values, k=3)(inside)
    left.plot(
        inside,
        through,
        color=ORANGE,
        lw=1.5,
        label=f"cubic B-spline through the points, argmin {inside[through.argmin()]}",
    )
    plain(left, "a B-spline follows the noise")
    for length, style in [(2.0, ":"), (6.0, "-")]:
        mean = gaussian_process(levels, values, length, 0.1)
        right.plot(
            mean,
            color=GREEN,
            lw=1.5,
            ls=style,
            label=f"Gaussian process, length {length:g}, argmin {mean.argmin()}",
        )
    plain(right, "a Gaussian process falls back to the mean")
    for ax in (left, right):
        ax.legend(frameon=False, fontsize=8)
        ax.set_ylim(0.2, 6.2)
    save(figure, "others")


def accuracy() -> None:
    """Why the system is not solved on the grid: errors of both forms as the gaps grow.

    The errors are those against a computation with 60 digits.
    """
    from tests.spline.oracles import error, exact_knots

    figure, ax = plt.subplots(figsize=(6.2, 3.6))
    sizes = 2 ** np.arange(6, 20)
    rng = np.random.default_rng(0)
    places, values = rng.uniform(0.02, 0.98, 6), rng.normal(size=8)
    errors: dict[str, list[float]] = {
        "scipy.linalg.solveh_banded on all levels": [],
        "dsice, on the eight knots": [],
    }
    for n in sizes.tolist():
        levels = np.r_[0, np.sort((places * (n - 1)).astype(int)), n - 1]
        at = np.unique(np.r_[levels, rng.integers(0, n, 40)])
        exact = exact_knots(levels, values, 0.25, at)
        curves = banded(levels, values, n), fit(levels, values, n, alpha=0.5).curve()
        for found, curve in zip(errors.values(), curves, strict=True):
            found.append(max(error(curve[at], exact), 1e-17))
    for (name, found), colour in zip(errors.items(), (ORANGE, BLUE), strict=True):
        ax.plot(sizes, found, "o-", color=colour, ms=4, label=name)
    ax.set(xscale="log", yscale="log", ylim=(1e-17, 10.0))
    plain(ax, "rounding error of the fit, eight measurements, alpha 0.5")
    ax.set(xlabel="levels on the line", ylabel="largest error / largest value")
    ax.legend(frameon=False, fontsize=8)
    save(figure, "accuracy")


def banded(levels: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """The fit with alpha 0.5 by the n-point pentadiagonal system."""
    band = np.zeros((3, n))
    band[0, 2:], band[1, 1:], band[2] = 0.25, -1.0, 1.5
    band[1, [1, -1]], band[2, [0, -1]], band[2, [1, -2]] = -0.5, 0.25, 1.25
    band[2, levels] += 1.0
    right = np.zeros(n)
    right[levels] = values
    return np.asarray(solveh_banded(band, right))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # for the exact values of the tests
    plt.switch_backend("agg")
    OUT.mkdir(exist_ok=True)
    for draw in (alpha, bands, others, accuracy):
        draw()
