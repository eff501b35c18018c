"""devstack-tui: one keyboard-driven console for a real local data stack."""

__version__ = "0.1.0"
