"""dsice."""
