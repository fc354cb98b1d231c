"""The loss of a training: the difference of pixels, and three terms whose weights are tuned."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

FILTERS = 8


class Losses:
    """The weighted sum of four losses between enlarged and true patches.

    Patches have the shape (batch, 1, height, width) and values from 0 to 1.

    - pixels: mean absolute difference, weight 1;
    - ``feature``: the same for the outputs of two layers of random convolutions. The literature
      uses a network trained on ImageNet, which no installed package has; random filters are known
      to serve as features, if less well;
    - ``gradient``: the same for differences of neighbouring pixels;
    - ``texture``: the difference between the *distributions* of the responses to random filters,
      wherever in the patch they occur. The sorted responses are compared (sliced Wasserstein
      distance). An adversary would judge the same, but would have to be trained.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        made = torch.Generator().manual_seed(20)
        self._first = _filters(made, FILTERS, 1, 5)
        self._second = _filters(made, FILTERS, FILTERS, 3)

    def __call__(self, found: Tensor, true: Tensor) -> Tensor:
        total = (found - true).abs().mean()
        if weight := self._weights.get("gradient", 0.0):
            total = total + weight * sum(
                ((found - true).diff(dim=dim)).abs().mean() for dim in (-1, -2)
            )
        feature, texture = self._weights.get("feature", 0.0), self._weights.get("texture", 0.0)
        if feature or texture:
            ours, theirs = (
                functional.conv2d(image, self._first, stride=2) for image in (found, true)
            )
            if feature:
                total = total + feature * self._features(ours, theirs)
            if texture:
                total = total + texture * (_sorted(ours) - _sorted(theirs)).abs().mean()
        return total

    def _features(self, ours: Tensor, theirs: Tensor) -> Tensor:
        first = ours.relu() - theirs.relu()
        second = functional.conv2d(ours.relu(), self._second).relu()
        target = functional.conv2d(theirs.relu(), self._second).relu()
        return first.abs().mean() + (second - target).abs().mean()


def _filters(made: torch.Generator, to: int, of: int, side: int) -> Tensor:
    """Random filters without a mean (an even area has no texture) and of length 1."""
    drawn = torch.randn(to, of, side, side, generator=made)
    drawn = drawn - drawn.mean(dim=(2, 3), keepdim=True)
    lengths: Tensor = torch.linalg.vector_norm(drawn, dim=(1, 2, 3), keepdim=True)
    return drawn / lengths


def _sorted(responses: Tensor) -> Tensor:
    """Each filter's responses in ascending order, shape (filters, responses)."""
    values: Tensor = responses.transpose(0, 1).flatten(1).sort(dim=1).values
    return values
