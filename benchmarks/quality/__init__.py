"""Search quality: dsice and other optimisers on tables of real trainings.

See `python -m benchmarks.quality.run --help`.
"""
