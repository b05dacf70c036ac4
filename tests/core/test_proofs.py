from __future__ import annotations

from contextlib import suppress
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.core.proofs import parse_fingerprint
from tcpchat.errors import ChatError, Code


@given(st.binary())
def test_a_fingerprint_may_be_given_as_openssl_prints_it(der: bytes) -> None:
    kept = sha256(der).hexdigest()
    printed = bytes.fromhex(kept).hex(":").upper()
    for text in (kept, kept.upper(), printed, f"sha256 Fingerprint={printed}\n", f" {kept} "):
        assert parse_fingerprint(text) == kept


@pytest.mark.parametrize(
    "text", ["", "ab" * 31, "ab" * 33, "ag" * 32, "ab:" * 31 + "a", "a:b" + "ab" * 31, "SHA1 Fingerprint=" + "ab" * 32]
)
def test_what_is_no_fingerprint_is_told_how_to_print_one(text: str) -> None:
    with pytest.raises(ChatError) as refusal:
        parse_fingerprint(text)
    assert refusal.value.code is Code.BAD_FIELD
    assert "openssl x509" in refusal.value.text


@given(st.text(st.characters()))
def test_whatever_is_given_is_a_fingerprint_or_refused(text: str) -> None:
    with suppress(ChatError):
        assert len(bytes.fromhex(parse_fingerprint(text))) == 32
