from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.auth.certificates import check_fingerprint, fingerprint
from tcpchat.errors import ChatError, Code


@given(st.binary())
def test_a_fingerprint_may_be_given_as_openssl_prints_it(der: bytes) -> None:
    kept = fingerprint(der)
    printed = bytes.fromhex(kept).hex(":").upper()
    for text in (kept, kept.upper(), printed, f"sha256 Fingerprint={printed}\n", f" {kept} "):
        assert check_fingerprint(text) == kept


@pytest.mark.parametrize(
    "text", ["", "ab" * 31, "ab" * 33, "ag" * 32, "ab:" * 31 + "a", "a:b" + "ab" * 31, "SHA1 Fingerprint=" + "ab" * 32]
)
def test_what_is_no_fingerprint_is_told_how_to_print_one(text: str) -> None:
    with pytest.raises(ChatError) as refusal:
        check_fingerprint(text)
    assert refusal.value.code is Code.BAD_FIELD
    assert "openssl x509" in refusal.value.text


@given(st.text(st.characters()))
def test_whatever_is_given_is_a_fingerprint_or_refused(text: str) -> None:
    with suppress(ChatError):
        assert len(bytes.fromhex(check_fingerprint(text))) == 32
