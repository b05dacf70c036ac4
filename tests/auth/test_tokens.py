from __future__ import annotations

import hashlib

from hypothesis import example, given
from hypothesis import strategies as st

from tcpchat.auth.tokens import PREFIX, digest, is_token, new_token


def test_a_token_can_be_recognised_and_no_two_are_alike() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    for token in tokens:
        assert is_token(token)
        assert token.startswith("tcpchat_")
        assert len(token) == 48
        assert token.isascii()


def test_every_letter_of_the_secret_varies() -> None:
    bodies = [new_token().removeprefix(PREFIX)[:32] for _ in range(1000)]
    assert all(len(set(letters)) == 32 for letters in zip(*bodies, strict=True))


def test_only_the_hash_is_kept() -> None:
    token = new_token()
    assert digest(token) == hashlib.sha256(token.encode()).hexdigest()


@given(st.integers(0, 47), st.characters())
@example(8, "0")
def test_one_wrong_character_is_noticed_without_looking_it_up(position: int, character: str) -> None:
    token = new_token()
    wrong = token[:position] + character + token[position + 1 :]
    assert is_token(wrong) == (wrong == token)


@given(st.text(st.characters()) | st.from_regex(PREFIX + "[a-z2-7]{40}\n?", fullmatch=True))
def test_nothing_else_is_a_token(text: str) -> None:
    assert not is_token(text)
    assert not is_token(new_token() + text[:1]) or not text


def test_capitals_and_spaces_are_not_forgiven() -> None:
    assert not is_token(new_token().upper())
    assert not is_token(" " + new_token())
