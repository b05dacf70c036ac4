from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.core.limits import Limits
from tcpchat.core.names import check_color, check_name, check_person_name, fold
from tcpchat.errors import ChatError

LIMITS = Limits()


@pytest.mark.parametrize("name", ["nina", "Nina-2", "7up", "d.o.t", "日本語", "Ünï", "a_b", "नमस्ते", "x" * 32])
def test_names_that_are_allowed(name: str) -> None:
    assert fold(check_name(name, LIMITS)) == fold(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("-nina", "can't begin with '-'"),
        ("two words", "one word"),
        ("a:b", "can't contain ':'"),
        ("a\x1bb", "U+001B"),
        ("a\u202eb", "U+202E"),
        ("@nina", "can't begin with '@'"),
        ("x" * 33, "at most 32 characters"),
        ("日" * 22, "64 bytes"),
        ("a" + "\ufdfa" * 10, "too long"),
        ("\ud800", "U+D800"),
    ],
)
def test_names_that_are_refused_are_told_why(name: str, reason: str) -> None:
    with pytest.raises(ChatError) as refusal:
        check_name(name, LIMITS)
    assert reason in refusal.value.text


@pytest.mark.parametrize(("one", "other"), [("Nina", "nINA"), ("Straße", "STRASSE"), ("ﬁn", "fin"), ("é", "e\u0301")])
def test_the_same_name_in_other_spellings(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@given(st.text())
def test_folding_twice_is_folding_once(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@given(st.text(max_size=80))
def test_an_allowed_name_has_a_key_that_fits_its_column(name: str) -> None:
    try:
        checked = check_name(name, LIMITS)
    except ChatError:
        return
    assert 0 < len(fold(checked)) <= 64
    assert checked.isprintable()
    assert not set(checked) & set(" :*@#/\n")


def test_the_programs_own_words_are_nobodys_name() -> None:
    with pytest.raises(ChatError, match="reserved"):
        check_person_name("YOU", LIMITS)


@pytest.mark.parametrize("color", [None, "#3a7bd5", "teal"])
def test_colors(color: str | None) -> None:
    assert check_color(color) == color


@pytest.mark.parametrize("color", ["", "red;", "#12345", "Red", "\x1b[31m", "teal\n"])
def test_what_is_no_color(color: str) -> None:
    with pytest.raises(ChatError, match="color must look like"):
        check_color(color)


def test_a_name_far_too_long_costs_no_time() -> None:
    # Normalising this would take minutes: the marks are sorted in a time that grows with their square.
    endless = "a" + "\u0301\u0323" * 500_000
    assert fold(endless) == endless
    with pytest.raises(ChatError, match="too long"):
        check_name(endless, LIMITS)


@pytest.mark.parametrize("name", ["alice\u034f", "alice\ufe0f", "alice\u3164", "\u3164", "alice\u02d0"])
def test_what_nobody_can_see_is_no_part_of_a_name(name: str) -> None:
    with pytest.raises(ChatError, match=r"U\+"):
        check_name(name, LIMITS)
