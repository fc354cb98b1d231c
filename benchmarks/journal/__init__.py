"""Measurements of long journals."""
