from __future__ import annotations

import itertools
from base64 import b64decode, b64encode
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.auth.keys import is_signed, parse_public_key
from tcpchat.core.proofs import login_message
from tcpchat.errors import ChatError, Code

NINA = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RAW = NINA.public_key().public_bytes_raw()
KEY = b64encode(RAW).decode()
LINE = (
    NINA.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
)  # ssh-keygen's own form, without a comment
NONCE = bytes(32)
PRIME = 2**255 - 19


@pytest.mark.parametrize(
    "text",
    [KEY, KEY.rstrip("="), f" {KEY}\n", LINE, f"{LINE} nina@example.net", f"{LINE} two words\n", f"{LINE}\tx"],
)
def test_a_key_is_given_raw_or_as_a_line_of_openssh(text: str) -> None:
    assert parse_public_key(text) == KEY


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no Ed25519 public key"),
        ("nina", "no Ed25519 public key"),
        (KEY[:-5], "no Ed25519 public key"),
        (KEY + " nina", "no Ed25519 public key"),
        ("ssh-ed25519", "no Ed25519 public key"),
        ("ssh-ed25519 " + KEY, "no Ed25519 public key"),
        (LINE[:-4], "no Ed25519 public key"),
        (LINE + " " + "x" * 1024, "no Ed25519 public key"),
        ("ssh-ed25519 " + b64encode(b"\0\0\0\x0bssh-ed25518\0\0\0\x20" + RAW).decode(), "no Ed25519 public key"),
        ("ssh-rsa AAAAB3NzaC1yc2E=", "ssh-keygen -t ed25519"),
        ("sk-ssh-ed25519@openssh.com AAAA", "ssh-keygen -t ed25519"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        (KEY.replace("/", "_").replace("+", "-") + "é", "no Ed25519 public key"),
    ],
)
def test_what_is_no_key_is_told_what_is_expected(text: str, reason: str) -> None:
    with pytest.raises(ChatError) as refusal:
        parse_public_key(text)
    assert refusal.value.code is Code.BAD_FIELD
    assert reason in refusal.value.text


@pytest.mark.parametrize("sign", [0, 2**255])
@pytest.mark.parametrize(
    "y",
    [
        0,
        1,
        PRIME - 1,
        PRIME,
        PRIME + 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    ],
)
def test_keys_for_which_anybody_can_sign_are_refused(y: int, sign: int) -> None:
    with pytest.raises(ChatError, match="anybody can sign"):
        parse_public_key(b64encode((y + sign).to_bytes(32, "little")).decode())


def test_such_a_key_would_take_a_signature_that_was_made_without_a_secret() -> None:
    identity = (1).to_bytes(32, "little")
    assert is_signed(b64encode(identity).decode(), identity + bytes(32), b"whatever")


@given(st.text(st.characters(), max_size=200) | st.from_regex(r"(ssh-ed25519 )?[A-Za-z0-9+/]{40,90}={0,3}( .*)?"))
def test_whatever_is_given_is_a_key_or_refused_kindly(text: str) -> None:
    with suppress(ChatError):
        key = parse_public_key(text)
        assert len(b64decode(key, validate=True)) == 32
        assert parse_public_key(key) == key


@given(st.binary(min_size=32, max_size=32))
def test_every_spelling_of_a_key_is_kept_alike(raw: bytes) -> None:
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + raw
    spellings = [b64encode(raw).decode(), "ssh-ed25519 " + b64encode(blob).decode() + " me@home"]
    kept = set()
    for spelling in spellings:
        try:
            kept.add(parse_public_key(spelling))
        except ChatError:
            kept.add("weak")
    assert len(kept) == 1


def test_the_message_is_the_one_that_is_documented() -> None:
    exporter = b"\xee" * 32
    assert login_message("chat.example", "Nina", NONCE, exporter) == (
        b"tcpchat login 1\0\0\0\0\x0cchat.example\0\0\0\x04Nina\0\0\0\x20" + NONCE + b"\0\0\0\x20" + exporter
    )
    assert login_message("chat.example", "Nina", NONCE, None).endswith(NONCE + bytes(4))


PARTS = st.tuples(
    st.text(max_size=5), st.text(max_size=5), st.binary(min_size=32, max_size=32), st.none() | st.just(b"e" * 32)
)


@given(PARTS, PARTS)
def test_two_messages_are_the_same_only_if_all_their_parts_are(
    one: tuple[str, str, bytes, bytes | None], other: tuple[str, str, bytes, bytes | None]
) -> None:
    assert (login_message(*one) == login_message(*other)) == (one == other)


@pytest.mark.parametrize(("nonce", "exporter"), [(b"", None), (bytes(31), None), (NONCE, b""), (NONCE, bytes(33))])
def test_nonce_and_exporter_have_one_length(nonce: bytes, exporter: bytes | None) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        login_message("chat.example", "Nina", nonce, exporter)


def test_a_signature_holds_for_one_message_of_one_key() -> None:
    parts = [("a.example", "b.example"), ("Nina", "Otto"), (NONCE, b"\1" * 32), (None, b"e" * 32)]
    first, *others = [login_message(*choice) for choice in itertools.product(*parts)]  # type: ignore[arg-type]
    signature = NINA.sign(first)
    assert is_signed(KEY, signature, first)
    assert not any(is_signed(KEY, signature, message) for message in others)
    stranger = b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    assert not is_signed(stranger, signature, first)


@given(st.binary(max_size=100))
def test_whatever_is_shown_is_no_signature(signature: bytes) -> None:
    assert not is_signed(KEY, signature, b"message")
