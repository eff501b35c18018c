"""Tuning: change parameters, prove what it brings, keep it or take it back."""
