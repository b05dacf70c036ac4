from __future__ import annotations

import pytest

from tcpchat.wire.sniff import PREFIX_BYTES, Speaker, sniff


@pytest.mark.parametrize(
    ("head", "speaker"),
    [
        (b"\x16\x03\x01\x02\x00", Speaker.TLS),
        (b"GET / HTTP/1.1\r\n", Speaker.HTTP),
        (b"POST /", Speaker.HTTP),
        (b"PRI * HTTP/2.0", Speaker.HTTP),
        (b'{"op":', Speaker.JSON),
        (b"{", Speaker.JSON),
        (b"nina\r\n", Speaker.PERSON),
        (b"\r\n", Speaker.PERSON),
        (b"\xff\xfd\x03", Speaker.PERSON),
        (b"get / \n", Speaker.PERSON),
        (b"hello there\r\n", Speaker.PERSON),
        (b"CHAT / HTTP/1.1\r\n", Speaker.HTTP),
        (b"chat /x?y HTTP/1.1\r\nHost: evil.example\r\n\r\nnina\r\n", Speaker.HTTP),
        (b"GETTY\n", Speaker.PERSON),
        (b"PUTTY\n", Speaker.PERSON),
        (b"\x16nina", Speaker.PERSON),
    ],
)
def test_the_first_bytes_tell_who_speaks(head: bytes, speaker: Speaker) -> None:
    assert sniff(head) is speaker
    for length in range(1, len(head)):
        assert sniff(head[:length]) in (None, speaker)


@pytest.mark.parametrize("head", [b"", b"P", b"GET", b"OPTIONS", b"\x16", b"nina", b"CHAT / HTT"])
def test_too_few_bytes_tell_nothing(head: bytes) -> None:
    assert sniff(head) is None


def test_what_is_longer_than_any_prefix_is_decided_by_the_end_of_its_line() -> None:
    for head in (b"CHAT /", b"nina is here"):
        assert sniff(head.ljust(PREFIX_BYTES + 1, b"x")) is None
        assert sniff(head.ljust(100 * PREFIX_BYTES, b"x")) is None
