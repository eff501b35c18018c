"""One probe, made safe: whatever a driver raises becomes one sentence without secrets."""

from __future__ import annotations

from devstack_tui.contracts.model import Observation, Target
from devstack_tui.contracts.service import Service
from devstack_tui.core.errors import DevstackError, UnreachableError
from devstack_tui.core.redact import redact


def probe_once(service: Service, target: Target, timeout: float) -> Observation:
    """Do the service's work once. Raises `UnreachableError` alone, with the reason."""
    try:
        return service.probe()(target, timeout)
    except DevstackError as error:
        raise UnreachableError(error.message, error.remedy) from None
    except Exception as error:
        raise UnreachableError(_reason(error, target)) from None


def _reason(error: Exception, target: Target) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return redact(text, frozenset([target.credentials.password]))[:300]
