"""Drills: break a part of the stack on purpose, measure what that costs, and heal it."""
