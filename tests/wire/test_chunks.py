"""A stream of bytes means the same however it is cut, on each wire, and whatever is wrong with it."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tcpchat.wire.phrases import NAME_QUESTION
from tests.house import House, Script, Terminal

_CUTS = st.lists(st.integers(0, 400), max_size=12)
_EVERY_BYTE = list(range(2_000))

_ENDS = st.sampled_from([b"\r\n", b"\n", b"\r\0", b"\r\r\n", b"\r", b"\n\n", b"\r\n\r\n"])
_SPOKEN = st.text(st.characters(codec="utf-8"), max_size=12).map(str.encode)
_WORDS = st.sampled_from(
    [
        *(b"nina", b"bob", "ünï🐟".encode(), b"/nick ada", b":)", b"//help", b"/me", b"GET ", b"P", b"{"),
        *(b"/join tea", b"/leave", b"/topic x", b"/say lobby hi", b"/msg bob psst", b"/who", b"/history 3"),
    ]
)
_KEYS = st.sampled_from([b"\b", b"\x7f", b"\x7f\x7f", b"\0", b"\x04", b"\t", b"\x1b[A"])
_BROKEN = st.sampled_from([b"\xff", b"\xff\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\x80", b"x" * 5_000])
# A window so wide that nothing is wrapped: when a width is known decides which lines are.
_TELNET = st.sampled_from(
    [
        *(b"\xff\xf1", b"\xff\xf6", b"\xff\xfb\x03", b"\xff\xfd\x01", b"\xff\xfb\x18", b"\xff\xfb\x1f"),
        b"\xff\xfa\x18\0xterm\xff\xf0",
        b"\xff\xfa\x1f\x01\xf4\0\x18\xff\xf0",
        b"\xff\xfa\x2a\n\r\0\xff\xff\xff\xf0",
        b"\xff\xfa",
    ]
)
_TEXT = st.lists(st.one_of(_WORDS, _ENDS, _ENDS, _SPOKEN, _KEYS, _TELNET, _BROKEN), max_size=25).map(b"".join)
# At the end, since what telnet asks after it may be answered or not.
_LAST = st.sampled_from([b"", b"", b"\n/quit\r\n", b"\n/quit"])

_OPERATIONS = st.sampled_from(
    [
        {"op": "say", "data": {"room": "lobby", "text": "ünï🐟"}},
        {"op": "say", "id": 1, "data": {"room": "lobby", "text": "hi", "action": True}},
        {"op": "tell", "id": 2, "data": {"to": "bob", "text": "psst"}},
        {"op": "JOIN", "id": "x", "data": {"room": "tea"}},
        {"op": "leave", "id": 3, "data": {"room": "tea"}},
        {"op": "history", "id": 4, "data": {"room": "lobby"}},
        {"op": "nick", "id": 5, "data": {"name": "éva"}},
        {"op": "msg", "data": "hello"},
        {"op": "logout"},
        {"op": "login", "id": 6, "data": {"name": "nina"}},
        {"op": "nothing", "id": 7},
        {"op": "quit", "id": 8},
    ]
)
_ODD = st.sampled_from([b"", b" ", b"[]", b'{"op":', b"{" * 2_000, b"\xff\xfb\x01", b'{"op":"\xc3"}', b'"'])
_LINES = st.one_of(
    _OPERATIONS.map(lambda it: json.dumps(it, ensure_ascii=False).encode()),
    _OPERATIONS.map(lambda it: json.dumps(it).encode()),
    _ODD,
    st.binary(max_size=12),
)
_JSON = st.lists(
    st.tuples(_LINES, st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\r\n"])).map(b"".join), max_size=12
).map(b"".join)


def _pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    return [stream[start:end] for start, end in pairwise(places)]


class _Meeting:
    """Bob and Eve, who are in the lobby, and somebody whose bytes are cut."""

    def __init__(self) -> None:
        self.house = House()
        self.bob = Script(self.house, "bob")
        self.bob.enter("lobby")
        self.eve = Terminal(self.house, "eve")
        self.bob.take()
        self.peer = self.house.connect()

    def send(self, pieces: list[bytes], *, pausing: bool) -> None:
        """Let the peer send pieces, with time for answers between them or not, and end its half."""
        for piece in pieces:
            if not self.peer.closed:
                self.peer.receive(piece)
            if pausing:
                self.house.settle()
        self.house.settle()
        self.eve.type("so many words " * 40)  # as wide as the peer has said
        if not self.peer.closed:
            self.peer.end()
        self.house.settle()

    def came(self, *, in_order: bool) -> list[Any]:
        """Return all that came of it: what the peer reads, what the others do, the log, and who is still there.

        What is committed in one batch decides in which order two rooms speak, and answers to them; and whoever comes
        and goes in one moment is one line for a person.
        """
        seen = [line for line in self.eve.transport.take().splitlines() if not _MOVES.match(line)]
        answers, negotiation = _sorted_out(self.peer.take())
        read = [answers, self.bob.transport.take().splitlines(), seen]
        logs = [
            [(e.seq, e.draft.name, e.draft.kind, e.draft.text) for e in log] for log in self.house.store.logs.values()
        ]
        rooms = {room.label: (room.topic, room.users) for room in self.house.hub.rooms}
        return [read if in_order else list(map(sorted, read)), negotiation, sorted(logs), rooms, self.peer.closed]


_MOVES = re.compile(rb"[^:]* (?:joined|left|came to) lobby\b")
_NEGOTIATION = re.compile(rb"\xff\xfa[^\xff]*\xff\xf0|\xff[\xfb-\xfe].", re.DOTALL)


def _sorted_out(answered: bytes) -> tuple[list[bytes], bytes]:
    """Return the answers to lines, and those to telnet's commands, which come as soon as the bytes do.

    Who sends empty lines instead of a name is asked for it once for those that come together.
    """
    lines = _NEGOTIATION.sub(b"", answered).replace(b"[Yes]\r\n", b"")
    question = re.escape(f"{NAME_QUESTION}\r\n".encode())
    negotiation = b"".join(_NEGOTIATION.findall(answered)) + b"[Yes]" * answered.count(b"[Yes]\r\n")
    return re.sub(b"(?:%b)+" % question, b"?\r\n", lines).splitlines(), negotiation


def _compare(stream: bytes, cuts: list[int]) -> None:
    for pausing in (False, True):
        whole, cut = _Meeting(), _Meeting()
        whole.send([stream], pausing=False)
        cut.send(_pieces(stream, cuts), pausing=pausing)
        assert cut.came(in_order=not pausing) == whole.came(in_order=not pausing)


@given(st.tuples(_TEXT, _LAST).map(b"".join), _CUTS)
@example("nina\r\nhellü\b\b\bp\r\0ünï🐟\n/quit\r\n".encode(), _EVERY_BYTE)
@example(
    "nina\xff\xfb\x1f\r\nh\xff\xf1i\r\xff\xf1\0\xff\xfa\x1f\x01\xf4\0\x18\xff\xf0ü\n".encode("latin-1"), _EVERY_BYTE
)
@example(b"GET\r\nPOS\xffT\r\n", _EVERY_BYTE)
@example(b"nina\n" + b"x" * 65_537 + b"\nhi\n", [4, 4_200, 65_000, 65_541, 65_543])
@example(b"x" * 4_097 + b"\r\nnina\nhi\n", [2, 4_095, 4_096, 4_097, 4_098, 4_099])
def test_text_means_the_same_however_it_is_cut(stream: bytes, cuts: list[int]) -> None:
    _compare(stream, cuts)


@given(st.binary(max_size=60).map(lambda it: b"nina\n" + it), _CUTS)
def test_any_bytes_at_all_mean_the_same_however_they_are_cut(stream: bytes, cuts: list[int]) -> None:
    _compare(stream, cuts)


@given(_JSON, _CUTS)
@example(b'{"op":"say","data":{"room":"lobby","text":"\xc3\xbc\xf0\x9f\x90\x9f"}}\r\n{"op":"quit","id":1}', _EVERY_BYTE)
@example(b'{"op": "hello", "id": 1}\n\n\r\r\n', _EVERY_BYTE)
@example(b"x" * 65_537 + b"\n{}\n", [65_000, *range(65_610, 65_630)])
@example(b"x" * 65_536 + b"\r\n{}\n", [65_000, *range(65_610, 65_630)])
def test_json_lines_mean_the_same_however_they_are_cut(stream: bytes, cuts: list[int]) -> None:
    _compare(b'{"op":"login","id":0,"data":{"name":"nina"}}\n{"op":"join","data":{"room":"lobby"}}\n' + stream, cuts)
