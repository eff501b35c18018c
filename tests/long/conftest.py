"""The whole stack, for whoever asks for `live`, and one of its own, for `fresh`."""

from tests.stack.conftest import fresh, live, state_home

__all__ = ["fresh", "live", "state_home"]
