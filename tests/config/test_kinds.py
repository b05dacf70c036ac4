from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.config.kinds import Choice, FilePath, Flag, Fraction, Kind, ListOf, NetworkKind, Text, Whole, Word

PORT = Whole(0, 65_535)
SECONDS = Fraction(0.1, 60)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (PORT, "3000", 3000),
        (PORT, "1_000", 1000),
        (Whole(10, 20, none=True), "0", 0),
        (SECONDS, "2", 2.0),
        (SECONDS, "0.5", 0.5),
        (Flag(), "Yes", True),
        (Flag(), "off", False),
        (Choice(("a", "b")), "b", "b"),
        (FilePath(), "", None),
        (FilePath(), "a/b", Path("a/b")),
        (Text(), "", None),
        (Word(64), "house", "house"),
        (ListOf(Text()), "  tcp:1\tunix:/a ", ("tcp:1", "unix:/a")),
    ],
)
def test_what_text_means(kind: Kind, text: str, value: object) -> None:
    assert kind.from_text(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (PORT, "http", "is a whole number from 0 to 65535, not 'http'"),
        (PORT, "65536", "not 65536"),
        (PORT, "-1", "not -1"),
        (PORT, "٣", "not '٣'"),
        (PORT, "9" * 5000, "not '999"),
        (Whole(10, 20, none=True), "5", "is 0, or a whole number from 10 to 20, not 5"),
        (SECONDS, "nan", "is a number from 0.1 to 60, not"),
        (SECONDS, "inf", "not 'inf'"),
        (SECONDS, "0", "not '0'"),
        (Flag(), "maybe", "is true or false, not 'maybe'"),
        (Choice(("a", "b", "c")), "d", "is a, b or c, not 'd'"),
        (NetworkKind(), "10.0.0.1/8", "is a network such as 192.0.2.0/24 or ::1: 10.0.0.1/8 has host bits set"),
        (Word(4), "house", "is one word of at most 4 characters, not 'house'"),
        (Word(64), "two words", "is one word"),
        (Word(64), "bell\a", "is one word"),
        (FilePath(), "a\0b", "is a path"),
    ],
)
def test_what_text_does_not_mean(kind: Kind, text: str, words: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the words follow)
        kind.from_text(text)
    assert words in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        (PORT, "3000", "is a whole number from 0 to 65535, not '3000'"),
        (PORT, True, "not true"),
        (PORT, 3.0, "not 3.0"),
        (PORT, [1], "not a list"),
        (PORT, {"a": 1}, "not a table"),
        (SECONDS, True, "not true"),
        (SECONDS, 10**400, "not such a number"),
        (Flag(), 1, "is true or false, not 1"),
        (FilePath(), 5, "is a path in quotes, not 5"),
        (ListOf(Text()), "tcp:1", "is a list in square brackets, not 'tcp:1'"),
        (ListOf(Text()), ["tcp:1", 5], "has an element, number 2, that should be text in quotes, not 5"),
        (ListOf(Text()), [""], "has an element, number 1, that is empty"),
    ],
)
def test_what_toml_does_not_mean(kind: Kind, value: object, words: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the words follow)
        kind.from_toml(value)
    assert words in str(error.value)


def _through_toml(kind: Kind, value: object) -> Any:
    return kind.from_toml(tomllib.loads(f"key = {kind.to_toml(value)}")["key"])


@given(st.integers(0, 65_535), st.floats(0.1, 60), st.booleans(), st.text(min_size=1))
def test_what_is_written_as_toml_is_read_again(number: int, seconds: float, flag: bool, text: str) -> None:
    text = text.encode(errors="replace").decode()  # a lone surrogate can't be in a file
    assert _through_toml(PORT, number) == number
    assert _through_toml(SECONDS, seconds) == seconds
    assert _through_toml(Flag(), flag) is flag
    assert _through_toml(Text(), text) == text
    assert _through_toml(ListOf(Text()), (text, "x")) == (text, "x")
