"""Clients that others have written: Node's `ws` and Python's `websockets`, each a stream of lines for `JsonClient`.

Besides what the daemon says they tell ``!open`` (with the ``extensions`` that were agreed on) and ``!closed`` (with
``code`` and ``reason``), as if these were events.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.daemon import PATIENCE_SECONDS, Json, JsonClient, ProcessStream, Stream, lacking, tool

_SCRIPT = Path(__file__).with_name("websocket.js")
# Where Debian has its modules.
_MODULES = "/usr/share/nodejs"
# So much of a message is the most that the daemon tells at once.
_LARGEST_BYTES = 1024 * 1024


def _line(op: str, **data: Any) -> bytes:
    return json.dumps({"op": op, "data": data}).encode() + b"\n"


class WebClient(JsonClient):
    """A program that speaks WebSocket; it keeps what it was told of how the connection began and ended."""

    def __init__(self, stream: Stream, name: str | None = None) -> None:
        super().__init__(stream)
        opened = self.read()
        assert opened["op"] == "!open", opened
        self.extensions: str = opened["data"]["extensions"]
        if name is not None:
            self.request("login", name=name)

    def order(self, *words: str) -> None:
        """Let the program do something: ``close CODE``, ``terminate``."""
        self.stream.send(("!" + " ".join(words) + "\n").encode())

    def closed(self) -> tuple[int, str]:
        """Return the code and the reason of the close that comes next, passing over what comes before it."""
        while True:
            event = self.events.pop(0) if self.events else self.read()
            if event["op"] == "!closed":
                data: Json = event["data"]
                return data["code"], data["reason"]


class LibraryStream:
    """Python's `websockets`, each message of which is a line."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._told = [_line("!open", extensions=", ".join(str(one) for one in connection.protocol.extensions))]
        self._over = False

    def send(self, data: bytes) -> None:
        for line in data.decode().splitlines():
            if not line.startswith("!"):
                self._connection.send(line)
            elif line == "!terminate":
                self._connection.socket.shutdown(2)
            else:
                self._close(line)

    def _close(self, order: str) -> None:
        _, _, code = order.partition(" ")
        if code:
            self._connection.close(int(code))
            return
        with self._connection.protocol_mutex:  # its own close always has a code
            self._connection.protocol.send_close()
            self._connection.send_data()

    def end(self) -> None:
        self._connection.close()

    def receive(self, seconds: float) -> bytes:
        if self._told:
            return self._told.pop(0)
        if self._over:
            return b""
        try:
            message = self._connection.recv(max(seconds, 0))
        except ConnectionClosed:
            self._over = True
            protocol = self._connection.protocol
            return _line("!closed", code=protocol.close_code, reason=protocol.close_reason)
        assert isinstance(message, str)
        return message.encode() + b"\n"

    def close(self) -> None:
        self._connection.close_socket()


@dataclass
class Programs:
    """Runs clients against one port, in one way, and ends them. ``secure``: its certificate, for TLS."""

    kind: str
    port: int
    compressed: bool = False
    secure: Path | None = None
    _streams: list[Stream] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{'wss' if self.secure else 'ws'}://127.0.0.1:{self.port}/ws"

    def run(self, name: str | None = None) -> WebClient:
        """Return a new client, logged in if it has a name."""
        opener: Callable[[], Stream] = self._node if self.kind == "node" else self._library
        stream = opener()
        self._streams.append(stream)
        return WebClient(stream, name)

    def close(self) -> None:
        """End them all."""
        while self._streams:
            self._streams.pop().close()

    def _node(self) -> Stream:
        node = tool("node")
        if not Path(_MODULES, "ws").exists():
            lacking("Node's ws is not installed (Debian: apt install node-ws)")
        process = subprocess.Popen(
            [
                node,
                str(_SCRIPT),
                self.url,
                "deflate" if self.compressed else "plain",
                *map(str, filter(None, [self.secure])),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"NODE_PATH": _MODULES},
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin, process.stdout:
            return ProcessStream(process, os.dup(process.stdin.fileno()), os.dup(process.stdout.fileno()))

    def _library(self) -> Stream:
        context = ssl.create_default_context(cafile=str(self.secure)) if self.secure else None
        return LibraryStream(
            connect(
                self.url,
                compression="deflate" if self.compressed else None,
                ssl=context,
                open_timeout=PATIENCE_SECONDS,
                close_timeout=PATIENCE_SECONDS,
                max_size=_LARGEST_BYTES,
                ping_interval=None,
                proxy=None,
                legacy=True,
            )
        )
