"""What a long journal costs."""
