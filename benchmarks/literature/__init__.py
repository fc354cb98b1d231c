"""Published experiments of the surrounding literature in small: same shape, real training, the paper's figure beside ours.

One package each, one command each: ``python -m benchmarks.literature.NAME [--quick]``. Results are
kept in its ``results``.
"""
