"""What speaks on a new connection, told from its first bytes. A new wire is a new row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from tcpchat.wire.proxy import SIGNATURE, WORD


class Speaker(Enum):
    """Who the first bytes are from."""

    PROXY = auto()
    TLS = auto()
    HTTP = auto()
    # Nobody begins like that: it comes after a request by HTTP.
    WEBSOCKET = auto()
    JSON = auto()
    PERSON = auto()


@dataclass(frozen=True, slots=True)
class Row:
    """Connections that begin with one of ``prefixes``."""

    speaker: Speaker
    prefixes: tuple[bytes, ...]


# RFC 9110 section 9 and RFC 5789, and the preface of HTTP/2 (RFC 9113 section 3.4).
_HTTP_METHODS = (
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
    b"PRI * ",
)

# A request's line with any method at all (RFC 9110 section 9.1, RFC 9112 section 3), and what may become one.
_REQUEST = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ \r\n]* HTTP/[0-9.]*\r?\n")
_MAY_BE_A_REQUEST = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+( [^\n]*)?")

TABLE = (
    # Of a proxy that isn't believed here: those that are have said so before anybody looks at this table.
    Row(Speaker.PROXY, (WORD, SIGNATURE)),
    # A handshake record of TLS 1.0 or later (RFC 8446 section 5.1).
    Row(Speaker.TLS, (b"\x16\x03",)),
    Row(Speaker.HTTP, _HTTP_METHODS),
    Row(Speaker.JSON, (b"{",)),
)


PREFIX_BYTES = max(len(prefix) for row in TABLE for prefix in row.prefixes)
"""Of a beginning that is longer and undecided only the end of its line tells more."""


def sniff(head: bytes) -> Speaker | None:
    """Return who begins a connection with ``head``, or None while more bytes could decide otherwise.

    Whatever no row claims is a person at a terminal, and so is who only presses Enter. The end of a line that begins
    with a word is waited for: a page may make a browser send any method, and then what it likes.
    """
    if head and not head.strip(b"\r\n"):  # so begins a header of PROXY 2, too, but nobody sends that byte by byte
        return Speaker.PERSON
    undecided = False
    for row in TABLE:
        for prefix in row.prefixes:
            if head.startswith(prefix):
                return row.speaker
            undecided = undecided or prefix.startswith(head)
    if undecided or _MAY_BE_A_REQUEST.fullmatch(head):
        return None
    return Speaker.HTTP if _REQUEST.match(head) else Speaker.PERSON
