"""dsice beside the strategies of Kernel Tuner, in its simulation mode."""
