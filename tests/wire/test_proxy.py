"""The PROXY protocol's headers: every form, cut anywhere, and damaged."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.wire.proxy import SIGNATURE, BadHeader, Header, parse_header

MOST = 4096
V4 = IPv4Address("192.0.2.7")
V6 = IPv6Address("2001:db8::7")
TLV = b"\x04\x00\x03abc"


def binary(command: int, family: int, body: bytes, length: int | None = None) -> bytes:
    """Return a header of version 2."""
    return SIGNATURE + bytes([command, family]) + (len(body) if length is None else length).to_bytes(2, "big") + body


INET = V4.packed + IPv4Address("198.51.100.1").packed + b"\x9c\x40\x0b\xb8"
INET6 = V6.packed + IPv6Address("::1").packed + b"\x9c\x40\x0b\xb8"

GOOD: dict[str, tuple[bytes, IPv4Address | IPv6Address | None, bool]] = {
    "line, IPv4": (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 3000\r\n", V4, False),
    "line, IPv6": (b"PROXY TCP6 2001:db8::7 ::1 40000 3000\r\n", V6, False),
    "line, unknown": (b"PROXY UNKNOWN\r\n", None, False),
    "line, unknown with more": (b"PROXY UNKNOWN what ever ffff:: 1 65536\r\n", None, False),
    "line, the longest": (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", None, False),
    "binary, IPv4": (binary(0x21, 0x11, INET), V4, False),
    "binary, IPv6": (binary(0x21, 0x21, INET6), V6, False),
    "binary, more follows the addresses": (binary(0x21, 0x11, INET + TLV * 20), V4, False),
    "binary, unspecified": (binary(0x21, 0x00, TLV), None, False),
    "binary, a unix socket": (binary(0x21, 0x31, b"\0" * 216), None, False),
    "binary, the proxy's own": (binary(0x20, 0x11, INET), None, True),
    "binary, the proxy's own, of any family": (binary(0x20, 0xFF, b""), None, True),
    "binary, the longest": (binary(0x21, 0x11, INET + b"\0" * (MOST - 28)), V4, False),
}

BAD = {
    "nothing of the kind": b"nina\r\n",
    "half the word": b"PROXIMITY",
    "another family": b"PROXY UDP4 192.0.2.7 198.51.100.1 40000 3000\r\n",
    "too few words": b"PROXY TCP4 192.0.2.7 40000\r\n",
    "too many words": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 3000 1\r\n",
    "two spaces": b"PROXY TCP4  192.0.2.7 198.51.100.1 40000 3000\r\n",
    "an address of another family": b"PROXY TCP4 2001:db8::7 ::1 40000 3000\r\n",
    "a zone": b"PROXY TCP6 fe80::1%lo ::1 40000 3000\r\n",
    "no address": b"PROXY TCP4 localhost localhost 40000 3000\r\n",
    "a port too high": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 65536\r\n",
    "a port with a sign": b"PROXY TCP4 192.0.2.7 198.51.100.1 +1 3000\r\n",
    "bytes that are no text": b"PROXY TCP4 192.0.2.\xb2 198.51.100.1 1 3000\r\n",
    "no end": b"PROXY UNKNOWN " + b"f" * 93,
    "an end too late": b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",
    "version 3": binary(0x31, 0x11, INET),
    "another command": binary(0x22, 0x11, INET),
    "binary, another family": binary(0x21, 0x41, INET),
    "another transport": binary(0x21, 0x13, INET),
    "too short for its family": binary(0x21, 0x11, INET[:-1]),
    "too short for IPv6": binary(0x21, 0x21, INET),
    "longer than is read": binary(0x21, 0x11, INET, MOST - 15),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_header_is_read_as_soon_as_it_is_whole(name: str) -> None:
    data, source, own = GOOD[name]
    for cut in range(len(data)):
        assert parse_header(data[:cut], MOST) is None
    assert parse_header(data, MOST) == Header(source, len(data), own)
    assert parse_header(data + b"\r\nnina\r\n", MOST) == Header(source, len(data), own)


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_header_is_refused_at_once(name: str) -> None:
    with pytest.raises(BadHeader):
        parse_header(BAD[name], MOST)


@given(st.binary(max_size=200), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]))
def test_garbage_raises_nothing_else_and_never_claims_more_than_there_is(junk: bytes, start: bytes) -> None:
    try:
        header = parse_header(start + junk, MOST)
    except BadHeader:
        return
    assert header is None or header.size <= len(start + junk)
