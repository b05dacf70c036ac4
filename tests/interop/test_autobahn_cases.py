"""The cases of the Autobahn testsuite that apply to a server, by their numbers, against the real daemon.

An echo server is not what we are: a message is a ``ping`` of ours with something in it, and in place of the echo its
reply is awaited. Where the suite sends more than a message may have, the close is that of our bound; binary messages
are not taken (1003). Of invalid UTF-8 we say so at the end of the message (6.4: "non-strict").
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from tests.daemon import Daemon, JsonClient
from tests.interop.rawwebsocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    RawWebSocket,
    deflate,
    encode,
)

_MOST_BYTES = 65_536
# What is answered: a good message, and one that is no JSON.
_OK, _BAD = "ok", "error"
_NO_CODE = "closed without a code"
_BEFORE, _BEHIND = b'{"op":"ping","id":"case","data":{"text":"', b'"}}'
_MESSAGE = _BEFORE + b"Hello, world!" + _BEHIND


@dataclass(frozen=True)
class Case:
    """``sent``, in one packet, frame by frame (``chop`` 0) or in so many bytes at a time, and what is ``said`` to it.

    That is `_OK` or `_BAD` for a reply, bytes for a pong, a number or `_NO_CODE` for the close.
    """

    number: str
    sent: tuple[bytes, ...]
    said: tuple[str | bytes | int, ...]
    chop: int | None = None
    extensions: str | None = None

    def pieces(self) -> Iterable[bytes]:
        """Return what is sent at a time."""
        if self.chop is None:
            return [b"".join(self.sent)]
        if self.chop == 0:
            return self.sent
        whole = b"".join(self.sent)
        return [whole[start : start + self.chop] for start in range(0, len(whole), self.chop)]


def _of_size(size: int) -> bytes:
    """Return a message of ``size`` bytes, which is not answered if that is 0."""
    if not size:
        return b""
    return _BEFORE + b"*" * (size - len(_BEFORE) - len(_BEHIND)) + _BEHIND


def _text(data: bytes = _MESSAGE) -> bytes:
    return encode(TEXT, data)


def _fragments(*pieces: bytes, opcode: int = TEXT, reserved: int = 0) -> tuple[bytes, ...]:
    """Return the frames of one message in pieces."""
    last = len(pieces) - 1
    return tuple(
        encode(CONTINUATION if place else opcode, piece, fin=place == last, reserved=0 if place else reserved)
        for place, piece in enumerate(pieces)
    )


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def _close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    return encode(CLOSE, b"" if code is None else code.to_bytes(2) + reason)


def _numbered(prefix: str, cases: Iterable[tuple[object, ...]], **more: object) -> Iterator[Case]:
    for count, case in enumerate(cases, 1):
        yield Case(f"{prefix}.{count}", *case, **more)  # type: ignore[arg-type]


_PAIR = _fragments(_MESSAGE[:20], _MESSAGE[20:])
_WAYS = (None, 0, 1)


def _sizes() -> Iterator[Case]:
    sizes = (0, 125, 126, 127, 128, 65_535, 65_536)
    yield from _numbered("1.1", [((_text(_of_size(size)),), (_OK,) if size else ()) for size in sizes])
    yield Case("1.1.8", (_text(_of_size(65_536)),), (_OK,), chop=997)
    yield from _numbered("1.2", [((encode(BINARY, b"*" * size),), (1003,)) for size in sizes])
    yield Case("1.2.8", (encode(BINARY, b"*" * 65_536),), (1003,), chop=997)


def _pings() -> Iterator[Case]:
    binary = bytes.fromhex("00fffefdfcfb00ff")
    payloads = (b"", b"Hello, world!", binary, b"\xfe" * 125)
    yield from _numbered("2", [((encode(PING, payload),), (payload,)) for payload in payloads])
    yield Case("2.5", (encode(PING, b"\xfe" * 126),), (1002,))
    yield Case("2.6", (encode(PING, b"\xfe" * 125),), (b"\xfe" * 125,), chop=1)
    yield Case("2.7", (encode(PONG),), ())
    yield Case("2.8", (encode(PONG, b"unsolicited"),), ())
    yield Case("2.9", (encode(PONG, b"unsolicited"), encode(PING, b"ping")), (b"ping",))
    ten = [b"payload-%d" % number for number in range(10)]
    for number, way in (("2.10", None), ("2.11", 1)):
        yield Case(number, tuple(encode(PING, one) for one in ten), tuple(ten), chop=way)


def _reserved_bits() -> Iterator[Case]:
    yield Case("3.1", (encode(TEXT, _MESSAGE, reserved=1),), (1002,))
    for number, way in zip(("3.2", "3.3", "3.4"), _WAYS, strict=True):
        sent = (_text(), encode(TEXT, _MESSAGE, reserved=2), encode(PING))
        yield Case(number, sent, (_OK, 1002), chop=way)
    yield Case("3.5", (encode(BINARY, b"\x00\xff", reserved=5),), (1002,))
    yield Case("3.6", (encode(PING, b"Hello, world!", reserved=6),), (1002,))
    yield Case("3.7", (encode(CLOSE, b"\x03\xe8", reserved=7),), (1002,))


def _opcodes() -> Iterator[Case]:
    for group, first in (("4.1", 3), ("4.2", 11)):
        yield Case(f"{group}.1", (encode(first),), (1002,))
        yield Case(f"{group}.2", (encode(first + 1, b"reserved opcode payload"),), (1002,))
        for count, way in ((3, None), (4, 0), (5, 1)):
            wrong = encode(first + count - 1, b"reserved opcode payload" if count > 3 else b"")
            yield Case(f"{group}.{count}", (_text(), wrong, encode(PING)), (_OK, 1002), chop=way)


def _fragmentation() -> Iterator[Case]:
    yield Case("5.1", _fragments(b"frag", b"ment", opcode=PING), (1002,))
    yield Case("5.2", _fragments(b"frag", b"ment", opcode=PONG), (1002,))
    between = (_PAIR[0], encode(PING, b"between"), _PAIR[1])
    for first, sent, said in ((3, _PAIR, (_OK,)), (6, between, (b"between", _OK))):
        for count, way in enumerate(_WAYS):
            yield Case(f"5.{first + count}", sent, said, chop=way)
    for first, fin in ((9, True), (12, False)):
        for count, way in enumerate(_WAYS):
            sent = (encode(CONTINUATION, b"nothing to continue", fin=fin), _text())
            yield Case(f"5.{first + count}", sent, (1002,), chop=way)
    yield Case("5.15", (*_PAIR, encode(CONTINUATION, b"none", fin=False), _text()), (_OK, 1002))
    for number, fin in (("5.16", False), ("5.17", True)):
        round_ = (encode(CONTINUATION, b"none", fin=fin), *_PAIR)
        yield Case(number, round_ * 2, (1002,))
    yield Case("5.18", (_PAIR[0], _text()), (1002,))
    five = _fragments(*_cut(_MESSAGE, len(_MESSAGE) // 5 + 1))
    mixed = (*five[:2], encode(PING, b"1"), *five[2:4], encode(PING, b"2"), *five[4:])
    for number, way in (("5.19", None), ("5.20", 0)):
        yield Case(number, mixed, (b"1", b"2", _OK), chop=way)


# Its second letter is the one with three bytes.
_KOSME = "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()
_SURROGATES = ("eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf")
_NONCHARACTERS = (0xFFFE, 0xFFFF, *(plane << 16 | end for plane in range(1, 17) for end in (0xFFFE, 0xFFFF)))
# Of sections 6.5 to 6.23: the bytes, and whether they are UTF-8.
_UTF8: dict[str, list[tuple[bytes, bool]]] = {
    "6.5": [(one, True) for one in (b"Hello", _KOSME, b"Hello " + _KOSME, "\U0001f642".encode(), "äöü".encode())],
    "6.6": [(_KOSME[:end], end in (2, 5, 7, 9, 11)) for end in range(1, 12)],
    "6.7": [(chr(point).encode(), True) for point in (0x20, 0x80, 0x800, 0x10000)],
    "6.8": [(bytes.fromhex("f888808080"), False), (bytes.fromhex("fc8480808080"), False)],
    "6.9": [(chr(point).encode(), True) for point in (0x7F, 0x7FF, 0xFFFF, 0x10FFFF)],
    "6.10": [(bytes.fromhex(one), False) for one in ("f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf")],
    "6.11": [
        *((chr(point).encode(), True) for point in (0xD7FF, 0xE000, 0xFFFD, 0x10FFFF)),
        (bytes.fromhex("f4908080"), False),
    ],
    "6.12": [
        (b"\x80", False),
        (b"\xbf", False),
        *(((b"\x80\xbf" * 3)[:count], False) for count in range(2, 7)),
        (bytes(range(0x80, 0xC0)), False),
    ],
    "6.13": [
        (b" ".join(bytes((start,)) for start in range(first, last)) + b" ", False)
        for first, last in ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xF8), (0xF8, 0xFC), (0xFC, 0xFE))
    ],
    "6.14": [
        (bytes.fromhex(one), False)
        for one in ("c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf")
    ],
    "6.15": [(bytes.fromhex("c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf"), False)],
    "6.16": [(b"\xfe", False), (b"\xff", False), (b"\xfe\xfe\xff\xff", False)],
    "6.17": [(bytes.fromhex(one), False) for one in ("c0af", "e080af", "f08080af", "f8808080af", "fc80808080af")],
    "6.18": [(bytes.fromhex(one), False) for one in ("c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf")],
    "6.19": [(bytes.fromhex(one), False) for one in ("c080", "e08080", "f0808080", "f880808080", "fc8080808080")],
    "6.20": [(bytes.fromhex(one), False) for one in _SURROGATES],
    "6.21": [
        (bytes.fromhex(high + low), False) for high in _SURROGATES[:4] for low in (_SURROGATES[4], _SURROGATES[6])
    ],
    "6.22": [(chr(point).encode(), True) for point in _NONCHARACTERS],
    "6.23": [(chr(point).encode(), True) for point in (0xFFF9, 0xFFFA, 0xFFFB, 0xFFFC, 0xFFFD, 0xFEFF, 0x2060)],
}


def _utf8() -> Iterator[Case]:
    yield Case("6.1.1", (_text(b""),), ())
    yield Case("6.1.2", _fragments(b"", b"", b""), ())
    yield Case("6.1.3", _fragments(b"", _MESSAGE, b""), (_OK,))
    mixed = "Hello-µ@ßöäüàá-UTF-8!!".encode()
    good, wrong = _BEFORE + mixed + _BEHIND, _BEFORE + _KOSME + bytes.fromhex("eda080") + b"edited" + _BEHIND
    letters = len(_BEFORE) + len("Hello-µ".encode())
    yield Case("6.2.1", (_text(good),), (_OK,))
    yield Case("6.2.2", _fragments(good[:letters], good[letters:]), (_OK,))
    yield Case("6.2.3", _fragments(*_cut(good, 1)), (_OK,))
    yield Case("6.2.4", _fragments(*_cut(_BEFORE + _KOSME + _BEHIND, 1)), (_OK,))
    yield Case("6.3.1", (_text(wrong),), (1007,))
    yield Case("6.3.2", _fragments(*_cut(wrong, 1)), (1007,))
    start = len(_BEFORE)
    beyond = _BEFORE + _KOSME + bytes.fromhex("f4908080") + b"edited" + _BEHIND
    for number, end, way in (("6.4.1", 11, 0), ("6.4.2", 12, 0), ("6.4.3", 11, 8), ("6.4.4", 12, 8)):
        middle = start + end
        yield Case(number, _fragments(beyond[:middle], beyond[middle : middle + 4], beyond[middle + 4 :]), (1007,), way)
    for section, rows in _UTF8.items():
        sent = [((_text(_BEFORE + row + _BEHIND),), (_OK if good else 1007,)) for row, good in rows]
        yield from _numbered(section, sent)


def _closes() -> Iterator[Case]:
    yield Case("7.1.1", (_text(), _close()), (_OK, 1000))
    yield Case("7.1.2", (_close(), _close()), (1000,))
    yield Case("7.1.3", (_close(), encode(PING)), (1000,))
    yield Case("7.1.4", (_close(), _text()), (1000,))
    yield Case("7.1.5", (_PAIR[0], _close(), _PAIR[1]), (1002,))  # not whole: nothing may come but continuations
    yield Case("7.1.6", (_text(_of_size(256 * 1024)), _text(), _close(), encode(PING)), (1009,))
    yield Case("7.3.1", (_close(None),), (_NO_CODE,))
    yield Case("7.3.2", (encode(CLOSE, b"a"),), (1002,))
    yield Case("7.3.3", (_close(),), (1000,))
    yield Case("7.3.4", (_close(1000, b"Hello World!"),), (1000,))
    yield Case("7.3.5", (_close(1000, b"*" * 123),), (1000,))
    yield Case("7.3.6", (_close(1000, b"*" * 124),), (1002,))
    yield Case("7.5.1", (_close(1000, _KOSME + bytes.fromhex("eda080")),), (1007,))
    valid = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    yield from _numbered("7.7", [((_close(code),), (code,)) for code in valid])
    invalid = (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)
    yield from _numbered("7.9", [((_close(code),), (1002,)) for code in invalid])
    yield from _numbered("7.13", [((_close(code),), (1002,)) for code in (5000, 65_535)])


def _bounds() -> Iterator[Case]:
    kinds: tuple[tuple[int, int, str | int], ...] = ((1, TEXT, _OK), (2, BINARY, 1003))
    for (part, opcode, said), (count, size) in itertools.product(kinds, enumerate((64, 256, 1024, 4096), 1)):
        whole = _of_size(size * 1024)
        fits: str | int = said if size == 64 else 1009
        yield Case(f"9.{part}.{count}", (encode(opcode, whole),), (fits,))
        # Fragments and chops of 64 to 4,096 bytes.
        pieces = _cut(_of_size(_MOST_BYTES), 64 * 4 ** (count - 1))
        yield Case(f"9.{part + 2}.{count}", _fragments(*pieces, opcode=opcode), (said,))
        yield Case(f"9.{part + 4}.{count}", (encode(opcode, b"".join(pieces)),), (said,), 64 * 4 ** (count - 1))
    for count, size in enumerate((0, 64, 256, 1024, 4096), 1):
        yield Case(f"9.7.{count}", (_text(_of_size(size)),) * 1000, (_OK,) * 1000 if size else ())
    yield Case("9.8.1", (encode(BINARY, b"*"),) * 1000, (1003,))
    # Not of the suite: a byte too much, in one frame and in two; and much, told by a header alone.
    yield Case("9.9.1", (_text(_of_size(_MOST_BYTES + 1)),), (1009,))
    yield Case("9.9.2", _fragments(_of_size(_MOST_BYTES), b" "), (1009,))
    yield Case("9.9.3", (encode(TEXT, size=_MOST_BYTES * 2),), (1009,))
    yield Case("9.9.4", (encode(TEXT, size=2**63 - 1),), (1009,))
    yield Case("9.9.5", (encode(TEXT, size=2**64 - 1),), (1009,))
    yield Case("9.9.6", (encode(TEXT, _MESSAGE, masked=False),), (1002,))
    full, end = _fragments(_of_size(_MOST_BYTES), b"")
    yield Case("9.9.7", (full, encode(PING, b"full"), end), (b"full", _OK))
    yield Case("10.1.1", _fragments(*_cut(_of_size(_MOST_BYTES), 1300)), (_OK,))


_OFFERS = (
    "permessage-deflate",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
    "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",
    "permessage-deflate; server_no_context_takeover; server_max_window_bits=9; client_max_window_bits",
    "permessage-deflate; server_no_context_takeover; server_max_window_bits=15; client_max_window_bits",
    "permessage-deflate; server_max_window_bits=7, permessage-deflate; client_max_window_bits",
)


def _compression() -> Iterator[Case]:
    sizes = [64 * 4**step for step in range(6)]
    for part, fragmented in ((1, False), (2, True)):
        for count, size in enumerate((*sizes, 131_072), 1):
            data = deflate(_of_size(size), 9)
            pieces = _cut(data, 11) if fragmented else [data]
            said = (_OK,) * 20 if size <= _MOST_BYTES else (1009,)
            yield Case(f"12.{part}.{count}", _fragments(*pieces, reserved=4) * 20, said, extensions=_OFFERS[0])
    for count, offer in enumerate(_OFFERS, 1):
        sent = (*_fragments(deflate(_MESSAGE, 9), reserved=4), _text())
        yield Case(f"13.{count}.1", sent, (_OK, _OK), extensions=offer)
    offer = _OFFERS[0]
    noise = bytes(random.Random(1).choices(b"abcdefghijklmnopqrstuvwxyz0123456789", k=_MOST_BYTES))
    yield Case("12.3.1", (encode(TEXT, deflate(noise, level=0), reserved=4),), (_BAD,), extensions=offer)
    yield Case("12.3.2", (encode(TEXT, deflate(noise + b"x", level=0), reserved=4),), (1009,), extensions=offer)
    # Not of the suite: what is compressed wrongly.
    whole = deflate(_MESSAGE, 9)
    yield Case("13.8.1", (encode(TEXT, b"\xff\xff\xff\xff", reserved=4),), (1002,), extensions=offer)
    yield Case("13.8.2", (encode(TEXT, whole, reserved=4),), (1002,))  # nothing was agreed on
    first, second = _fragments(whole[:9], whole[9:], reserved=4)
    again = encode(CONTINUATION, whole[9:], reserved=4)
    yield Case("13.8.3", (first, again), (1002,), extensions=offer)
    yield Case("13.8.4", (first, encode(PING, b"between"), second), (b"between", _OK), extensions=offer)
    yield Case("13.8.5", (encode(PING, b"compressed", reserved=4),), (1002,), extensions=offer)
    yield Case("13.8.6", (encode(TEXT, deflate(b"\xff" * 100), reserved=4),), (1007,), extensions=offer)
    yield Case("13.8.7", (encode(TEXT, deflate(b"{" * 99), reserved=4),), (_BAD,), extensions=offer)
    yield Case("13.8.8", (encode(BINARY, whole, reserved=4),), (1003,), extensions=offer)


_CASES = [
    case
    for section in (
        _sizes, _pings, _reserved_bits, _opcodes, _fragmentation, _utf8, _closes, _bounds, _compression
    )
    for case in section()
]  # fmt: skip


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for all cases."""
    with Daemon(tmp_path_factory.mktemp("autobahn") / "data") as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def witness(daemon: Daemon) -> JsonClient:
    """Somebody who is to notice nothing."""
    return daemon.json("wanda")


def _told(frame: Frame) -> str | bytes | int:
    """Return what a frame says, as `Case` has it."""
    if frame.opcode == PONG:
        return frame.data
    if frame.opcode == CLOSE:
        return frame.code or _NO_CODE
    status: str = json.loads(frame.text)["status"]
    return status


@pytest.mark.parametrize("case", [pytest.param(case, id=case.number) for case in _CASES])
def test_a_case(daemon: Daemon, witness: JsonClient, case: Case) -> None:
    client = RawWebSocket(daemon.connect(), f"case-{case.number}", extensions=case.extensions)
    assert ("permessage-deflate" in client.head) is (case.extensions is not None)
    for piece in case.pieces():
        client.send(piece)
    if case.said and (case.said[-1] == _NO_CODE or isinstance(case.said[-1], int)):
        assert tuple(map(_told, client.read_to_end())) == case.said
    else:
        assert tuple(map(_told, map(partial(_next, client), case.said))) == case.said
        assert client.request("ping") == {}
        client.send(_close())
    client.stream.close()
    assert witness.request("ping") == {}


def _next(client: RawWebSocket, _: object) -> Frame:
    return client.read()


def test_no_case_is_there_twice() -> None:
    assert len({case.number for case in _CASES}) == len(_CASES)
