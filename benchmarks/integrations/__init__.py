"""What dsice costs and finds inside other tools."""
