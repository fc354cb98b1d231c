"""What a log of a related task is worth (`python -m benchmarks.reuse.run`)."""
