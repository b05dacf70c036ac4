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


@given(st.lists(st.one_of(COMMANDS, TEXTS)), st.lists(st.integers(0, 200)))
def test_what_is_left_is_the_text_however_it_is_cut(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    telnet = TelnetFilter()
    start, left = 0, b""
    for cut in sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)}):
        left += telnet.feed(stream[start:cut])
        start = cut
    assert left == b"".join(part for part in parts if not part.startswith(b"\xff"))
