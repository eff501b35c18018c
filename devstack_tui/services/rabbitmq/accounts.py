"""Who may do what in RabbitMQ: one account, for applications, in a virtual host of its own.

Nobody administrates it by a password: we are the owner of the node's cookie.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets

from devstack_tui.contracts.model import Target

DEFINITIONS = "definitions.json"
"""What the node has to have at every start. With such a file it never makes a user of its own."""
HASHING = "rabbit_password_hashing_sha256"
_SALT = 4


def definitions(target: Target) -> str:
    """The virtual host, the account and its rights, as RabbitMQ imports them."""
    who = target.credentials
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    return json.dumps(
        {
            "vhosts": [{"name": who.database}],
            "users": [
                {
                    "name": who.user,
                    "password_hash": hashed(who.password, secrets.token_bytes(_SALT)),
                    "hashing_algorithm": HASHING,
                    "tags": "",
                }
            ],
            "permissions": [{"user": who.user, "vhost": who.database, **everything}],
        },
        indent=2,
    )


def hashed(password: str, salt: bytes) -> str:
    """A password as RabbitMQ keeps it: the salt, and SHA-256 of both."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
