"""A fit as a notebook shows it: the curve with the measurements, as a small drawing."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from dsice.typing import Floats

_WIDTH, _HEIGHT, _MARGIN = 300, 90, 6
_MOST = 200  # places at which the curve is drawn, and measurements


class _Fit(Protocol):
    n: int

    @property
    def levels(self) -> tuple[int, ...]: ...
    @property
    def values(self) -> tuple[float, ...]: ...
    def curve(self) -> Floats: ...


def picture(fit: _Fit) -> str:
    """The repr of a fit, and its curve with the measured values, as HTML.

    Values so large that their difference is no float are not drawn.
    """
    text = f"<code>{fit!r}</code>"
    places = np.unique(np.linspace(0, fit.n - 1, min(fit.n, _MOST)).round().astype(int))
    curve = fit.curve()[places]
    levels, values = np.array(fit.levels), np.array(fit.values)
    if len(levels) > _MOST:
        some = np.linspace(0, len(levels) - 1, _MOST).round().astype(int)
        levels, values = levels[some], values[some]
    everything = np.concatenate([curve, values])
    low = float(everything.min())
    with np.errstate(over="ignore"):
        span = float(everything.max()) - low
    if not np.isfinite(span):
        return text

    def at(level: Floats, value: Floats) -> list[tuple[float, float]]:
        x = _MARGIN + (_WIDTH - 2 * _MARGIN) * level / max(1, fit.n - 1)
        y = _HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * ((value - low) / (span or 1.0))
        return [(round(a, 1), round(b, 1)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]

    line = " ".join(f"{x},{y}" for x, y in at(places, curve))
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="3"/>' for x, y in at(levels, values))
    drawing = f'<polyline points="{line}" fill="none" stroke="currentColor"/>{dots}'
    size = f'width="{_WIDTH}" height="{_HEIGHT}" fill="currentColor"'
    return f'<div>{text}<br><svg {size} role="img" aria-label="the curve">{drawing}</svg></div>'
