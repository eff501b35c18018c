"""Reload of a running mongod's certificate."""

from __future__ import annotations

from devstack_tui.contracts.model import Target
from devstack_tui.contracts.service_files import CERT, KEY, ServiceFiles
from devstack_tui.contracts.unit_control import UnitControl
from devstack_tui.core.errors import DevstackError
from devstack_tui.services.mongodb.client import connect

TIMEOUT_S = 5.0
_UNKNOWN = 59
"""CommandNotFound, by mongod before 5.0."""


def join_certificate(files: ServiceFiles) -> str:
    """Write certificate and key in one file, as mongod wants them. Returns its path."""
    both = files.read(CERT).decode().rstrip() + "\n" + files.read(KEY).decode()
    return files.write("server.pem", both)


def reload(target: Target, files: ServiceFiles, units: UnitControl) -> bool:  # noqa: ARG001
    """`rotateCertificates`, which leaves connections alone; mongod keeps what it had where it
    cannot use the file.

    Without TLS: the certificate that is served now may be the very thing that is wrong.
    """
    import pymongo.errors

    join_certificate(files)
    try:
        with connect(target.as_admin(), TIMEOUT_S, tls=False) as client:
            client.admin.command("rotateCertificates", 1)
    except pymongo.errors.PyMongoError as error:
        if isinstance(error, pymongo.errors.OperationFailure) and error.code == _UNKNOWN:
            return False
        reason = str(error).partition(", full error")[0]
        raise DevstackError(f"it does not take the certificate: {reason}") from None
    return True
