"""What is shown, logged or exported holds no secret, and ordinary text stays as it is."""

from __future__ import annotations

import pytest

from devstack_tui.core.redact import MASK, redact

CANARY = "Zq8xKp2vW7mN4tRy"
TOKEN = "CAESIJ9xKp2vW7mN4tRyZq8xKp2vW7m"
PEM = f"""-----BEGIN {{kind}}PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqG{CANARY}
AwEHBG0wawIBAQQg
-----END {{kind}}PRIVATE KEY-----"""


@pytest.mark.parametrize(
    "text",
    [
        f"password={CANARY}",
        f"password: {CANARY}",
        f"Password = '{CANARY}'",
        f'{{"user": "devstack", "password": "{CANARY}"}}',
        f"{{'password': '{CANARY}'}}",
        f'{{"password":"{CANARY}"}}',
        f"passwd={CANARY}",
        f"pwd={CANARY}&user=x",
        f"secret_id={CANARY}",
        f"secret-id: {CANARY}",
        f'"secretId": "{CANARY}"',
        f"secret={CANARY}",
        f"token={CANARY}",
        f"unseal_key={CANARY}",
        f"requirepass={CANARY}",
    ],
)
def test_the_value_of_a_key_that_names_a_secret_is_masked(text: str) -> None:
    shown = redact(text)
    assert CANARY not in shown
    assert MASK in shown


@pytest.mark.parametrize(
    "text",
    [
        f"PGPASSWORD={CANARY} psql",
        f"MYSQL_PWD={CANARY}",
        f"VAULT_TOKEN={CANARY}",
        f"RABBITMQ_DEFAULT_PASS_PASSWORD={CANARY}",
        f'"client_token": "{CANARY}"',
        f'"root_token":"{CANARY}"',
        f"db_password = {CANARY}",
    ],
)
def test_a_secret_is_masked_also_where_its_key_has_a_prefix(text: str) -> None:
    assert CANARY not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        f"requirepass {CANARY}",
        f"masterauth {CANARY}",
        f"CONFIG SET requirepass {CANARY}",
        f"ALTER ROLE devstack PASSWORD '{CANARY}'",
        f"ALTER USER devstack IDENTIFIED BY '{CANARY}'",
        f"Authorization: Bearer {CANARY}",
    ],
)
def test_a_secret_is_masked_in_the_words_of_the_servers(text: str) -> None:
    assert CANARY not in redact(text)


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("mark", [" ", ",", ";", "&", "}"])
def test_a_quoted_secret_is_masked_to_its_closing_quote(mark: str, quote: str) -> None:
    shown = redact(f"password={quote}abc{mark}{CANARY}{quote}, next=1")
    assert CANARY not in shown
    assert shown.endswith("next=1")


@pytest.mark.parametrize("kind", ["hvs.", "hvb.", "hvr.", "s.", "b.", "r."])
@pytest.mark.parametrize("around", ["X-Vault-Token {}", "({})", "{}", "login as {}, then"])
def test_a_token_of_vault_is_masked_wherever_it_stands(kind: str, around: str) -> None:
    shown = redact(around.format(kind + TOKEN))
    assert TOKEN not in shown
    assert shown == around.format(MASK)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://devstack:{}@127.0.0.1:15432/devstack",
        "amqp://u:{}@host/vhost",
        "rediss://:{}@127.0.0.1:16390",
        "mongodb+srv://u:{}@host/?tls=true",
    ],
)
def test_the_password_of_a_url_is_masked_and_the_rest_stays(url: str) -> None:
    assert redact(url.format(CANARY)) == url.format(MASK)


@pytest.mark.parametrize("kind", ["", "EC ", "RSA ", "ENCRYPTED "])
def test_a_private_key_is_masked_from_its_first_line_to_its_last(kind: str) -> None:
    shown = redact(f"before\n{PEM.format(kind=kind)}\nafter")
    assert shown == f"before\n{MASK}\nafter"


def test_a_private_key_that_is_cut_off_is_masked_to_the_end() -> None:
    cut = PEM.format(kind="")[:80]
    assert redact(f"before\n{cut}") == f"before\n{MASK}"


def test_two_private_keys_do_not_swallow_what_is_between_them() -> None:
    pem = PEM.format(kind="")
    assert redact(f"{pem}\nbetween\n{pem}") == f"{MASK}\nbetween\n{MASK}"


def test_known_secrets_are_masked_wherever_they_stand() -> None:
    assert redact(f"tried {CANARY}!", frozenset([CANARY])) == f"tried {MASK}!"


def test_a_known_secret_that_begins_like_another_leaves_no_tail() -> None:
    secrets = frozenset(CANARY[:length] for length in range(6, len(CANARY) + 1))
    assert redact(f"tried {CANARY}!", secrets) == f"tried {MASK}!"


@pytest.mark.parametrize("short", ["", "a", "12345"])
def test_a_known_secret_too_short_to_be_one_masks_nothing(short: str) -> None:
    assert redact("12345 apples", frozenset([short])) == "12345 apples"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "redis needs port 16379 (main), which redis-server (pid 12) holds",
        "password authentication failed for user devstack",
        "it asks for the password",
        "the token has expired",
        "https://127.0.0.1:18200/v1/sys/health",
        "https://docs.example.org/a:b/c@d",
        "postgresql://127.0.0.1:15432/devstack",
        "mail to somebody@example.org: hello",
        "/var/lib/devstack-tui/default/secrets/vault-keys.json",
        "devstack_tui.services.postgres.server.PostgresServer",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "2026-11-23 16:05:01.123 UTC [42] LOG:  checkpoint starting: time",
        "logs.postgres.server.something.else",
        "Is.this.a.token?",
        "password=",
        "password: ",
        "bypass=1 compass: north",
    ],
)
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_masking_twice_changes_nothing_more() -> None:
    once = redact(f"password={CANARY} token: {TOKEN}")
    assert redact(once) == once
