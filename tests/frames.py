"""A peer on WebSocket in memory, that may send any frame, also wrong ones."""

from __future__ import annotations

import zlib
from typing import ClassVar, NamedTuple

from tests.house import Script

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_MASK = b"\x12\x34\x56\x78"


class Frame(NamedTuple):
    """A frame of the server's."""

    opcode: int
    data: bytes
    compressed: bool = False

    @property
    def code(self) -> int:
        """The code of a close."""
        assert self.opcode == CLOSE
        return int.from_bytes(self.data[:2])

    @property
    def reason(self) -> str:
        """The reason of a close."""
        return self.data[2:].decode()


def request(path: str = "/ws", host: str = "localhost", **headers: str) -> bytes:
    """Return a handshake; ``headers`` are added, with hyphens for underlines."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def frame(data: bytes, opcode: int = TEXT, *, first: int = 0x80, masked: bool = True) -> bytes:
    """Return a frame of a client's; ``first`` are the bits in front of the opcode."""
    size = len(data)
    mark = 0x80 if masked else 0
    if size < 126:
        length = bytes((mark | size,))
    elif size < 1 << 16:
        length = bytes((mark | 126,)) + size.to_bytes(2)
    else:
        length = bytes((mark | 127,)) + size.to_bytes(8)
    if not masked:
        return bytes((first | opcode,)) + length + data
    body = bytes(byte ^ _MASK[place % 4] for place, byte in enumerate(data))
    return bytes((first | opcode,)) + length + _MASK + body


def parse(data: bytes) -> tuple[list[Frame], bytes]:
    """Return the frames in what a server has sent, and what is left."""
    frames = []
    while len(data) >= 2:
        size, start = data[1], 2
        assert size < 128, "a server's frames have no mask"
        if size == 126:
            size, start = int.from_bytes(data[2:4]), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10]), 10
        if len(data) < start + size:
            break
        body, compressed = data[start : start + size], bool(data[0] & 0x40)
        if compressed:
            body = zlib.decompressobj(-15).decompress(body + b"\x00\x00\xff\xff")
        frames.append(Frame(data[0] & 0x0F, body, compressed))
        data = data[start + size :]
    return frames, data


class WebScript(Script):
    """A program that speaks WebSocket."""

    wire = "websocket"
    headers: ClassVar[dict[str, str]] = {}

    def meet(self) -> None:
        """Shake hands."""
        self.control: list[Frame] = []
        self.rest = b""
        self.transport.receive(request(**self.headers))
        head, _, self.rest = self.transport.take().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self.head = head.decode()

    def write(self, message: bytes) -> None:
        """Send one object."""
        self.transport.receive(frame(message))

    def hang_up(self) -> None:
        """Close in peace."""
        self.transport.receive(frame((1000).to_bytes(2), CLOSE))

    def frames(self) -> list[Frame]:
        """Return the frames that have come."""
        frames, self.rest = parse(self.rest + self.transport.take())
        return frames

    def received(self) -> list[bytes]:
        """Return the objects that have come; other frames are kept in ``control``."""
        frames = self.frames()
        self.control += [one for one in frames if one.opcode != TEXT]
        return [one.data for one in frames if one.opcode == TEXT]


class DeflatedScript(WebScript):
    """A program that wants what is said compressed."""

    wire = "deflated"
    headers: ClassVar[dict[str, str]] = {"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"}
