"""Do clients get their work done over TLS, do they verify it, and does plain stay as declared?"""

from __future__ import annotations

from devstack_tui.contracts.audit import Finding, PlainRefused, Untrusted, as_declared
from devstack_tui.core.check import Status
from devstack_tui.core.errors import DevstackError
from devstack_tui.security.tls.listener_audit import ListenerView, NotObservableError

# X509_V_ERR_…: the issuer is missing, not trusted, or the certificate itself; the name or the
# address is another.
_NO_ISSUER = frozenset({2, 18, 19, 20, 21})
_OTHER_NAME = frozenset({62, 64})


def plain(view: ListenerView) -> Finding:
    """What a client without TLS gets, against what is declared."""
    listener = view.listener
    try:
        seen = view.work(False)
    except PlainRefused as error:
        if listener.dual:
            return Finding(
                Status.FAIL, f"declared to answer in plain, and does not: {error.message}"
            )
        view.certificates()  # refusing everybody is no virtue
        return Finding(Status.PASS, f"refused: {error.message}")
    if not listener.dual:
        return Finding(Status.FAIL, f"declared to speak TLS alone, but {seen}")
    return as_declared(f"{seen}, as declared: passwords and data cross loopback in clear")


def query(view: ListenerView) -> Finding:
    """Real work over verified TLS."""
    return Finding(Status.PASS, view.work(True))


def both(view: ListenerView) -> Finding:
    """Real work over TLS, and what plain answers to one who has not logged in."""
    return Finding(Status.PASS, f"{view.work(True)}; {view.work(False)}")


def wrong_ca(view: ListenerView) -> Finding:
    """A client that trusts another root turns the server down."""
    return _turned_down(view, "a root that signed nothing here", _NO_ISSUER, ca=True)


def wrong_host(view: ListenerView) -> Finding:
    """A client that went to another name turns the server down."""
    return _turned_down(view, "a name that is not in the certificate", _OTHER_NAME, host=True)


def _turned_down(
    view: ListenerView, what: str, codes: frozenset[int], ca: bool = False, host: bool = False
) -> Finding:
    try:
        seen = view.refused_work(ca, host)
    except Untrusted as error:
        # libpq keeps the code to itself.
        if error.code and error.code not in codes:
            raise NotObservableError(
                f"with {what} it was refused for another reason: {error.reason}"
            ) from None
        refusal = error.reason
    else:
        return Finding(Status.FAIL, f"with {what}: {seen}")
    try:
        control = view.work(True)
    except (DevstackError, OSError):
        raise NotObservableError("with the right root and name it does not work either") from None
    return Finding(Status.PASS, f"with {what}: {refusal}; control: {control}")
