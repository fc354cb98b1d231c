"""What is wrong with the layout of a figure: texts that are cut by its edge or by other texts."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

SLACK = 1.5
"""Pixels that two boxes may share, or that one may be over the edge: boxes hold a little space."""


def faults(figure: Figure) -> list[str]:
    """Each text that reaches over the edge of the figure, and each pair of texts that overlap."""
    FigureCanvasAgg(figure).draw()
    texts = _texts(figure)
    edge = figure.bbox
    found = [
        f"cut: {text.get_text()!r}"
        for text, box in texts
        if box.x0 < edge.x0 - SLACK
        or box.y0 < edge.y0 - SLACK
        or box.x1 > edge.x1 + SLACK
        or box.y1 > edge.y1 + SLACK
    ]
    for (one, here), (other, there) in combinations(texts, 2):
        if _overlap(here, there) and not (_is_slanted(one) and _is_slanted(other)):
            found.append(f"overlap: {one.get_text()!r} and {other.get_text()!r}")
    return found


def _texts(figure: Figure) -> list[tuple[Text, Bbox]]:
    """All texts that are drawn, with their boxes in pixels."""
    hidden = {id(text) for axes in figure.axes for text in _out_of_view(axes)}
    found = []
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        if not text.get_text().strip() or id(text) in hidden or not _is_seen(text):
            continue
        found.append((text, text.get_window_extent()))
    return found


def _out_of_view(axes: Any) -> list[Text]:
    """Labels of ticks that lie beyond the limits, of which matplotlib draws none."""
    found = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        shown = axes.get_visible() and axis.get_visible()
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            inside = low - 1e-9 * abs(low) <= tick.get_loc() <= high + 1e-9 * abs(high)
            if not (shown and inside and np.isfinite(tick.get_loc())):
                found += [tick.label1, tick.label2]
    return found


def _is_seen(text: Text) -> bool:
    axes = text.axes
    return text.get_visible() and (axes is None or axes.get_visible())


def _is_slanted(text: Text) -> bool:
    return text.get_rotation() % 90.0 != 0.0


def _overlap(one: Bbox, other: Bbox) -> bool:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return width > SLACK and height > SLACK
