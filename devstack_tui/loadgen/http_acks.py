"""One keep-alive HTTPS connection for acknowledged writes: nothing is retried behind our back."""

from __future__ import annotations

import http.client
from collections.abc import Mapping

from devstack_tui.contracts.acks import Indeterminate, NotWritten, kind_of
from devstack_tui.contracts.model import Target
from devstack_tui.core.tls import client_context


class HttpsSession:
    """A verified connection to `port` of the target, opened here.

    `timeout` (seconds) covers connecting and each wait for an answer. Raises `NotWritten` when
    nobody is there.
    """

    def __init__(
        self,
        target: Target,
        port: int,
        timeout: float,
        headers: Mapping[str, str],
    ) -> None:
        self._headers = dict(headers)
        self._connection = http.client.HTTPSConnection(
            target.endpoint.host,
            port,
            timeout=timeout,
            context=client_context(target.ca, target.name),
        )
        try:
            self._connection.connect()
        except OSError as error:
            self._connection.close()
            raise NotWritten(kind_of(error)) from None

    def put(self, path: str, body: bytes) -> int:
        """The status of the answer. Raises `Indeterminate` when there is none."""
        if self._connection.sock is None:
            # The last answer ended the connection: the library would open another by itself.
            raise NotWritten("closed")
        try:
            self._connection.request("PUT", path, body, self._headers)
            answer = self._connection.getresponse()
            answer.read()
        except http.client.IncompleteRead:
            raise Indeterminate("reset") from None  # it broke in the middle of the answer
        except (OSError, http.client.HTTPException) as error:
            raise Indeterminate(kind_of(error)) from None
        return answer.status

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
