"""A back-projection network in small: up, down and up again, each step corrected by what it loses on the way back."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SCALE = 4
CHANNELS = 24


class Projection(nn.Module):
    """One back-projection unit (Haris et al., CVPR 2018): project, go back, and add the projection of the error.

    The maps at high resolution are kept folded into channels (sub-pixel convolution, Shi et al., CVPR 2016), so that every
    convolution works at low resolution: what makes a training of a second possible on one core.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.there, self.back, self.again = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))
        self.bends = nn.ModuleList(nn.PReLU() for _ in range(3))

    def forward(self, maps: Tensor) -> Tensor:
        projected: Tensor = self.bends[0](self.there(maps))
        error = self.bends[1](self.back(projected)) - maps
        corrected: Tensor = projected + self.bends[2](self.again(error))
        return corrected


class BackProjection(nn.Module):
    """Grey images of shape (batch, 1, height, width), 0 to 1, enlarged 4 times.

    Features, then an up-, a down- and an up-projection; the results of both up-projections are joined. What comes out is added
    to the bicubic enlargement.
    """

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1), nn.PReLU())
        self.up, self.down, self.up_again = (Projection(channels) for _ in range(3))
        self.join = nn.Conv2d(2 * channels, SCALE * SCALE, 3, padding=1)

    def forward(self, small: Tensor) -> Tensor:
        high = self.up(self.features(small))
        higher = self.up_again(self.down(high))
        detail = functional.pixel_shuffle(self.join(torch.cat([high, higher], dim=1)), SCALE)
        return enlarged(small) + detail


def enlarged(small: Tensor) -> Tensor:
    """The bicubic enlargement."""
    return functional.interpolate(small, scale_factor=SCALE, mode="bicubic", align_corners=False)


def shrunk(large: Tensor) -> Tensor:
    """The bicubic reduction, with the filter against aliasing: how the small images are made."""
    return functional.interpolate(large, scale_factor=1 / SCALE, mode="bicubic", align_corners=False, antialias=True)
