from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tcpchat.wire.telnet import TelnetFilter

COMMANDS = st.sampled_from(
    [
        b"\xff\xf1",  # NOP
        b"\xff\xfd\x01",  # DO ECHO
        b"\xff\xfb\x1f",  # WILL NAWS
        b"\xff\xfa\x1f\x00\x0a\x00\x18\xff\xf0",  # a window ten columns wide: a line feed in a subnegotiation
        b"\xff\xfa\x18\x00xterm\xff\xff\xff\xf0",  # a doubled IAC within
        b"\xff\xff",
    ]
)
TEXTS = st.text().map(str.encode)


def test_a_byte_255_that_begins_no_command_is_left_to_be_refused() -> None:
    assert TelnetFilter().feed(b"hello \xff\nsecond line\n") == b"hello \xff\nsecond line\n"
    telnet = TelnetFilter()
    assert telnet.feed(b"hello \xff") + telnet.feed(b"\n") == b"hello \xff\n"


@given(st.lists(st.one_of(COMMANDS, TEXTS)), st.lists(st.integers(0, 200)))
def test_what_is_left_is_the_text_however_it_is_cut(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    telnet = TelnetFilter()
    start, left = 0, b""
    for cut in sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)}):
        left += telnet.feed(stream[start:cut])
        start = cut
    assert left == b"".join(part for part in parts if not part.startswith(b"\xff"))
