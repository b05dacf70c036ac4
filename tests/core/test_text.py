from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tcpchat.core.text import clean, clean_lines

BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@given(st.text(st.characters(codec=None)))
def test_a_clean_text_is_one_line_without_controls(text: str) -> None:
    cleaned = clean(text)
    assert not [c for c in cleaned if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in BIDI_CONTROLS]
    assert len(cleaned.splitlines()) <= 1
    assert clean(cleaned) == cleaned
    cleaned.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_printable_text_is_left_as_it_is(text: str) -> None:
    assert clean(text) == text


def test_line_breaks_become_spaces() -> None:
    assert clean("a\r\nb\tc\u2028d") == "a b c d"


def test_emoji_sequences_survive() -> None:
    assert clean("👩\u200d💻 🏳️\u200d🌈") == "👩\u200d💻 🏳️\u200d🌈"


def test_a_text_of_the_operator_keeps_its_lines() -> None:
    assert clean_lines("\nHello\x1b[1m\r\n\r\nworld\n\n") == "Hello[1m\n\nworld"
