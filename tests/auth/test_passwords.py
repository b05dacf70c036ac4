from __future__ import annotations

import pytest
from argon2 import extract_parameters
from argon2.exceptions import InvalidHashError
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.auth.passwords import PASSWORD_BYTES, Cost, Hasher, check_password, prepare
from tcpchat.errors import ChatError, Code

CHEAP = Cost(passes=1, memory_kib=8)


@pytest.fixture(scope="module")
def hasher() -> Hasher:
    return Hasher(CHEAP)


def test_a_password_is_hashed_by_argon2id_at_the_cost_that_was_decided() -> None:
    usual = Hasher()
    parameters = extract_parameters(usual.hash(b"four words for nina"))
    assert (parameters.type.name, parameters.version) == ("ID", 19)
    assert (parameters.time_cost, parameters.memory_cost, parameters.parallelism) == (2, 19 * 1024, 1)
    assert (parameters.salt_len, parameters.hash_len) == (16, 32)


def test_a_hash_is_of_one_password_and_no_two_hashes_are_alike(hasher: Hasher) -> None:
    data = hasher.hash(b"four words for nina")
    assert hasher.verify(data, b"four words for nina")
    assert not hasher.verify(data, b"four words for Nina")
    assert hasher.hash(b"four words for nina") != data
    assert "four" not in data


def test_the_decoy_costs_as_much_as_any_hash_and_is_of_no_password(hasher: Hasher) -> None:
    assert extract_parameters(hasher.decoy) == extract_parameters(hasher.hash(b"x"))
    assert len(hasher.decoy) == len(hasher.hash(b"x"))
    assert not hasher.verify(hasher.decoy, b"")
    assert not hasher.needs_rehash(hasher.decoy)
    assert hasher.decoy == hasher.decoy
    assert hasher.decoy != Hasher(CHEAP).decoy


def test_a_hash_made_at_another_cost_is_still_checked_and_is_to_be_made_anew(hasher: Hasher) -> None:
    data = hasher.hash(b"four words for nina")
    dearer = Hasher(Cost(passes=2, memory_kib=8))
    assert not hasher.needs_rehash(data)
    assert dearer.needs_rehash(data)
    assert dearer.verify(data, b"four words for nina")


def test_what_is_no_hash_is_a_fault_and_not_a_wrong_password(hasher: Hasher) -> None:
    with pytest.raises(InvalidHashError):
        hasher.verify("", b"x")


@pytest.mark.parametrize(
    ("one", "other"),
    [("caf\u00e9 au lait", "cafe\u0301 au lait"), ("two\u3000words", "two words"), ("two\u00a0words", "two words")],
)
def test_the_same_password_typed_on_another_keyboard(one: str, other: str) -> None:
    assert prepare(one) == prepare(other) != None  # noqa: E711


@pytest.mark.parametrize(("one", "other"), [("Password words", "password words"), ("ｆｕｌｌ width", "full width")])
def test_passwords_that_differ(one: str, other: str) -> None:
    assert prepare(one) != prepare(other)


@pytest.mark.parametrize("password", ["", "a\tb", "a\x00b", "a\x7fb", "\ud800", "\u0378", "x" * 1025, "é" * 513])
def test_what_no_password_can_be(password: str) -> None:
    assert prepare(password) is None


@given(st.text(st.characters()))
def test_preparing_twice_is_preparing_once(password: str) -> None:
    prepared = prepare(password)
    if prepared is not None:
        assert 0 < len(prepared) <= PASSWORD_BYTES
        assert prepare(prepared.decode()) == prepared


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1))
def test_ascii_takes_the_short_way_to_what_the_profile_says(password: str) -> None:
    assert prepare(password) == password.encode()


@pytest.mark.parametrize(
    "password",
    ["eightchr", "correct horse battery staple", "пароль из слов", "日本語のことば八", " " + "a b c d", "x y " * 256],
)
def test_passwords_that_are_taken(password: str) -> None:
    assert check_password(password, "Nina") == prepare(password)


@pytest.mark.parametrize(
    ("password", "code", "reason"),
    [
        ("", Code.WEAK_PASSWORD, "at least 8 characters"),
        ("sevench", Code.WEAK_PASSWORD, "at least 8 characters"),
        # Eight code points as they are typed, seven once they are composed.
        ("sevenche\u0301"[1:], Code.WEAK_PASSWORD, "at least 8 characters"),
        ("PassWord", Code.WEAK_PASSWORD, "first that anybody tries"),
        ("ababababab", Code.WEAK_PASSWORD, "first that anybody tries"),
        ("wilhelmina", Code.WEAK_PASSWORD, "your name"),
        ("WilhelMina1984!", Code.WEAK_PASSWORD, "your name"),
        ("two\tword", Code.BAD_FIELD, "not for typing"),
        ("é" * 513, Code.BAD_FIELD, "1024 bytes"),
        ("\ud800" * 9, Code.BAD_FIELD, "not for typing"),
    ],
)
def test_passwords_that_are_refused_are_told_why(password: str, code: Code, reason: str) -> None:
    with pytest.raises(ChatError) as refusal:
        check_password(password, "Wilhelmina")
    assert refusal.value.code is code
    assert reason in refusal.value.text


def test_a_name_of_digits_forbids_only_itself() -> None:
    assert check_password("98765-01234", "12345678")
    with pytest.raises(ChatError, match="your name"):
        check_password("20260315", "20260315")


@given(st.text(st.characters(), max_size=40), st.text(max_size=40))
def test_a_refusal_never_shows_the_password(password: str, name: str) -> None:
    refusal = None
    try:
        check_password(password, name)
    except ChatError as error:
        refusal = error
    if refusal is not None:
        assert refusal.__context__ is None
        assert len(password) < 8 or password not in refusal.text
