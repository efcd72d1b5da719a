"""Limits and recommended ranges of every number in the settings table."""
