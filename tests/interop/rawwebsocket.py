"""A WebSocket that may send anything, also what no client sends."""

from __future__ import annotations

import base64
import hashlib
import json
import time
import zlib
from typing import Any, NamedTuple

from tests.daemon import PATIENCE_SECONDS, Json, SocketStream

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MASK = bytes.fromhex("12345678")
_FLUSHED = b"\x00\x00\xff\xff"


class Frame(NamedTuple):
    """A frame of the server's, as it came: ``first`` is its first byte."""

    first: int
    data: bytes

    @property
    def opcode(self) -> int:
        return self.first & 0x0F

    @property
    def code(self) -> int | None:
        """The code of a close, if it has one."""
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.data[:2]) if self.data else None

    @property
    def reason(self) -> str:
        """The reason of a close."""
        return self.data[2:].decode()

    @property
    def text(self) -> str:
        """A text, inflated if it was compressed."""
        assert self.opcode == TEXT, self
        data = zlib.decompressobj(-15).decompress(self.data + _FLUSHED) if self.first & 0x40 else self.data
        return data.decode()


def handshake(path: str = "/ws", /, **headers: str | None) -> bytes:
    """Return a request to go on with WebSocket; ``headers`` (underscores for hyphens) are changed, None is left out."""
    usual: dict[str, str | None] = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    changed = usual | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in changed.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


def mask(data: bytes) -> bytes:
    """Return ``data`` as a client's mask has it."""
    whole = int.from_bytes(data)
    key = int.from_bytes((_MASK * (len(data) // 4 + 1))[: len(data)])
    return (whole ^ key).to_bytes(len(data))


def encode(
    opcode: int, data: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True, size: int | None = None
) -> bytes:
    """Return a frame. ``reserved``: its bits, 4 for the first; ``size``: what the header says in place of the truth."""
    told = len(data) if size is None else size
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    bit = 0x80 if masked else 0
    if told < 126:
        header = bytes((first, bit | told))
    elif told < 1 << 16:
        header = bytes((first, bit | 126)) + told.to_bytes(2)
    else:
        header = bytes((first, bit | 127)) + told.to_bytes(8)
    return header + (_MASK + mask(data) if masked else data)


def deflate(data: bytes, bits: int = 12, level: int = 9) -> bytes:
    """Return ``data`` as a compressed message has it (RFC 7692 section 7.2.1)."""
    stream = zlib.compressobj(level, zlib.DEFLATED, -bits)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_FLUSHED)


class RawWebSocket:
    """One connection behind its handshake. What is read is kept in `events`, as `JsonClient` does."""

    def __init__(self, stream: SocketStream, name: str | None = None, *, extensions: str | None = None) -> None:
        self.stream = stream
        self.events: list[Json] = []
        self._buffer = b""
        self._taken = 0
        self._last_id = 0
        self.stream.send(handshake(Sec_WebSocket_Extensions=extensions))
        self.head = self.read_head()
        assert self.head.startswith("HTTP/1.1 101 "), self.head
        accept = base64.b64encode(hashlib.sha1((KEY + _GUID).encode()).digest()).decode()
        assert f"Sec-WebSocket-Accept: {accept}" in self.head
        if name is not None:
            self.request("login", name=name)

    def read_head(self) -> str:
        """Return the answer to the handshake."""
        while b"\r\n\r\n" not in self._buffer:
            self._more(time.monotonic() + PATIENCE_SECONDS)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head.decode()

    def send(self, *frames: bytes) -> None:
        """Send ``frames``, in one packet if they are few."""
        self.stream.send(b"".join(frames))

    def read(self, seconds: float = PATIENCE_SECONDS) -> Frame:
        """Return the next frame; raises EOFError at the end, TimeoutError."""
        deadline = time.monotonic() + seconds
        while (found := self._take()) is None:
            self._more(deadline)
        return found

    def read_to_end(self) -> list[Frame]:
        """Return all frames up to the end of the connection."""
        frames = []
        while True:
            try:
                frames.append(self.read())
            except EOFError:
                assert self._taken == len(self._buffer), "the last frame was cut off"
                return frames

    def ask(self, op: str, **data: Any) -> bytes:
        """Return the frame of an operation, whose reply is to be the next one (see `reply`)."""
        self._last_id += 1
        return encode(TEXT, json.dumps({"op": op, "id": self._last_id, "data": data}).encode())

    def reply(self) -> Json:
        """Return the reply to what was asked last, passing over what comes before it."""
        while True:
            frame = self.read()
            received: Json = json.loads(frame.text) if frame.opcode == TEXT else {}
            if received.get("id") == self._last_id:
                return received
            if received:
                self.events.append(received)

    def request(self, op: str, **data: Any) -> Json:
        """Send an operation and return its reply."""
        self.send(self.ask(op, **data))
        reply = self.reply()
        assert reply["status"] == "ok", reply
        answered: Json = reply["data"]
        return answered

    def _take(self) -> Frame | None:
        data, first = self._buffer, self._taken
        if len(data) < first + 2:
            return None
        size, start = data[first + 1], first + 2
        assert size < 128, "a server's frames have no mask"
        if size >= 126:
            start = first + (4 if size == 126 else 10)
            size = int.from_bytes(data[first + 2 : start])
        if len(data) < start + size:
            return None
        self._taken = start + size
        return Frame(data[first], data[start : start + size])

    def _more(self, deadline: float) -> None:
        chunk = self.stream.receive(deadline - time.monotonic())
        if not chunk:
            raise EOFError
        self._buffer = self._buffer[self._taken :] + chunk
        self._taken = 0


class FramedLines:
    """A stream of lines, for `JsonClient`, each of which is a message by WebSocket."""

    def __init__(self, stream: SocketStream, *, compressed: bool) -> None:
        self._stream = stream
        self._socket = RawWebSocket(stream, extensions="permessage-deflate" if compressed else None)
        self.compressed = 0

    def send(self, data: bytes) -> None:
        self._stream.send(b"".join(encode(TEXT, line) for line in data.splitlines()))

    def end(self) -> None:
        self._stream.end()

    def receive(self, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        while True:
            frame = self._socket.read(deadline - time.monotonic())
            if frame.opcode == TEXT:
                self.compressed += bool(frame.first & 0x40)
                return frame.text.encode() + b"\n"
            if frame.opcode == PING:
                self._stream.send(encode(PONG, frame.data))

    def close(self) -> None:
        self._stream.close()
