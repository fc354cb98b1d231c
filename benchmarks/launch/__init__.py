"""How launchers perform: latency, overhead, cancelling, killed workers."""
