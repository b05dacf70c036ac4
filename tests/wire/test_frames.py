"""JSON's objects in WebSocket's frames: who shares them, and that they are understood."""

from __future__ import annotations

import zlib

import pytest

from tcpchat.wire.frames import deflated
from tests.frames import parse


def test_two_kinds_of_compressed_frames_serve_all() -> None:
    assert [len({deflated(bits) for bits in some}) for some in (range(9, 12), range(12, 16), range(9, 16))] == [1, 1, 2]


@pytest.mark.parametrize("bits", range(9, 16))
def test_a_window_is_no_larger_than_was_agreed_on(bits: int) -> None:
    # What is repeated is far apart, so that a larger window would be used.
    message = b"".join(b"%d and %d, " % (number, number * number) for number in range(2_000)) * 2
    frame = deflated(bits).frame(message)
    ((_, said, compressed),) = parse(frame)[0]
    assert compressed
    assert said == message
    data = frame[4:] + b"\x00\x00\xff\xff"
    assert zlib.decompressobj(-bits).decompress(data) == message
