"""What PostgreSQL reports of its accounts, rules and rights: asked once an audit, by our own
account, in every database."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from devstack_tui.contracts.audit import Audit
from devstack_tui.contracts.model import Target
from devstack_tui.core.errors import DevstackError
from devstack_tui.identity.account_checks import declared
from devstack_tui.loadgen.bounded_socket import guarded, translated
from devstack_tui.services.postgres.accounts import MAINTENANCE, refused
from devstack_tui.services.postgres.client import connect

if TYPE_CHECKING:
    import psycopg

_MOST_DATABASES = 50
_ATTRIBUTES = ("superuser", "createrole", "createdb", "replication", "bypassrls")
_ROLES = """
SELECT rolname, rolcanlogin, rolpassword, rolsuper, rolcreaterole, rolcreatedb, rolreplication,
       rolbypassrls
FROM pg_authid WHERE rolname !~ '^pg_' ORDER BY rolname
"""
_MEMBERS = """
SELECT pg_get_userbyid(member), pg_get_userbyid(roleid) FROM pg_auth_members
WHERE pg_get_userbyid(member) !~ '^pg_'
"""
_RULES = """
SELECT line_number, type, database, user_name, address, netmask, auth_method, error
FROM pg_hba_file_rules ORDER BY line_number
"""
_MAPS = "SELECT line_number, map_name, sys_name, pg_username, error FROM pg_ident_file_mappings"
_SETTINGS = "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)"
# An account's or a database's own, and what stands in the files: of a command that is not run now
# the server shows no more than that.
_OVERRIDES = """
SELECT unnest(setconfig) FROM pg_db_role_setting
UNION ALL SELECT name || '=' || setting FROM pg_file_settings WHERE setting IS NOT NULL
"""
_PARAMETERS = """
SELECT format('%%s to %%s on %%s', privilege_type,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END, parname)
FROM pg_parameter_acl, aclexplode(paracl) WHERE pg_get_userbyid(grantee) IS DISTINCT FROM %s
"""
_DATABASES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname"
_PUBLIC_DATABASES = """
SELECT 'database ' || quote_ident(datname) FROM pg_database, aclexplode(datacl)
WHERE grantee = 0 AND privilege_type = 'CREATE'
"""
# PostgreSQL before 15 comes so; an old cluster that a new server runs is one of the new.
_PUBLIC_SCHEMAS = """
SELECT 'schema ' || nspname FROM pg_namespace, aclexplode(nspacl)
WHERE grantee = 0 AND privilege_type = 'CREATE'
  AND (nspname <> 'public' OR current_setting('server_version_num')::int >= 150000)
"""
# initdb records what it grants, but for information_schema, which everybody may read.
_GRANTS = """
WITH now (class, object, part, space, what, acl) AS (
  SELECT 'pg_proc'::regclass, oid, 0, pronamespace, 'function ' || proname, proacl FROM pg_proc
  UNION ALL SELECT 'pg_class', oid, 0, relnamespace, 'relation ' || relname, relacl FROM pg_class
  UNION ALL SELECT 'pg_class', attrelid, attnum, relnamespace,
    format('column %s of %s', attname, relname), attacl
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
  UNION ALL SELECT 'pg_language', oid, 0, 0, 'language ' || lanname, lanacl FROM pg_language
  UNION ALL SELECT 'pg_namespace', oid, 0, oid, 'schema ' || nspname, nspacl FROM pg_namespace
    WHERE nspname <> 'public'
)
SELECT format('%s on %s to %s', privilege_type, what,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END)
FROM now LEFT JOIN pg_init_privs ON classoid = class AND objoid = object AND objsubid = part,
     aclexplode(acl) AS found
WHERE object < 16384 AND grantee <> 10 AND NOT EXISTS
  (SELECT FROM aclexplode(initprivs) AS first
   WHERE first.grantee = found.grantee AND first.privilege_type = found.privilege_type)
  AND NOT (space = 'information_schema'::regnamespace AND grantee = 0
           AND privilege_type IN ('SELECT', 'USAGE'))
"""
_CODE = """
SELECT 'language ' || lanname FROM pg_language
WHERE NOT lanpltrusted AND lanname NOT IN ('internal', 'c')
UNION ALL SELECT 'extension ' || extname FROM pg_extension WHERE extname = ANY(%s)
UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger
UNION ALL SELECT 'subscription ' || subname FROM pg_subscription
  WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL SELECT format('function %%s runs as %%s', p.oid::regprocedure, rolname)
  FROM pg_proc p JOIN pg_roles r ON r.oid = proowner
  WHERE prosecdef AND rolsuper AND p.oid >= 16384
UNION ALL SELECT format('function %%s is in %%s', p.oid::regprocedure, lanname)
  FROM pg_proc p JOIN pg_language l ON l.oid = prolang
  WHERE lanname IN ('c', 'internal') AND p.oid >= 16384 AND NOT EXISTS
    (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')
"""


@dataclass(frozen=True, slots=True)
class Account:
    """One role. `verifier` is its hash as the server keeps it; it is never evidence."""

    name: str
    login: bool
    verifier: str = field(repr=False)
    attributes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of pg_hba.conf as the server reads it."""

    line: int
    type: str
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str
    netmask: str
    method: str
    error: str

    def __str__(self) -> str:
        words = (self.type, ",".join(self.databases), ",".join(self.users), self.address)
        return f"line {self.line}: {' '.join(filter(None, (*words, self.method)))}"


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. Of what every database has its own, the database stands before it."""

    accounts: tuple[Account, ...]
    members: tuple[tuple[str, str], ...]
    rules: tuple[Rule, ...]
    maps: tuple[str, ...]
    settings: dict[str, str]
    parameters: tuple[str, ...]
    public: tuple[str, ...]
    grants: tuple[str, ...]
    code: tuple[str, ...]
    databases: tuple[str, ...]


class AdminRefusedError(DevstackError):
    """The server does not take the administrator's password that Vault has."""


def facts(audit: Audit) -> Facts:
    """What the server reports. Raises `DevstackError` and `OSError`."""
    return cast(Facts, audit.once("postgres.accounts", lambda: _ask(audit)))


def _ask(audit: Audit) -> Facts:
    import psycopg

    target = audit.target("postgres")
    try:
        return _asked(target.as_admin(), audit.timeout)
    except (psycopg.Error, OSError) as error:
        if refused(error):
            raise AdminRefusedError(
                f"it does not let {target.admin.user} in with the password that Vault has"
            ) from None
        raise translated(error) from None


def _asked(admin: Target, timeout: float) -> Facts:
    with (
        connect(admin, timeout, MAINTENANCE) as session,
        guarded(session.fileno(), timeout),
    ):
        major = session.info.server_version // 10000
        accounts = tuple(_account(row) for row in session.execute(_ROLES).fetchall())
        members = [(str(a), str(b)) for a, b in session.execute(_MEMBERS).fetchall()]
        rules = tuple(_rule(row) for row in session.execute(_RULES).fetchall())
        maps = session.execute(_MAPS).fetchall() if major >= 15 else []
        names = list(declared("postgres")["settings"])
        rows = session.execute(_SETTINGS, (names,)).fetchall()
        overrides = _texts(session, _OVERRIDES)
        values = (admin.credentials.user,)
        parameters = _texts(session, _PARAMETERS, values) if major >= 15 else []
        databases = _texts(session, _DATABASES)[:_MOST_DATABASES]
        public = _texts(session, _PUBLIC_DATABASES)
    grants: list[str] = []
    code: list[str] = []
    for name in databases:
        with connect(admin, timeout, name) as session, guarded(session.fileno(), timeout):
            public += _in(name, _texts(session, _PUBLIC_SCHEMAS))
            grants += _in(name, _texts(session, _GRANTS))
            known = (list(declared("postgres")["code"]["extensions"]),)
            code += _in(name, _texts(session, _CODE, known))
    return Facts(
        accounts=accounts,
        members=tuple(members),
        rules=rules,
        maps=tuple(f"line {row[0]}: {' '.join(str(one) for one in row[1:4])}" for row in maps),
        settings=_with_overrides({str(a): str(b) for a, b in rows}, overrides),
        parameters=tuple(parameters),
        public=tuple(public),
        grants=tuple(grants),
        code=tuple(code),
        databases=tuple(databases),
    )


def _texts(
    session: psycopg.Connection[Any], query: str, values: Sequence[object] = ()
) -> list[str]:
    return [str(row[0]) for row in session.execute(query.encode(), values or None).fetchall()]


def _in(database: str, found: Iterable[str]) -> list[str]:
    return [f"{database}: {one}" for one in found]


def _account(row: Sequence[Any]) -> Account:
    name, login, verifier, *rights = row
    has = frozenset(word for word, on in zip(_ATTRIBUTES, rights, strict=True) if on)
    return Account(str(name), bool(login), str(verifier or ""), has)


def _rule(row: Sequence[Any]) -> Rule:
    line, kind, databases, users, address, netmask, method, error = row
    return Rule(
        int(line or 0),
        str(kind or ""),
        tuple(map(str, databases or ())),
        tuple(map(str, users or ())),
        str(address or ""),
        str(netmask or ""),
        str(method or ""),
        str(error or ""),
    )


def _with_overrides(values: dict[str, str], overrides: Iterable[str]) -> dict[str, str]:
    """The settings, or what a role's, a database's or a file's own setting makes of one."""
    for text in overrides:
        name, _, value = text.partition("=")
        if name in values and value != values[name]:
            values[name] = f"{value} (by ALTER ROLE, DATABASE or SYSTEM)"
    return values


def guessed(account: Account, guesses: Iterable[str]) -> str | None:
    """The guess that is the account's password, by its hash; None: none of them."""
    kind, _, rest = account.verifier.partition("$")
    if account.verifier.startswith("md5"):
        return next((g for g in guesses if _md5(g, account.name) == account.verifier), None)
    try:
        if kind != "SCRAM-SHA-256":
            return None
        salted, _, keys = rest.partition("$")
        rounds, _, salt = salted.partition(":")
        stored, count = b64decode(keys.partition(":")[0]), int(rounds)
        return next((g for g in guesses if _stored_key(g, b64decode(salt), count) == stored), None)
    except ValueError:
        return None


def _stored_key(password: str, salt: bytes, rounds: int) -> bytes:
    """RFC 5802's StoredKey."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, min(rounds, 100_000))
    return hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()


def _md5(password: str, name: str) -> str:
    return "md5" + hashlib.md5(f"{password}{name}".encode()).hexdigest()  # noqa: S324 - the server's
