from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.protocols.basic import LineReceiver

from tcpchat.server.lines import LineSplitter
from tests.transport import MemoryTransport

CHUNKS = st.lists(st.binary(max_size=12).map(lambda raw: raw.replace(b"\x00", b"\n").replace(b"\x01", b"\r\n")))


class Recorder:
    """Notes what a line receiver hands over; a line ``raw`` switches to raw mode, a ``!`` back to lines."""

    MAX_LENGTH = 6

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[bytes] = []
        self.raw = b""
        self.exceeded: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line)
        if line == b"raw":
            self.setRawMode()  # type: ignore[attr-defined]

    def rawDataReceived(self, data: bytes) -> None:
        raw, mark, rest = data.partition(b"!")
        self.raw += raw
        if mark:
            self.setLineMode(rest)  # type: ignore[attr-defined]

    def lineLengthExceeded(self, line: bytes) -> None:
        self.exceeded.append(line)


class Ours(Recorder, LineSplitter):
    pass


class Theirs(Recorder, LineReceiver):
    delimiter = b"\n"
    transport = None

    def lineReceived(self, line: bytes) -> None:
        super().lineReceived(line.removesuffix(b"\r"))


@given(st.lists(st.sampled_from([b"ab", b"\n", b"\r\n", b"raw", b"!", b"c", b"", b"raw\nx\ny!z\n"])))
def test_it_hands_over_what_a_line_receiver_would(chunks: list[bytes]) -> None:
    ours, theirs = Ours(), Theirs()
    ours.MAX_LENGTH = theirs.MAX_LENGTH = 1000
    for chunk in chunks:
        ours.dataReceived(chunk)
        theirs.dataReceived(chunk)
    assert (ours.lines, ours.raw) == (theirs.lines, theirs.raw)
    assert ours.clearLineBuffer() == theirs.clearLineBuffer()


@given(st.binary(max_size=80).map(lambda raw: raw.replace(b"\x00", b"\n")), st.lists(st.integers(0, 80)))
def test_lines_do_not_depend_on_chunks(stream: bytes, cuts: list[int]) -> None:
    whole, cut = Ours(), Ours()
    whole.MAX_LENGTH = cut.MAX_LENGTH = 1000
    whole.dataReceived(stream)
    start = 0
    for end in sorted({*cuts, len(stream)}):
        cut.dataReceived(stream[start:end])
        start = max(start, end)
    assert _without_repeated_blanks(cut.lines) == _without_repeated_blanks(whole.lines)


def _without_repeated_blanks(lines: list[bytes]) -> list[bytes]:
    """Return ``lines`` with one for empty lines that follow each other: how many are handed over depends on chunks."""
    return [line for line, before in zip(lines, [b"-", *lines], strict=False) if line or before]


def test_a_line_as_long_as_allowed_and_one_byte_longer() -> None:
    for end in (b"\n", b"\r\n"):
        splitter = Ours()
        splitter.dataReceived(b"123456" + end + b"1234567" + end + b"rest")
        assert splitter.lines == [b"123456"]
        assert splitter.exceeded == [b"1234567" + end + b"rest"]


def test_a_line_without_end_is_noticed_before_its_end() -> None:
    splitter = Ours()
    splitter.dataReceived(b"1234567")
    assert splitter.exceeded == []  # its last byte may be the CR of its end
    splitter.dataReceived(b"8")
    assert splitter.exceeded == [b"12345678"]


def test_pausing_keeps_the_rest() -> None:
    class Pausing(Ours):
        def lineReceived(self, line: bytes) -> None:
            super().lineReceived(line)
            self.pauseProducing()

    splitter = Pausing()
    transport = MemoryTransport(splitter)
    splitter.makeConnection(transport)
    splitter.dataReceived(b"a\nb\nc")
    splitter.dataReceived(b"d\n")
    assert splitter.lines == [b"a"]
    assert transport.reading is False
    splitter.resumeProducing()
    splitter.resumeProducing()
    assert splitter.lines == [b"a", b"b", b"cd"]


def test_what_is_dropped_while_lines_are_handed_over_is_not_handed_over() -> None:
    class Impatient(Ours):
        def lineReceived(self, line: bytes) -> None:
            super().lineReceived(line)
            if line == b"a":
                self.keep_first_lines(1)

    lines = Impatient()
    lines.makeConnection(MemoryTransport(lines))
    lines.dataReceived(b"a\nb\nc\nd\n")
    lines.dataReceived(b"e\n")
    assert lines.lines == [b"a", b"b", b"e"]
