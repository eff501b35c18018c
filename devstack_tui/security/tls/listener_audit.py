"""One listener as one audit sees it: each handshake is made once, and every check looks at it."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Callable
from typing import TypeVar, cast

import msgspec

from devstack_tui.contracts import registry
from devstack_tui.contracts.audit import (
    Audit,
    Finding,
    Listener,
    PlainRefused,
    ProtocolFault,
    TlsPart,
    Untrusted,
)
from devstack_tui.contracts.service_files import CERT, KEY
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.security.tls import facts, handshake, probe, session, untrusted_ca
from devstack_tui.security.tls.ciphers import STRONG, TLS13
from devstack_tui.security.tls.client_hello import TLS1_2, TLS1_3, Offer
from devstack_tui.security.tls.facts import Facts
from devstack_tui.security.tls.handshake import Session
from devstack_tui.security.tls.probe import Answer
from devstack_tui.security.tls.session import Seen

_T = TypeVar("_T")
MODERN = Offer(TLS1_2, STRONG, deflate=True)
NEWEST = Offer(TLS1_3, TLS13)


class NotObservableError(DevstackError):
    """What a check would look at cannot be seen: it decides nothing."""


class ListenerView:
    """Handshakes with one listener, shared through the audit. They raise as their makers do."""

    def __init__(self, audit: Audit, listener: Listener) -> None:
        self.audit = audit
        self.listener = listener

    def session(self) -> Session:
        """The handshake that accepts anything."""
        return self._once(
            "look", lambda: handshake.look(self.listener, self.audit.timeout, self._identity())
        )

    def verified(self, name: str) -> Session:
        """The handshake of a careful client, which expects the server to be `name` (empty: any)."""
        return self._once(
            f"verify:{name}",
            lambda: handshake.verify(
                self.listener, self.audit.ca, name, self.audit.timeout, self._identity()
            ),
        )

    def certificates(self) -> tuple[Facts, ...]:
        """The chain that the server sends, leaf first. Raises `NotObservableError` without one."""
        try:
            sent = self.session().chain
        except (DevstackError, ConnectionRefusedError) as error:
            raise NotObservableError(
                f"no certificate was seen: {_words(error, self.listener)}"
            ) from None
        if not sent:
            raise NotObservableError("the server sent no certificate")
        return self._once("facts", lambda: tuple(facts.read(der) for der in sent))

    def leaf(self) -> Facts:
        """The server's own certificate."""
        return self.certificates()[0]

    def answer(self, wanted: Offer) -> Answer:
        """What the server decides about an offer."""
        return self._once(
            f"offer:{wanted!r}", lambda: probe.ask(self.listener, wanted, self.audit.timeout)
        )

    def control(self) -> Answer:
        """A good offer that was accepted: without one, a refusal says nothing about what was
        refused. Raises `NotObservableError`."""
        reasons = []
        for good in (MODERN, NEWEST):
            try:
                found = self.answer(good)
            except (DevstackError, ConnectionRefusedError) as error:
                raise NotObservableError(
                    f"no TLS to compare with: {_words(error, self.listener)}"
                ) from None
            if found.accepted:
                return found
            reasons.append(f"{good}: {found}")
        raise NotObservableError(f"good offers are refused as well ({', '.join(reasons)})")

    def second(self) -> Seen:
        """What comes of a client of TLS 1.2 that asks for another handshake. Raises
        `NotObservableError` where there is no first one: why is another check's."""
        try:
            return self._once(
                "second", lambda: session.ask(self.listener, self.audit.timeout, self._identity())
            )
        except ProtocolFault as error:
            raise NotObservableError(f"no handshake in TLS 1.2: {error.message}") from None

    def work(self, tls: bool) -> str:
        """Real work, over verified TLS or in plain."""
        return self._once(f"work:{tls}", lambda: self._query(self.listener, tls))

    def refused_work(self, ca: bool = False, host: bool = False) -> str:
        """Real work over TLS by a client that trusts another root, or wants another service."""
        self._root()
        target = self.audit.target(self.listener.service)
        if ca:
            target = msgspec.structs.replace(target, ca=untrusted_ca.authority().path)
        if host:
            target = msgspec.structs.replace(target, service=untrusted_ca.SERVICE)
        return self._part().query(target, self.listener, True, self.audit.timeout)

    def _root(self) -> None:
        """Raises `DevstackError` where our own file of whom to trust cannot be used, which says
        nothing of the server."""
        handshake.trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self.audit.ca)

    def _query(self, listener: Listener, tls: bool) -> str:
        if tls:
            self._root()
        target = self.audit.target(listener.service)
        return self._part().query(target, listener, tls, self.audit.timeout)

    def _part(self) -> TlsPart:
        part = registry.service(self.listener.service).tls()
        if part is None:
            raise AssertionError(self.listener.service)
        return part

    def _identity(self) -> handshake.Identity | None:
        if not self.listener.mutual:
            return None
        files = self.audit.files(self.listener.service)
        return files.read(CERT), files.read(KEY)

    def _once(self, what: str, make: Callable[[], _T]) -> _T:
        return cast(_T, self.audit.once(f"tls:{self.listener.name}:{what}", make))


def decide(view: ListenerView, body: Callable[[ListenerView], Finding]) -> Finding:
    """What `body` finds, or what kept it from finding: a server that does it wrong is a FAIL, one
    that does not answer an ERROR."""
    try:
        return body(view)
    except NotObservableError as error:
        return Finding(Status.INCONCLUSIVE, error.message)
    except (Untrusted, PlainRefused, ProtocolFault, ConnectionRefusedError) as error:
        return Finding(Status.FAIL, _words(error, view.listener))
    except (DevstackError, OSError) as error:
        return Finding(Status.ERROR, _words(error, view.listener), getattr(error, "remedy", ""))


_WORST = (
    Status.FAIL,
    Status.ERROR,
    Status.INCONCLUSIVE,
    Status.WARN,
    Status.SKIPPED,
    Status.PASS,
)


def together(findings: dict[str, Finding]) -> Finding:
    """Several findings as one: as bad as the worst, whose evidence comes first."""
    ordered = sorted(findings.items(), key=lambda one: _WORST.index(one[1].status))
    worst = ordered[0][1].status
    bad = [one for one in ordered if one[1].status is worst and worst is not Status.PASS]
    shown = bad or ordered
    evidence = "; ".join(f"{name}: {finding.evidence}" for name, finding in shown)
    counts = Counter(str(finding.status) for _, finding in ordered[len(shown) :])
    others = ", ".join(f"{count} {status}" for status, count in counts.items())
    evidence = f"{evidence}; the others: {others}" if others else evidence
    declared = all(finding.declared for _, finding in shown)
    return Finding(worst, evidence, shown[0][1].remedy, declared)


def _words(error: Exception, listener: Listener) -> str:
    where = f"{listener.host}:{listener.port}"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {where}"
    if isinstance(error, TimeoutError):
        return f"{where} gave no answer in time"
    if isinstance(error, DevstackError):
        return error.message
    return f"{where}: {getattr(error, 'strerror', None) or type(error).__name__}"
