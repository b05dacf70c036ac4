"""Floods of a daemon, from addresses of their own: ``python -m tests.faults.flood PORT KIND COUNT``.

The daemon must believe the PROXY headers of this machine, so that what comes from here counts as from elsewhere. It is
a process of its own, so that it takes no time from whoever measures.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial

from tests.interop.rawwebsocket import CONTINUATION, PING, PONG, TEXT, deflate, encode, handshake

# As many networks as somebody may rent for a while: each has limits of its own.
_NETWORKS = 50
_PATIENCE_SECONDS = 20.0
_SHOVE_BYTES = 64 * 1024
# More than a daemon should take of one line.
_ENDLESS_BYTES = 4 * 1024 * 1024
_MOVERS = 40
_ROOM = "lobby"
# How many connections by WebSocket send at once.
_PAGES = 8
_DEFLATE = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
# What it becomes: about as much as fits into the compressed bytes that a message may have.
_BOMB_BYTES = 60 * 1024 * 1024
# How long they pour, and a moment of rest after each packet, so that the flood leaves the daemon its core.
_POUR_SECONDS = 4.0
_BREATH_SECONDS = 0.001


def _connect(port: int, number: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS)
    sock.sendall(b"PROXY TCP4 203.0.113.%d 198.51.100.1 40000 3000\r\n" % (number % _NETWORKS + 1))
    return sock


def half_lines(port: int, count: int) -> None:
    """Connect, send half a line and hang up, again and again."""
    for number in range(count):
        with suppress(ConnectionError), _connect(port, number) as sock:
            sock.sendall(b'{"op":"login","data":{"na')


def silence(port: int, count: int) -> None:
    """Connect and say nothing, all at the same time, until everybody is greeted."""
    with ExitStack() as stack:
        silent = [stack.enter_context(_connect(port, number)) for number in range(count)]
        for sock in silent:
            with suppress(ConnectionError):
                sock.recv(1)


def endless_lines(port: int, count: int) -> None:
    """Send lines that do not end, until the daemon has had enough."""
    for number in range(count):
        with suppress(ConnectionError, TimeoutError), _connect(port, number) as sock:
            # Somebody with a name may send long lines.
            sock.sendall(b'{"op":"login","data":{"name":"endless%d"}}\n' % number)
            for _ in range(_ENDLESS_BYTES // _SHOVE_BYTES):
                sock.sendall(b"x" * _SHOVE_BYTES)


def joins_and_leaves(port: int, count: int) -> None:
    """Come to a room and leave it, from many connections at once, as fast as the daemon reads."""
    with ExitStack() as stack:
        movers = [stack.enter_context(_connect(port, number)) for number in range(_MOVERS)]
        for number, sock in enumerate(movers):
            sock.sendall(_line("login", name=f"mover{number}"))
        for _ in range(0, count, _MOVERS * 10):
            for sock in movers:
                sock.sendall((_line("join", room=_ROOM, last=0) + _line("leave", room=_ROOM)) * 5)
                _drain(sock)
        for sock in movers:
            sock.sendall(_line("quit"))
            sock.shutdown(socket.SHUT_WR)
        for sock in movers:
            while sock.recv(_SHOVE_BYTES):
                pass


def _connect_to_break(port: int, number: int) -> socket.socket:
    """Return a connection whose end is a reset: what has come of it is not read any more."""
    sock = _connect(port, number)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return sock


def _page(port: int, number: int, *, compressed: bool = False) -> socket.socket:
    """Return a connection that has agreed on WebSocket and logged in."""
    name = f"page{number}-{os.getpid()}"  # which no earlier flood has left behind
    sock = _connect_to_break(port, number)
    sock.sendall(handshake(Sec_WebSocket_Extensions=_DEFLATE if compressed else None))
    sock.sendall(encode(TEXT, json.dumps({"op": "login", "id": "in", "data": {"name": name}}).encode()))
    answer = b""
    while b'"id":"in"' not in answer:
        chunk = sock.recv(_SHOVE_BYTES)
        if not chunk:
            raise ConnectionError(answer)
        answer += chunk
    return sock


def _pour(port: int, content: bytes, *, page: Callable[[int, int], socket.socket]) -> None:
    """Send ``content`` again and again for a while, by several connections that read what they get."""
    end = time.monotonic() + _POUR_SECONDS
    packet = memoryview(content * (_SHOVE_BYTES // len(content) + 1))
    with ExitStack() as stack:
        pages = [page(port, number) for number in range(_PAGES)]
        left = {stack.enter_context(sock): packet for sock in pages}
        for sock in pages:
            sock.setblocking(False)
        while (seconds := end - time.monotonic()) > 0:
            readable, writable, _ = select.select(pages, pages, [], seconds)
            for sock in writable:
                with suppress(BlockingIOError):
                    left[sock] = left[sock][sock.send(left[sock]) :] or packet
            for sock in readable:
                if not _received(sock):
                    raise ConnectionError("who floods is slowed, and not closed")
            time.sleep(_BREATH_SECONDS)


def _received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(_SHOVE_BYTES)
    except ConnectionError:
        return b""


def requests(port: int, count: int) -> None:
    """Send requests by HTTP, many in a packet."""
    _pour(port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", page=_connect_to_break)


def pings(port: int, count: int) -> None:
    """Send pings by WebSocket, with as much in them as may be."""
    _pour(port, encode(PING, b"x" * 125), page=_page)


def pongs(port: int, count: int) -> None:
    """Send pongs that nobody has asked for, with nothing in them."""
    _pour(port, encode(PONG), page=_page)


def empty_messages(port: int, count: int) -> None:
    """Send messages that hold nothing."""
    _pour(port, encode(TEXT), page=_page)


def pieces(port: int, count: int) -> None:
    """Send messages in fragments of a byte and of none, 2,000 for each."""
    fragments = encode(CONTINUATION, b" ", fin=False) + encode(CONTINUATION, fin=False)
    _pour(port, encode(TEXT, b"{", fin=False) + fragments * 999 + encode(CONTINUATION, b"}"), page=_page)


def inflations(port: int, count: int) -> None:
    """Send messages of some 100 bytes that become as much as a message may have."""
    _pour(port, encode(TEXT, deflate(b" " * 65_000), reserved=4), page=partial(_page, compressed=True))


def bombs(port: int, count: int) -> None:
    """Send messages that would become very much, each on a connection of its own."""
    bomb = encode(TEXT, deflate(bytes(_BOMB_BYTES)), reserved=4)
    for number in range(count):
        with suppress(ConnectionError), _page(port, number, compressed=True) as sock:
            sock.sendall(bomb)
            while _received(sock):
                pass


def _line(op: str, **data: object) -> bytes:
    return json.dumps({"op": op, "data": data}).encode() + b"\n"


def _drain(sock: socket.socket) -> None:
    """Read what there is: who doesn't read is slowed for another reason."""
    sock.setblocking(False)
    with suppress(BlockingIOError):
        while sock.recv(_SHOVE_BYTES):
            pass
    sock.settimeout(_PATIENCE_SECONDS)


FLOODS: dict[str, Callable[[int, int], None]] = {
    flood.__name__: flood
    for flood in (
        *(half_lines, silence, endless_lines, joins_and_leaves),
        *(requests, pings, pongs, empty_messages, pieces, inflations, bombs),
    )
}

if __name__ == "__main__":
    FLOODS[sys.argv[2]](int(sys.argv[1]), int(sys.argv[3]))
