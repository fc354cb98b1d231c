"""Measurements of dsice beside other programs; not part of the installed package."""
