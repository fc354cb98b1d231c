"""dsice inside other tools, each an extra of its own: imported where it is used, never by dsice."""
