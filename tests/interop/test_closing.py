"""Peers that close, break off, or read byte by byte while they are written to, over real sockets."""

from __future__ import annotations

import itertools
import json
import socket
import struct
import threading
from typing import Any

import pytest

from tests.daemon import PATIENCE_SECONDS, Daemon, JsonClient, SocketStream

_MESSAGES = 1_500
_AT_ONCE = 50
_FIRST = _LAST = 200
# In all well below what a reader may leave unread (1 MiB), so that a slow one is never closed for it.
_TEXT = "x" * 100
# The least a kernel takes for us; Linux doubles it.
_SMALL_BUFFER_BYTES = 4 * 1024
# So many of these are more than the kernel holds for a connection (its largest send buffer is 4 MiB by default).
_LONG_TEXT = "x" * 15_000
_LONG_TEXTS = 500


class Storm:
    """A program that says ``_MESSAGES`` things in the lobby from a thread of its own, and hears each of them.

    Within the block it has said some of them already, and the last ones remain to be said until `end`, or its end.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._talker = daemon.json("tina")
        self._talker.request("join", room="lobby")
        self.answered = 0
        self._under_way = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._talk)

    def __enter__(self) -> Storm:
        self._thread.start()
        assert self._under_way.wait(PATIENCE_SECONDS)
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive()

    def end(self) -> None:
        """Let it come to its end."""
        self._ending.set()

    def _talk(self) -> None:
        for start in range(0, _MESSAGES, _AT_ONCE):
            if start >= _MESSAGES - _LAST:
                self._ending.wait(PATIENCE_SECONDS)
            numbers = range(start, start + _AT_ONCE)
            asked = [self._talker.line("say", room="lobby", text=f"{number} {_TEXT}") for number in numbers]
            self._talker.stream.send(b"".join(line for _, line in asked))
            for identifier, _ in asked:
                self._talker.reply(identifier)
                self.answered += 1
            if start >= _FIRST:
                self._under_way.set()


class InPieces(SocketStream):
    """A connection that is read in pieces of all sizes."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._sizes = itertools.cycle((1, 2, 7, 4_000, 60_000))

    def receive(self, seconds: float) -> bytes:
        self.socket.settimeout(seconds)
        return self.socket.recv(next(self._sizes))


def _enter(daemon: Daemon, name: str, *, receive_buffer: int | None = None) -> JsonClient:
    client = JsonClient(daemon.connect(receive_buffer=receive_buffer), name)
    client.request("join", room="lobby", last=0)
    return client


def _socket(client: JsonClient) -> socket.socket:
    assert isinstance(client.stream, SocketStream)
    return client.stream.socket


def _close(client: JsonClient) -> None:
    """Send a FIN; what comes later is answered by a reset."""
    sock = _socket(client)
    sock.shutdown(socket.SHUT_WR)
    sock.close()


def _reset(client: JsonClient) -> None:
    sock = _socket(client)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def _end(client: JsonClient) -> None:
    client.stream.end()


def _read_to_the_end(client: JsonClient) -> list[dict[str, Any]]:
    lines = []
    try:
        while True:
            lines.append(client.read())
    except EOFError:
        return lines


def _numbers(lines: list[dict[str, Any]]) -> list[int]:
    return [line["data"]["seq"] for line in lines if line["op"] == "message"]


@pytest.mark.parametrize("part", [_close, _reset, _end], ids=["closed", "reset", "half-closed"])
def test_who_parts_while_being_written_to_leaves_at_most_once_and_nobody_else_misses_anything(
    daemon: Daemon, part: Any
) -> None:
    witness = _enter(daemon, "wanda")
    parting = [_enter(daemon, f"part{number}") for number in range(8)]
    with Storm(daemon) as storm:
        for client in parting:
            assert client.read()["op"] in ("joined", "message")
            part(client)
        assert storm.answered < _MESSAGES
    assert storm.answered == _MESSAGES

    seen: list[dict[str, Any]] = []
    left: list[str] = []
    torn = part is _reset  # these may come back: nobody is told that they left
    while len(left) < len(parting) * (not torn) or len(_numbers(seen)) < _MESSAGES:
        seen.append(witness.read())
        if seen[-1]["op"] == "left":
            left.append(seen[-1]["data"]["user"]["name"])
    assert _numbers(seen) == list(range(1, _MESSAGES + 1))
    witness.events.clear()
    parted = [f"part{number}" for number in range(8)]
    assert [user["name"] for user in witness.request("users")["users"]] == ["wanda", *(parted if torn else []), "tina"]
    assert witness.events == []
    assert sorted(left) == ([] if torn else parted)
    if part is _end:
        for client in parting:
            numbers = _numbers(_read_to_the_end(client))
            assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert "Traceback" not in daemon.log
    assert "Unhandled" not in daemon.log


@pytest.mark.parametrize("crowded", [False, True], ids=["quiet", "in a storm"])
def test_a_half_closed_peer_gets_every_answer_and_event_and_then_the_end(daemon: Daemon, crowded: bool) -> None:
    witness = _enter(daemon, "wanda")
    nina = _enter(daemon, "nina")
    asked = [nina.line("say", room="lobby", text=f"word {number}") for number in range(300)]
    asked.append(nina.line("history", room="lobby", limit=200))

    def speak_and_end() -> list[dict[str, Any]]:
        nina.stream.send(b"".join(line for _, line in asked))
        nina.stream.end()
        return _read_to_the_end(nina)

    if crowded:
        with Storm(daemon):
            lines = speak_and_end()
    else:
        lines = speak_and_end()

    replies = [line for line in lines if "status" in line]
    assert [reply["id"] for reply in replies] == [identifier for identifier, _ in asked]
    assert all(reply["status"] == "ok" for reply in replies)
    numbers = _numbers(lines)
    assert numbers == list(range(1, len(numbers) + 1))
    own = [line["data"] for line in lines if line["op"] == "message" and line["data"]["from"] == "nina"]
    assert [message["text"] for message in own] == [f"word {number}" for number in range(300)]
    assert [reply["data"]["seq"] for reply in replies[:-1]] == [message["seq"] for message in own]
    shown = [entry["seq"] for entry in replies[-1]["data"]["entries"]]
    assert shown == list(range(shown[0], shown[-1] + 1))
    assert len(shown) == 200
    assert own[-1]["seq"] <= shown[-1] <= numbers[-1]
    assert witness.event("left")["user"]["name"] == "nina"
    assert "Traceback" not in daemon.log


def test_who_reads_byte_by_byte_in_a_storm_gets_every_byte(daemon: Daemon) -> None:
    slow = _enter(daemon, "sloane", receive_buffer=_SMALL_BUFFER_BYTES)
    sock = _socket(slow)
    sock.settimeout(PATIENCE_SECONDS)
    stream = bytearray()
    last = b"%d %s" % (_MESSAGES - 1, _TEXT.encode())
    with Storm(daemon) as storm:
        storm.end()
        while not (stream.endswith(b"\n") and last in stream[-500:]):
            byte = sock.recv(1)
            assert byte, "closed for reading slowly"
            stream += byte
    assert storm.answered == _MESSAGES
    lines = [json.loads(line) for line in stream.splitlines()]
    assert _numbers(lines) == list(range(1, _MESSAGES + 1))
    assert slow.request("ping") == {}
    assert "Traceback" not in daemon.log


def test_who_wakes_up_in_a_storm_gets_every_byte_through_a_full_socket(daemon: Daemon) -> None:
    witness = _enter(daemon, "wanda")
    slow = JsonClient(InPieces(daemon.connect(receive_buffer=_SMALL_BUFFER_BYTES).socket), "sloane")
    slow.request("join", room="lobby", last=0)
    for _ in range(_LONG_TEXTS):
        witness.request("say", room="lobby", text=_LONG_TEXT)
        witness.events.clear()
    texts: list[str] = []
    with Storm(daemon) as storm:
        storm.end()
        while len(texts) < _LONG_TEXTS + _MESSAGES:
            line = slow.read()
            if line["op"] == "message":
                texts.append(line["data"]["text"])
                assert line["data"]["seq"] == len(texts)
    assert texts == [_LONG_TEXT] * _LONG_TEXTS + [f"{number} {_TEXT}" for number in range(_MESSAGES)]
    assert slow.request("ping") == {}
    assert "Traceback" not in daemon.log
