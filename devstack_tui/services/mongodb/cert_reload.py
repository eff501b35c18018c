"""How a running mongod takes another certificate."""

from __future__ import annotations

from collections.abc import Callable

from devstack_tui.contracts.model import Target, Tls
from devstack_tui.core import files
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.mongodb.client import connect

TIMEOUT_S = 5.0
_UNKNOWN = 59
"""CommandNotFound: mongod before 5.0."""


def reload(target: Target, tls: Tls, reload_unit: Callable[[str], None]) -> bool:  # noqa: ARG001
    """`rotateCertificates`, which leaves connections alone; mongod keeps what it had where it
    cannot use the file.

    Without TLS: the certificate that is served now may be the very thing that is wrong.
    """
    import pymongo.errors

    folder = tls.cert.parent.parent
    about = folder.stat()
    both = tls.cert.read_text().rstrip() + "\n" + tls.key.read_text()
    files.write_private(folder / "server.pem", both, owner=(about.st_uid, about.st_gid))
    try:
        with connect(target, TIMEOUT_S, tls=False) as client:
            client.admin.command("rotateCertificates", 1)
    except pymongo.errors.PyMongoError as error:
        if isinstance(error, pymongo.errors.OperationFailure) and error.code == _UNKNOWN:
            return False
        told = str(error).partition(", full error")[0]
        raise DevstackError(f"it does not take the certificate: {told}") from None
    return True
