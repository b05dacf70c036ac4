"""Keys that edit a line, from a terminal that leaves it to us."""

from __future__ import annotations

import pytest

from tcpchat.wire.keys import edited


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("hello", "hello"),
        ("käse ☕\tand tea", "käse ☕\tand tea"),
        ("helo\x7flo\b\bo!", "helo!"),
        ("\x7f\x7f\x7fhi", "hi"),
        ("never mind\x15hello", "hello"),
        ("never mind\x03hello", "hello"),
        ("never\x15", ""),
        ("one two\x17three", "one three"),
        ("one two \x17three", "one three"),
        ("one\x17\x17two", "two"),
        ("hel\x1b[Dlo\x1b[1;5C \x1bOAthere\x1b[3~", "hello there"),
        ("\x1b[A\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b[A\x7fhello", "hello"),
        ("half a key \x1b[", "half a key \x1b["),
        ("control D\x04", "control D\x04"),
    ],
)
def test_a_line_is_as_a_terminal_would_have_sent_it(typed: str, line: str) -> None:
    assert edited(typed) == line
