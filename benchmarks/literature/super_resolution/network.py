"""A small back-projection network: a projection up, corrected by its error on the way back."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

SCALE = 4
CHANNELS = 24
GAIN = 8.0
"""Factor of the differences from the mean around a pixel.

It brings them to about 1, where hundreds of steps are enough to learn from them.
"""


class Projection(nn.Module):
    """One back-projection unit: project, go back, and add the projection of the error.

    See Haris et al., CVPR 2018. The maps at high resolution are kept folded into channels
    (sub-pixel convolution, Shi et al., CVPR 2016), so that every convolution works at low
    resolution. This makes a training of one second possible on one core.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.there, self.back, self.again = (
            nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3)
        )

    def forward(self, maps: Tensor) -> Tensor:
        projected = functional.relu(self.there(maps))
        error = functional.relu(self.back(projected)) - maps
        corrected: Tensor = projected + functional.relu(self.again(error))
        return corrected


class BackProjection(nn.Module):
    """Grey images of shape (batch, 1, height, width), 0 to 1, enlarged 4 times.

    Features, one projection unit, and the convolution that turns its maps into pixels: five
    convolutions in all. Their output is added to the bicubic enlargement.
    """

    def __init__(self, channels: int = CHANNELS) -> None:
        super().__init__()
        self.features = nn.Conv2d(1, channels, 3, padding=1)
        self.up = Projection(channels)
        self.pixels = nn.Conv2d(channels, SCALE * SCALE, 3, padding=1)
        for part in self.modules():
            if isinstance(part, nn.Conv2d) and part.bias is not None:
                nn.init.kaiming_normal_(part.weight)
                nn.init.zeros_(part.bias)
        nn.init.zeros_(self.pixels.weight)  # it begins as the bicubic enlargement

    def forward(self, small: Tensor) -> Tensor:
        detail = GAIN * (
            small - functional.avg_pool2d(small, 5, stride=1, padding=2, count_include_pad=False)
        )
        maps = self.up(functional.relu(self.features(detail)))
        return enlarged(small) + functional.pixel_shuffle(self.pixels(maps), SCALE)


def enlarged(small: Tensor) -> Tensor:
    """The bicubic enlargement."""
    return functional.interpolate(small, scale_factor=SCALE, mode="bicubic", align_corners=False)


def shrunk(large: Tensor) -> Tensor:
    """The bicubic reduction, with the filter against aliasing: how the small images are made."""
    return functional.interpolate(
        large, scale_factor=1 / SCALE, mode="bicubic", align_corners=False, antialias=True
    )
