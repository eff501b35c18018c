"""Typed TOML: an error names file, line and key."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from devstack_tui.core.config import convert, line_of, read_toml
from devstack_tui.core.errors import ConfigError


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    port: int
    name: str = ""


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    level: int
    inner: Inner
    many: tuple[int, ...] = ()


GOOD = 'level = 1\nmany = [1, 2]\n\n[inner]\nport = 5\nname = "x"\n'


@pytest.fixture
def file(room: Path) -> Path:
    return room / "some.toml"


def fault(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        convert(read_toml(path), Outer, path)
    return caught.value.message


def test_a_good_file_becomes_its_type(file: Path) -> None:
    file.write_text(GOOD)
    assert convert(read_toml(file), Outer, file) == Outer(1, Inner(5, "x"), (1, 2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD.replace("= 5", '= "five"'), ":5: inner.port: expected `int`, got `str`"),
        (GOOD.replace("= 1\n", "= true\n"), ":1: level: expected `int`, got `bool`"),
        (GOOD.replace("name", "nmae"), ":6: inner.nmae: object contains unknown field `nmae`"),
        (GOOD + "[other]\nx = 1\n", ":7: other: object contains unknown field `other`"),
        (GOOD.replace("port = 5", ""), ":4: inner: object missing required field `port`"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_line_and_key(
    file: Path, text: str, expected: str
) -> None:
    assert fault(file, text) == f"{file}{expected}"


def test_a_member_of_a_list_is_found_on_the_line_of_its_list(file: Path) -> None:
    message = fault(file, GOOD.replace("[1, 2]", '[1, "two"]'))
    assert message.startswith(f"{file}:2: many[")
    assert "expected `int`, got `str`" in message


def test_a_missing_key_at_the_top_is_said_of_the_file(file: Path) -> None:
    message = fault(file, "[inner]\nport = 5\n")
    assert message == f"{file}: the file: object missing required field `level`"


def test_the_key_is_told_from_the_top_of_the_file(file: Path) -> None:
    file.write_text('[a.b]\nport = "x"\n')
    with pytest.raises(ConfigError) as caught:
        convert(read_toml(file)["a"]["b"], Inner, file, "a.b")
    assert caught.value.message == f"{file}:2: a.b.port: expected `int`, got `str`"


def test_broken_toml_is_told_with_line_and_column(file: Path) -> None:
    message = fault(file, "level = 1\nmany = [1,\nport == 3\n")
    assert message.startswith(f"{file}: line 3, column 1: ")


def test_toml_that_ends_too_early_says_so(file: Path) -> None:
    message = fault(file, 'level = "1')
    assert message.startswith(f"{file}: ")
    assert "at line" not in message


def test_a_file_that_is_not_utf8_is_told_with_the_byte(file: Path) -> None:
    file.write_bytes(b"level = 1 # caf\xe9\n")
    with pytest.raises(ConfigError) as caught:
        read_toml(file)
    assert caught.value.message == f"{file}: not UTF-8 at byte 15"


def test_a_file_that_is_not_there_is_a_configuration_error(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_toml(file)
    assert caught.value.message == f"{file}: No such file or directory"
    assert caught.value.exit_code == 2


def test_a_directory_in_place_of_the_file_is_a_configuration_error(room: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        read_toml(room)


@pytest.mark.parametrize("number", ["nan", "-inf", "inf", "1e308", "9" * 400])
@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("level = {}", "1: level"),
        ("[t]\n[t.deep]\nx = {}", "3: t.deep.x"),
        ("[t.'a.b']\nx = {}", "2: t.a.b.x"),
        ("a = 1\nlist = [1, {}]", "2: list[1]"),
    ],
)
def test_a_number_that_is_not_finite_is_refused_where_it_stands(
    file: Path, text: str, at: str, number: str
) -> None:
    file.write_text(text.format(number) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_toml(file)
    assert caught.value.message.startswith(f"{file}:{at}: expected a finite number")


def test_a_number_too_long_to_be_read_is_a_configuration_error(file: Path) -> None:
    file.write_text(f"level = {'9' * 5000}\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        read_toml(file)


def test_the_largest_number_of_64_bits_is_read(file: Path) -> None:
    file.write_text(f"level = {2**63 - 1}\n", encoding="utf-8")
    assert read_toml(file) == {"level": 2**63 - 1}


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("a", 1),
        ("t.a", 4),
        ("t.deep.b", 6),
        ("t.inline.x", 5),
        ("list[0].x", 8),
        ("quoted.k y", None),
        ("t.missing", 3),
        ("nowhere", None),
    ],
)
def test_the_deepest_part_of_a_key_that_is_written_is_its_line(key: str, line: int | None) -> None:
    text = "a = 1\n# a = 2\n[t]\na = 1\ninline = { x = 1 }\ndeep.b = 2\n\n[[list]]\ny = 1\n"
    assert line_of(text, key) == line
