"""Published experiments of the surrounding literature, repeated on a small scale.

Each has the shape of the published experiment and real trainings; the paper's figure stands beside
ours. Each is a package of its own with one command,
``python -m benchmarks.literature.NAME [--quick]``, and keeps its results in its folder ``results``.
"""
