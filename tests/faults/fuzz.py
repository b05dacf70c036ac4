"""What nobody should send, made from what they do: sessions with their parts damaged, cut anywhere, ended anyhow.

Everything follows from a seed and a number. Rooms are entered and created under few names only, so that what is left
of them is bounded; people's names are free again when they go.
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise
from typing import Any

from tcpchat.core.commands import Create, Join
from tcpchat.wire.table import OPERATIONS, WORDS
from tests import frames

MEETING = "watch"
"""The room of those who must notice nothing."""

AT_ONCE = 12
"""So many attempts are under way at a time."""
STEPS = 200
"""Steps of all of them between two looks at those who must notice nothing."""

WIRES = ("text", "json", "first-bytes", "websocket")

_ROOMS = ("lobby", MEETING, "tea", "music", ".", "ÜNÏ", "x" * 32)
_PEOPLE = ("walter", "wendy", *(f"f{number}" for number in range(20)))
# What is wrong with a name or odd in a text: of all these only a few are names, so that few rooms come of them.
_ODD: tuple[str, ...] = (
    "",
    " ",
    "@",
    "@0000000000000000",
    "..",
    "-",
    "x" * 33,
    "a b",
    "você",
    "\u202ename",
    "\ufeff",
    "𝔘𝔫𝔦",
    "e\u0301" * 20,
)
_ODD += (
    "🐟",
    "a\u0300" * 300,
    "0",
    "-1",
    "999999",
    "9999999",
    "٣",
    "null",
    "{",
    "\x1b[2J",
    "\x7f" * 9,
    "a\0b",
    "￥",
    "ß" * 32,
)
_MAKE_ROOMS = (Join, Create)
_MAKE_ROOM_WORDS = tuple(word.encode() for word, row in WORDS.items() if row.command in _MAKE_ROOMS)

IAC, SB, SE = b"\xff", b"\xff\xfa", b"\xff\xf0"
_STORMS = (
    IAC + b"\xf6",
    IAC + b"\xfd\x03",
    IAC + b"\xfb\x1f",
    SB + b"\x1f\x00\x14\x00\x18" + SE,
    SB + SE,
    IAC + b"\xf7",
)
_LINE_ENDS = (b"\n", b"\r\n", b"\r\0", b"\r", b"\0", b"\n\n\n", b"")
_OPENINGS = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x16",
    b"GET / HTTP/1.1\r\nHost: chat\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"PUT",
    b"DELETE\n",
    b"{",
    b"{}\n",
    b"\n",
    b"\xef\xbb\xbf{",
    b" {",
    b"\0",
    b"SSH-2.0-x\r\n",
    b"",
)

# Longer than any message and any line may be.
_LONG = 70_000
# A stream of up to so many bytes may be sent byte by byte.
_SHORT = 600


class End(Enum):
    """How a connection ends: with a proper close, without one, with half of it, or some time later."""

    CLOSE = auto()
    RESET = auto()
    HALF_CLOSE = auto()
    STAY = auto()


@dataclass(frozen=True)
class Attempt:
    """What one connection sends, piece by piece, whether it reads what it is sent, and how it ends."""

    pieces: tuple[bytes, ...]
    reads: bool
    end: End


def attempt(wire: str, seed: int, number: int) -> Attempt:
    """Return the attempt with this number."""
    chance = random.Random(f"{seed} {wire} {number}")
    maker = _Maker(chance)
    session: dict[str, Callable[[], bytes]] = {
        "text": maker.text_session,
        "json": maker.json_session,
        "first-bytes": maker.any_session,
        "websocket": maker.web_session,
    }
    stream = session[wire]()
    return Attempt(_cut(chance, stream), chance.random() < 0.8, chance.choice(list(End)))


def _cut(chance: random.Random, stream: bytes) -> tuple[bytes, ...]:
    """Return ``stream`` in pieces: whole, at its line ends, anywhere, or byte by byte."""
    way = chance.randrange(4)
    if way == 0:
        return (stream,)
    if way == 1:
        return tuple(stream.splitlines(keepends=True))
    if way == 2 and len(stream) <= _SHORT:
        return tuple(stream[place : place + 1] for place in range(len(stream)))
    places = sorted({0, len(stream), *(chance.randint(0, len(stream)) for _ in range(chance.randint(1, 12)))})
    return tuple(stream[start:end] for start, end in pairwise(places))


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def any_session(self) -> bytes:
        """Something that may or may not tell who speaks, and then anybody."""
        opening: bytes = self._one(*_OPENINGS, self._noise(8), self._telnet())
        if self._chance.random() < 0.3:
            opening = opening[: self._chance.randint(0, len(opening))]
        rest: bytes = self._one(b"", self._noise(200), self.text_session(), self.json_session())
        return opening + rest

    def text_session(self) -> bytes:
        """A person, who mostly gives a name first (another one, if it was taken), and often enters several rooms."""
        lines = [self._person().encode() for _ in range(self._chance.choice((0, 1, 3, 3, 3)))]
        if self._chance.random() < 0.5:
            lines += [f"/join {room}".encode() for room in self._chance.sample(_ROOMS, 5)]
        lines += [self._text_line() for _ in range(self._chance.randint(0, 30))]
        odd = self._chance.random() < 0.3
        return b"".join(line + self._line_end(line, odd=odd) for line in lines)

    def json_session(self) -> bytes:
        """A program, which mostly logs in first, as a person does."""
        lines = [self._json_line("login")] if self._chance.random() < 0.5 else []
        wanted: list[tuple[str, dict[str, str]]] = []
        wanted += [("login", {"name": self._person()}) for _ in range(self._chance.choice((0, 1, 3, 3, 3)))]
        if self._chance.random() < 0.5:
            wanted += [("join", {"room": room}) for room in self._chance.sample(_ROOMS, 5)]
        lines += [json.dumps({"op": op, "data": data}).encode() for op, data in wanted]
        lines += [self._json_line(self._chance.choice(list(OPERATIONS))) for _ in range(self._chance.randint(0, 30))]
        return b"".join(line + self._chance.choice(_LINE_ENDS[:2]) for line in lines)

    def web_session(self) -> bytes:
        """A page, or a program that speaks WebSocket, mostly after a right handshake."""
        compressing = self._chance.random() < 0.5
        offer = {"Sec_WebSocket_Extensions": "permessage-deflate; client_max_window_bits"} if compressing else {}
        handshake = frames.request(self._one("/", "/ws", "/ws", "/nowhere"), **offer)
        if self._chance.random() < 0.1:
            handshake = self._damaged(handshake)
        stream = [handshake]
        for message in self.json_session().splitlines():
            stream.append(self._frames(message, compressing=compressing))
            if self._chance.random() < 0.1:
                odd = self._chance.choice((frames.PING, frames.PING, frames.PONG))
                stream.append(frames.frame(self._noise(125), odd))
        if self._chance.random() < 0.3:
            code = self._chance.choice(
                (b"", b"\x03", *(number.to_bytes(2) for number in (1000, 1001, 1005, 4000, 9999)))
            )
            stream.append(frames.frame(code + (self._noise(40) if code else b""), frames.CLOSE))
        return b"".join(stream)

    def _frames(self, message: bytes, *, compressing: bool) -> bytes:
        """Return a message as one frame, or in pieces, sometimes with a header that nobody should send."""
        bits = 0x80
        if compressing and self._chance.random() < 0.5:
            stream = zlib.compressobj(6, zlib.DEFLATED, -self._chance.choice((9, 12, 15)))
            if self._chance.random() < 0.02:
                message = b" " * 10_000_000
            message, bits = (stream.compress(message) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4], 0xC0
        if self._chance.random() < 0.02:
            bits = self._chance.randrange(16) << 4
        if self._chance.random() < 0.7:
            opcode = self._chance.randrange(16) if self._chance.random() < 0.02 else frames.TEXT
            return frames.frame(message, opcode, first=bits, masked=self._chance.random() > 0.01)
        cuts = sorted(self._chance.randint(0, len(message)) for _ in range(self._chance.randint(1, 5)))
        pieces = [message[start:end] for start, end in pairwise((0, *cuts, len(message)))]
        first = frames.frame(pieces[0], frames.TEXT, first=bits & 0x40)
        between = frames.frame(b"", frames.PING) if self._chance.random() < 0.3 else b""
        rest = [frames.frame(piece, 0, first=0) + between for piece in pieces[1:-1]]
        return b"".join((first, *rest, frames.frame(pieces[-1], 0)))

    def _text_line(self) -> bytes:
        kind = self._chance.random()
        if kind < 0.1:
            return self._noise(60)
        if kind < 0.2:
            return self._telnet()
        if kind < 0.35:
            return self._damaged(self._text().encode())
        word = self._chance.choice([*WORDS, "/help", "/hlep", "//", ":)", "/"])
        if word == "/quit" and self._chance.random() < 0.8:
            return b"/ping"
        if word in WORDS and self._chance.random() < 0.7:
            arguments = [str(self._value(parameter.field)) for parameter in WORDS[word].parameters]
        else:
            arguments = [self._argument() for _ in range(self._chance.choice((0, 1, 1, 2, 3)))]
        line = " ".join((word, *arguments)).encode(errors="replace")
        if word in WORDS and WORDS[word].command in _MAKE_ROOMS:
            return line if self._chance.random() < 0.8 else self._one(*_STORMS) + line
        return self._damaged(line)

    def _line_end(self, line: bytes, *, odd: bool) -> bytes:
        """Return what may end a line; what is to follow can't become a part of a new room's name."""
        makes_room = line.lstrip(b"".join(_STORMS)).startswith(_MAKE_ROOM_WORDS)
        return self._chance.choice(_LINE_ENDS[: None if odd and not makes_room else 2])

    def _json_line(self, op: str) -> bytes:
        row = OPERATIONS[op]
        if op in ("quit", "logout") and self._chance.random() < 0.8:
            op = "ping"
        data: Any = {name: self._value(name) for name in re.findall(r"\w+", row.data) if self._chance.random() < 0.8}
        if data and self._chance.random() < 0.1:  # the values change places
            data = dict(zip(data, self._chance.sample(list(data.values()), len(data)), strict=True))
        if self._chance.random() < 0.05:
            data = self._junk()
        request: dict[str, Any] = {"op": op, "id": self._one(1, 1, 1, 2**63, "a", self._junk()), "data": data}
        for name in list(request):
            if self._chance.random() < 0.05:
                request[name] = self._junk() if name != "data" else {}
            elif self._chance.random() < 0.05:
                del request[name]
        line = json.dumps(request, ensure_ascii=self._chance.random() < 0.5).encode(errors="surrogatepass")
        if self._chance.random() < 0.1:  # a field given twice
            line = line[:-1] + b", " + json.dumps(self._one("op", "id", "data")).encode() + b": 1}"
        return line if row.command in _MAKE_ROOMS else self._damaged(line)

    def _value(self, name: str) -> Any:
        """Return what may stand in a field, more or less."""
        if self._chance.random() < 0.15:
            return self._junk()
        usual: dict[str, Callable[[], Any]] = {
            "room": lambda: self._one(*_ROOMS),
            "text": self._text,
            "action": lambda: self._one(True, False),
            "color": lambda: self._one("teal", "#3a7bd5", None, "Teal", "#12"),
        }
        if name in usual:
            return usual[name]()
        if name in ("to", "user", "name"):
            return self._person()
        return self._one(0, 1, 5, 200, 10**6, -1, 2**53, 2**53 + 1)

    def _junk(self) -> Any:
        deep: Any = []
        for _ in range(self._chance.choice((1, 50, 400))):
            deep = [deep]
        strange: tuple[Any, ...] = (
            None,
            True,
            1.5,
            -1,
            2**70,
            1e300,
            float("inf"),
            float("nan"),
            "",
            "\ud800",
            {"a": {}},
            deep,
        )
        return self._one(*strange, self._one(*_ODD))

    def _argument(self) -> str:
        return str(self._one(self._one(*_ROOMS), self._one(*_PEOPLE), self._one(*_ODD), self._one(0, 1, 20, 10**7)))

    def _person(self) -> str:
        return str(self._one(*(_PEOPLE if self._chance.random() < 0.9 else _ODD)))

    def _text(self) -> str:
        length = self._chance.choice((0, 1, 5, 20, 100, 100, 2_100, 17_000 if self._chance.random() < 0.1 else 9, 9))
        if self._chance.random() < 0.005:
            length = _LONG
        return str((self._one("hello there ", "x", "käse ☕ ", "e\u0301", *_ODD) * length)[:length])

    def _telnet(self) -> bytes:
        kind = self._chance.random()
        if kind < 0.5:
            return IAC + bytes((self._chance.randrange(236, 256), self._chance.randrange(256)))
        if kind < 0.8:
            return SB + self._noise(12) + self._chance.choice((SE, SE, b""))
        storm: bytes = self._one(*_STORMS)
        return storm * self._chance.choice((1, 10, 2_000))

    def _damaged(self, line: bytes) -> bytes:
        """Return ``line``, mostly with nothing wrong, else with a part of it taken out, changed, doubled or added."""
        if self._chance.random() < 0.6:
            return line
        start, end = sorted(self._chance.randint(0, len(line)) for _ in range(2))
        part = line[start:end]
        other: bytes = self._one(
            b"", self._noise(len(part)), part * 2, part[::-1], self._telnet(), b"\x7f" * 3, part + b"\n"
        )
        return line[:start] + other + line[end:]

    def _noise(self, most: int) -> bytes:
        return self._chance.randbytes(self._chance.randint(0, most))

    def _one(self, *choices: Any) -> Any:
        return self._chance.choice(choices)
