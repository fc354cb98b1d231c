"""What the measurements say of the parameters: main effects with bands, and which of them matter."""

from dsice.insight.frames import effects, importance

__all__ = ["effects", "importance"]
