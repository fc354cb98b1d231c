"""Search quality: dsice and other optimisers on tables of real trainings. `python -m benchmarks.quality.run --help`."""
