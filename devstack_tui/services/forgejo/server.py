"""Forgejo, as every engine configures it: SQLite, HTTP on loopback, no SSH, no outside request.

There is no administrator: its command line takes the password of one in argv only, where every
user of the machine can read it. `forgejo admin user create --admin --random-password` by hand
makes one.
"""

from __future__ import annotations

import base64
import json
import secrets

from devstack_tui.contracts.model import Installation, ServiceSettings
from devstack_tui.contracts.server_home import HOST, ServerHome
from devstack_tui.contracts.service import Server
from devstack_tui.services.forgejo.client import connect

CONFIG = """\
; Written by devstack-tui at every start: a change here is lost.
APP_NAME = devstack-tui
RUN_MODE = prod
WORK_PATH = {work}
[server]
PROTOCOL = http
DOMAIN = localhost
HTTP_ADDR = {host}
HTTP_PORT = {port}
ROOT_URL = http://{host}:{port}/
DISABLE_SSH = true
OFFLINE_MODE = true
LFS_JWT_SECRET = {lfs_jwt_secret}
[database]
DB_TYPE = sqlite3
PATH = {work}/forgejo.db
[repository]
ROOT = {work}/repositories
[security]
INSTALL_LOCK = true
SECRET_KEY = {secret_key}
INTERNAL_TOKEN = {internal_token}
[oauth2]
JWT_SECRET = {jwt_secret}
[service]
DISABLE_REGISTRATION = true
[picture]
DISABLE_GRAVATAR = true
[cron.update_checker]
ENABLED = false
[log]
MODE = console
LEVEL = Info
"""
KEYS = "keys.json"


class ForgejoServer:
    """See `devstack_tui.contracts.service.Server`."""

    def claims(self, settings: ServiceSettings) -> dict[str, int]:
        """The one port."""
        return {"main": settings.ports["main"]}

    def prepare(self, home: ServerHome, installation: Installation) -> None:  # noqa: ARG002
        """Its keys once; the configuration at every start."""
        work = home.files.directory("work")
        port = home.port("main")
        home.files.write("app.ini", CONFIG.format(work=work, host=HOST, port=port, **_keys(home)))

    def complete(self, home: ServerHome, installation: Installation) -> None:
        """Wait until it is healthy."""

        def healthy() -> bool:
            with connect(home.target, 2) as client:
                return client.get("/api/healthz").status == 200

        home.wait_for(f"{installation.flavour} to be healthy", healthy, timeout=90)


def _keys(home: ServerHome) -> dict[str, str]:
    """The keys that its data is sealed with: made once, kept 0600."""
    if home.files.stat(KEYS) is None:
        made = {name: _key() for name in ("lfs_jwt_secret", "jwt_secret")}
        made |= {name: secrets.token_urlsafe(48) for name in ("secret_key", "internal_token")}
        home.files.write(KEYS, json.dumps(made))
    found: dict[str, str] = json.loads(home.files.read(KEYS))
    return found


def _key() -> str:
    """32 bytes as Forgejo wants them: base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()


SERVER: Server = ForgejoServer()
