"""Somebody who says very much: ``python -m tests.faults.speaker PORT NAME COUNT [CHARACTERS]``.

It is a process of its own, so that it takes no time from whoever measures.
"""

from __future__ import annotations

import json
import select
import socket
import sys

_CHUNK_BYTES = 256 * 1024
_PATIENCE_SECONDS = 60.0
# About what people say.
_CHARACTERS = 60


def speak(port: int, name: str, count: int, characters: int = _CHARACTERS) -> None:
    """Say ``count`` things of so many ``characters`` in the lobby, as fast as they are taken, and hear everything.

    Ends when all are answered.
    """
    lines = [_line("login", name=name), _line("join", room="lobby", last=0)]
    lines += [_line("say", room="lobby", text=f"{number} {'x' * characters}") for number in range(count)]
    left = memoryview(b"".join(lines) + b'{"op":"ping","id":"last"}\n')
    with socket.create_connection(("127.0.0.1", port), _PATIENCE_SECONDS) as sock:
        sock.setblocking(False)
        end = b""
        while b'"id":"last"' not in end:
            readable, writable, _ = select.select([sock], [sock] if left else [], [], _PATIENCE_SECONDS)
            assert readable or writable, "nothing happens any more"
            if readable:
                end = end[-100:] + sock.recv(_CHUNK_BYTES)
            if writable:
                left = left[sock.send(left[:_CHUNK_BYTES]) :]


def _line(op: str, **data: object) -> bytes:
    return json.dumps({"op": op, "data": data}).encode() + b"\n"


if __name__ == "__main__":
    speak(int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
