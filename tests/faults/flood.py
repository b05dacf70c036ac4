"""Floods of a daemon, from addresses of their own: ``python -m tests.faults.flood PORT KIND COUNT``.

The daemon must believe the PROXY headers of this machine, so that what comes from here counts as from elsewhere. It is
a process of its own, so that it takes no time from whoever measures.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress

# As many networks as somebody may rent for a while: each has limits of its own.
_NETWORKS = 50
_PATIENCE_SECONDS = 20.0
_SHOVE_BYTES = 64 * 1024
# More than a daemon should take of one line.
_ENDLESS_BYTES = 4 * 1024 * 1024
_MOVERS = 40
_ROOM = "lobby"


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
    flood.__name__: flood for flood in (half_lines, silence, endless_lines, joins_and_leaves)
}

if __name__ == "__main__":
    FLOODS[sys.argv[2]](int(sys.argv[1]), int(sys.argv[3]))
