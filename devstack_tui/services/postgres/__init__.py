"""PostgreSQL."""

import shlex
from pathlib import Path

from devstack_tui.contracts.model import Credentials, Endpoint, ServiceSettings, own_name
from devstack_tui.contracts.service import Service
from devstack_tui.core.programs import Hint


class Settings(ServiceSettings, frozen=True, kw_only=True):
    """`[services.postgres]`: port `main`, which answers TLS and plain."""


def connect(endpoint: Endpoint, credentials: Credentials, ca: Path) -> str:
    """The psql command; it asks for the password."""
    # In the string for libpq quotes are needed, within those of the shell; a path has none in it.
    root = f"'{ca}'" if " " in str(ca) else ca
    text = (
        f"host={own_name('postgres')} hostaddr={endpoint.host} port={endpoint.port} "
        f"user={credentials.user} dbname={credentials.database} "
        f"sslmode=verify-full sslrootcert={root}"
    )
    return f"psql {shlex.quote(text)}" if set("$`'") & set(text) else f'psql "{text}"'


SERVICE = Service(
    name="postgres",
    title="PostgreSQL",
    scheme="postgresql",
    settings=Settings,
    hint=Hint(apt=("postgresql",)),
    account="postgres",
    credentials=Credentials(user="devstack", database="devstack"),
    admin=Credentials(user="devstack_admin", database="postgres"),
    connect=connect,
)
