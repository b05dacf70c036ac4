"""The JSON objects of `tcpchat.wire.jsonlines` in WebSocket's text frames (RFC 6455 section 5.2, RFC 7692).

A server's frames have no mask, so that one serves everybody who reads the same, compressed ones as well: each message
is compressed by itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

from tcpchat.core.answers import Answer, Greeting
from tcpchat.core.events import Event
from tcpchat.errors import ChatError
from tcpchat.wire.codec import Codec, Encoder, Outlet, Request

# The first byte of a text frame that is a whole message; and of one that is compressed.
_TEXT, _COMPRESSED_TEXT = 0x81, 0xC1
# Shorter messages don't become much smaller: a new stream knows nothing of the words that were used before.
_COMPRESSED_BYTES = 256
# What a sync flush ends with, and the receiver adds again (RFC 7692 section 7.2.1).
_FLUSHED = b"\x00\x00\xff\xff"
# zlib's fast way and little memory: what is said is short, and a stream lives for one message.
_LEVEL, _MEMORY = 3, 5
# Two windows serve all, so that a room's message is compressed twice at the most. What is said is as small with 9 as
# with 12, but for the longest (15 % at 4 KiB) and pages (25 %); beyond 12 nothing is gained.
_SMALL_BITS, _LARGE_BITS = 9, 12


class Framing:
    """A way of putting messages into frames, shared by all connections that have agreed on it."""

    def __init__(self) -> None:
        self._encoders: dict[Encoder, FramedEncoder] = {}

    def frame(self, message: bytes) -> bytes:
        """Return a message in a frame."""
        return _header(_TEXT, len(message)) + message

    def wrap(self, lines: bytes) -> bytes:
        """Return each of some lines, which all end in LF, in a frame of its own."""
        return b"".join([self.frame(line) for line in lines.split(b"\n") if line])

    def encoder(self, inner: Encoder) -> FramedEncoder:
        """Return the one encoder that puts what ``inner`` gives into frames."""
        found = self._encoders.get(inner)
        if found is None:
            found = self._encoders[inner] = FramedEncoder(self, inner)
        return found


class Deflated(Framing):
    """Frames whose longer messages are compressed, with a window of ``bits``, 9 to 15 (RFC 7692 section 7.1.2)."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self._bits = bits

    def frame(self, message: bytes) -> bytes:
        """Return a message in a frame."""
        if len(message) < _COMPRESSED_BYTES:
            return super().frame(message)
        stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, -self._bits, _MEMORY)
        data = (stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH)).removesuffix(_FLUSHED)
        return _header(_COMPRESSED_TEXT, len(data)) + data


class FramedEncoder:
    """Events as frames; all readers get the same bytes."""

    def __init__(self, framing: Framing, inner: Encoder) -> None:
        self._framing = framing
        self._inner = inner

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return one frame for each line of the other encoder."""
        return self._framing.wrap(self._inner.encode(events))

    @property
    def personal(self) -> bool:
        """As the other encoder."""
        return self._inner.personal

    def encode_to(self, name: str, event: Event) -> bytes:
        """Return the frames of ``event`` for the one called ``name``."""
        return self._framing.wrap(self._inner.encode_to(name, event))


PLAIN = Framing()
"""Frames as they are."""


_SMALL, _LARGE = Deflated(_SMALL_BITS), Deflated(_LARGE_BITS)


def deflated(bits: int) -> Deflated:
    """Return the compressed frames that a reader with a window of ``bits`` understands, 9 to 15: one of two kinds."""
    return _LARGE if bits >= _LARGE_BITS else _SMALL


class FramedCodec:
    """A connection whose codec is chosen by its first message; what that says is put into frames."""

    __slots__ = ("_choose", "_framing", "_inner")

    def __init__(self, framing: Framing, usual: Codec, choose: Callable[[bytes], Codec]) -> None:
        self._framing = framing
        self._inner = usual
        self._choose: Callable[[bytes], Codec] | None = choose

    def greet(self, greeting: Greeting) -> bytes:
        """Nothing: programs speak first."""
        return b""

    def strip(self, data: bytes, outlet: Outlet) -> bytes:
        """Return ``data``: messages are text."""
        return data

    def feed(self, line: bytes, outlet: Outlet) -> Request | None:
        """Decode one message."""
        if self._choose is not None and line:
            self._inner, self._choose = self._choose(line), None
        return self._inner.feed(line, outlet)

    def reply(self, request: Request, answer: Answer | ChatError) -> bytes:
        """Return the reply in a frame, if there is any."""
        reply = self._inner.reply(request, answer)
        return self._framing.wrap(reply) if reply else reply

    def encoder(self, *, current: bool) -> Encoder:
        """Return the encoder that all have who read the same in the same frames."""
        return self._framing.encoder(self._inner.encoder(current=current))


def _header(first: int, size: int) -> bytes:
    """Return the header of a frame without a mask."""
    if size < 126:
        return bytes((first, size))
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2)
    return bytes((first, 127)) + size.to_bytes(8)
