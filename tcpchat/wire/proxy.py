"""The header by which a proxy tells whose connection it passes on: PROXY protocol, versions 1 and 2.

The standard is HAProxy's proxy-protocol.txt; section 2.1 is the version in words, section 2.2 the binary one.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

WORD = b"PROXY "
"""What version 1 begins with."""

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
"""What version 2 begins with."""

# Section 2.1: the longest line there can be, its end included.
_LINE_BYTES = 107
# Section 2.2: the signature, version and command, family, and the length of what follows.
_HEAD_BYTES = 16
_VERSION = 2
_LOCAL, _PROXY = 0, 1
_FAMILIES = 4
# What each family says of both ends: addresses and ports, or names of sockets. Type-length-values may follow.
_INET, _INET6, _UNIX = 1, 2, 3
_ADDRESS_BYTES = {0: 0, _INET: 12, _INET6: 36, _UNIX: 216}
_PORTS = 65536


class BadHeader(ValueError):
    """It is no header; the text says why in a few words, for the log."""


@dataclass(frozen=True, slots=True)
class Header:
    """A header of ``size`` bytes, and where the connection comes from; None: it doesn't say.

    ``own``: the proxy has made the connection for itself, to look whether anybody is there.
    """

    source: IPv4Address | IPv6Address | None
    size: int
    own: bool = False


def parse_header(data: bytes, most: int) -> Header | None:
    """Return the header that ``data`` begins with, None while it isn't whole; raises `BadHeader`.

    One of version 2 may have ``most`` bytes, one of version 1 has 107 at the most.
    """
    if data.startswith(SIGNATURE):
        return _parse_binary(data, most)
    if data.startswith(WORD):
        return _parse_line(data)
    if SIGNATURE.startswith(data) or WORD.startswith(data):
        return None
    raise BadHeader("it sent no PROXY header")


def _parse_line(data: bytes) -> Header | None:
    line, end, _ = data[:_LINE_BYTES].partition(b"\r\n")
    if not end:
        if len(data) >= _LINE_BYTES:
            raise BadHeader("the PROXY header does not end")
        return None
    size = len(line) + len(end)
    words = line.split(b" ")
    if words[1] == b"UNKNOWN":  # whatever follows it
        return Header(None, size)
    kinds: dict[bytes, type[IPv4Address | IPv6Address]] = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}
    if len(words) != 6 or words[1] not in kinds or b"%" in line or not (_is_port(words[4]) and _is_port(words[5])):
        raise BadHeader("the PROXY header is damaged")
    try:
        kind = kinds[words[1]]
        source, _ = kind(words[2].decode("ascii")), kind(words[3].decode("ascii"))
    except (AddressValueError, UnicodeDecodeError):
        raise BadHeader("the PROXY header is damaged") from None
    return Header(source, size)


def _is_port(word: bytes) -> bool:
    return word.isdigit() and len(word) <= 5 and int(word) < _PORTS and (word == b"0" or word[:1] != b"0")


def _parse_binary(data: bytes, most: int) -> Header | None:
    if len(data) < _HEAD_BYTES:
        return None
    version, command = divmod(data[12], 16)
    family, transport = divmod(data[13], 16)
    length = int.from_bytes(data[14:_HEAD_BYTES], "big")
    size = _HEAD_BYTES + length
    if version != _VERSION or command not in (_LOCAL, _PROXY):
        raise BadHeader("the PROXY header is of a version or a command that is not known here")
    if size > most:
        raise BadHeader("the PROXY header is too long")
    if command == _LOCAL:  # whatever else it says
        return Header(None, size, own=True) if len(data) >= size else None
    if family >= _FAMILIES or transport > 2 or length < _ADDRESS_BYTES[family]:
        raise BadHeader("the PROXY header is damaged")
    if len(data) < size:
        return None
    if family == _INET and transport:
        return Header(IPv4Address(data[16:20]), size)
    if family == _INET6 and transport:
        return Header(IPv6Address(data[16:32]), size)
    return Header(None, size)
