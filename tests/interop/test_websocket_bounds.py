"""What one WebSocket may take of the daemon: its bounds, each with its close, and others who notice nothing.

How floods of them go is in `tests/faults/test_floods.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.daemon import Daemon, JsonClient
from tests.interop.rawwebsocket import CLOSE, CONTINUATION, PING, PONG, TEXT, RawWebSocket, deflate, encode

_DEFLATE = "permessage-deflate"
# What a message may have.
_MOST_BYTES = 65_536
_FRAGMENTS = 100_000
_MOST_KIB = 2 * 1024


@pytest.fixture
def witness(daemon: Daemon) -> Iterator[JsonClient]:
    """Somebody who talks before and after, and hears of nothing else."""
    wanda = daemon.json("wanda")
    wanda.request("join", room="lobby", last=0)
    yield wanda
    assert wanda.request("say", room="lobby", text="still here")["seq"] == 1
    assert [event["op"] for event in wanda.events] == ["message"]
    assert "Traceback" not in daemon.log


def _memory(daemon: Daemon) -> int:
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


def _padded(size: int) -> bytes:
    message = b'{"op":"ping","id":"long"}'
    return message + b" " * (size - len(message))


def test_a_message_may_have_so_many_bytes_before_login_and_after(daemon: Daemon, witness: JsonClient) -> None:
    for extensions, name in ((None, None), (None, "nina"), (_DEFLATE, None), (_DEFLATE, "jim")):
        client = RawWebSocket(daemon.connect(), name, extensions=extensions)
        client.send(encode(TEXT, _padded(_MOST_BYTES)))
        assert json.loads(client.read().text)["status"] == "ok"
        long = _padded(_MOST_BYTES + 1)
        client.send(encode(TEXT, deflate(long), reserved=4) if extensions else encode(TEXT, long))
        assert client.read_to_end()[-1].code == 1009


def test_much_before_login_is_too_much(daemon: Daemon, witness: JsonClient) -> None:
    client = RawWebSocket(daemon.connect())
    client.send(*[encode(PING, b"x" * 125)] * 2_000)
    last = client.read_to_end()[-1]
    assert (last.opcode, last.code, last.reason) == (CLOSE, 1009, "line-too-long")


def test_a_bomb_costs_no_more_than_a_message_may_have(daemon: Daemon, witness: JsonClient) -> None:
    client = RawWebSocket(daemon.connect(), "nina", extensions=_DEFLATE)
    before = _memory(daemon)
    bomb = deflate(bytes(60 * 1024 * 1024))
    assert len(bomb) < _MOST_BYTES
    client.send(encode(TEXT, bomb, reserved=4))
    last = client.read_to_end()[-1]
    assert (last.opcode, last.code) == (CLOSE, 1009)
    assert _memory(daemon) - before < _MOST_KIB


def test_a_bomb_in_pieces(daemon: Daemon, witness: JsonClient) -> None:
    client = RawWebSocket(daemon.connect(), "nina", extensions=_DEFLATE)
    bomb = deflate(bytes(60 * 1024 * 1024))
    client.send(encode(TEXT, bomb[:20], fin=False, reserved=4))
    for start in range(20, len(bomb), 100):
        try:
            client.send(encode(CONTINUATION, bomb[start : start + 100], fin=start + 100 >= len(bomb)))
        except ConnectionError:
            break
    last = client.read_to_end()[-1]
    assert (last.opcode, last.code) == (CLOSE, 1009)


@pytest.mark.parametrize("masked", [True, False])
def test_a_frame_that_never_ends_is_nothing(daemon: Daemon, witness: JsonClient, masked: bool) -> None:
    client = RawWebSocket(daemon.connect(), "nina")
    client.send(encode(TEXT, b"{", size=_MOST_BYTES, masked=masked))
    if not masked:
        assert client.read_to_end()[-1].code == 1002
    client.stream.close()


def test_as_many_fragments_as_a_message_has_bytes(daemon: Daemon, witness: JsonClient) -> None:
    client = RawWebSocket(daemon.connect(), "nina")
    before = _memory(daemon)
    message = [bytes((byte,)) for byte in _padded(_MOST_BYTES)]
    first, *between, last = message
    client.send(encode(TEXT, first, fin=False), *(encode(CONTINUATION, one, fin=False) for one in between))
    client.send(encode(PING, b"between"))
    frame = client.read()
    assert (frame.opcode, frame.data) == (PONG, b"between")
    assert _memory(daemon) - before < _MOST_KIB
    client.send(encode(CONTINUATION, last))
    assert json.loads(client.read().text)["status"] == "ok"


def test_100_000_fragments_of_a_byte_are_too_many_and_empty_ones_are_not(daemon: Daemon, witness: JsonClient) -> None:
    client = RawWebSocket(daemon.connect(), "nina")
    before = _memory(daemon)
    client.send(encode(TEXT, b"{", fin=False), *[encode(CONTINUATION, fin=False)] * _FRAGMENTS)
    client.send(encode(CONTINUATION, b'"op":"ping","id":"end"}'))
    assert json.loads(client.read().text)["status"] == "ok"
    client.send(encode(TEXT, b"{", fin=False))
    with suppress(ConnectionError):  # it is closed before all is sent
        client.send(*[encode(CONTINUATION, b" ", fin=False)] * _FRAGMENTS)
    assert client.read_to_end()[-1].code == 1009
    assert _memory(daemon) - before < _MOST_KIB
