"""Tables and times on a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tcpchat.admin.display import moment, table

HARMFUL = "a\x1b[2J\u202eb\r\nc\x9b31m\x07"


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert list(table(("room", "people", "topic"), [("tea", 1_234, "hot"), ("お茶", 5, ""), ("jam", 0, "x")])) == [
        "ROOM  PEOPLE  TOPIC",
        "tea    1,234  hot",
        "お茶       5",
        "jam        0  x",
    ]


def test_nothing_to_show() -> None:
    assert list(table(("room",), [])) == ["There is nothing to show."]


def test_what_others_wrote_is_no_command_for_the_terminal() -> None:
    lines = list(table(("room", "n"), [(HARMFUL, 1)]))
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


@pytest.mark.usefixtures("tokyo")
def test_times_are_local() -> None:
    assert moment(1_700_000_000_999) == "2023-11-15 07:13:20"
    assert moment(None) == ""
