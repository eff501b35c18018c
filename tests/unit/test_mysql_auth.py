"""MySQL's checks of suite `auth`: what is decided of what the server keeps, without a server."""

from __future__ import annotations

import random

import pytest

from devstack_tui.core.errors import DevstackError
from devstack_tui.services.mysql.audit.facts import NATIVE, account, everything

HASH = "*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19"


@pytest.mark.parametrize(
    ("text", "locked", "methods"),
    [
        (f'{{"plugin":"{NATIVE}","authentication_string":"{HASH}"}}', False, [(NATIVE, HASH)]),
        ('{"access":0}', False, [(NATIVE, "")]),
        ('{"account_locked":true,"authentication_string":""}', True, [(NATIVE, "")]),
        (
            f'{{"plugin":"{NATIVE}","authentication_string":"{HASH}",'
            '"auth_or":[{},{"plugin":"unix_socket"}]}',
            False,
            [(NATIVE, HASH), ("unix_socket", "")],
        ),
    ],
)
def test_an_account_of_mariadb_is_read_with_all_that_lets_it_in(
    text: str, locked: bool, methods: list[tuple[str, str]]
) -> None:
    found = account("bob", "localhost", text)
    assert (found.locked, list(found.methods)) == (locked, methods)
    assert HASH not in repr(found)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"auth_or":5}', '{"auth_or":[1]}', "\ud800"])
def test_what_is_no_account_is_reported_as_that(text: str) -> None:
    with pytest.raises(DevstackError, match="is no account"):
        account("bob", "localhost", text)


def test_any_bytes_are_an_account_or_a_fault() -> None:
    chance = random.Random(7)
    words = [b"{", b"}", b'"auth_or":', b'"plugin":', b"[", b"]", b",", b'"x"', b"1", b"\xff"]
    for _ in range(20_000):
        raw = b"".join(chance.choices(words, k=chance.randrange(9)))
        try:
            account("bob", "localhost", raw)
        except DevstackError:
            continue


@pytest.mark.parametrize(
    ("pattern", "wide"),
    [("devstack", False), ("my_shop", False), ("%", True), ("test\\_%", True), ("a\\%b", False)],
)
def test_a_right_to_a_pattern_is_one_to_more_than_one_database(pattern: str, wide: bool) -> None:
    assert everything(pattern) is wide
