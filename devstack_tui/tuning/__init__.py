"""Tuning: change parameters, prove what it brings, keep it or undo it."""
