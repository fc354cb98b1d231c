"""Measurements of dsice beside other programs; not part of the package that is installed."""
