"""The whole stack, for whoever asks for `live`."""

from tests.stack.conftest import live, state_home

__all__ = ["live", "state_home"]
