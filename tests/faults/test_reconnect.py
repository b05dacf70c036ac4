"""Two thousand sessions lose their connections at once and come back: nobody is lost, and the server stays awake."""

from __future__ import annotations

import resource
import selectors
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.daemon import Daemon, JsonClient, SocketStream, eventually, lacking

_SESSIONS = 2_000
_PER_ROOM = 50
_SAID = 3
_BOUND_SECONDS = 120.0


def test_two_thousand_sessions_drop_at_once_and_resume(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2 * _SESSIONS + 200:
        lacking(f"only {hard} files may be open here (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * _SESSIONS + 200, hard))
    with Daemon(tmp_path / "data") as daemon:
        writer = daemon.json("writer")
        for number in range(_SESSIONS // _PER_ROOM):
            writer.request("join", room=f"room{number}")
        codes = [_come(daemon, number) for number in range(_SESSIONS)]
        people = [client for client, _ in codes]
        pulse = Pulse(daemon)
        begun = time.monotonic()
        for client in people:
            _reset(client)
        eventually(
            lambda: daemon.log.count(": the connection broke") == _SESSIONS, lambda: daemon.log[-2_000:], _BOUND_SECONDS
        )
        dropped = time.monotonic()
        for number in range(_SESSIONS // _PER_ROOM):
            for text in range(_SAID):
                writer.request("say", room=f"room{number}", text=f"while you were away {text}")
        resumed = time.monotonic()
        missed = _resume_all(daemon, [code for _, code in codes])
        ended = time.monotonic()
        worst = pulse.stop()
        left = [event for event in writer.events if event["op"] == "left"]
    assert left == []
    assert missed == [[1, 2, 3]] * _SESSIONS
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{_SESSIONS} sessions dropped in {dropped - begun:.2f} s, and were back with what they missed in "
            f"{ended - resumed:.2f} s; another's worst ping meanwhile: {worst * 1000:.0f} ms"
        )


def _come(daemon: Daemon, number: int) -> tuple[JsonClient, str]:
    client = daemon.json()
    code = client.request("login", name=f"p{number}")["session"]
    client.request("join", room=f"room{number // _PER_ROOM}", last=0)
    return client, code


def _reset(client: JsonClient) -> None:
    assert isinstance(client.stream, SocketStream)
    client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def _resume_all(daemon: Daemon, codes: list[str]) -> list[list[int]]:
    """Resume all at once; return the numbers of the entries that each was told, once each has heard who is there."""
    selector = selectors.DefaultSelector()
    buffers: list[bytes] = []
    heard: list[list[int]] = []
    for number, code in enumerate(codes):
        stream = daemon.connect()
        data = {"session": code, "cursors": {f"room{number // _PER_ROOM}": 0}}
        stream.send(msgspec.json.encode({"op": "resume", "id": 1, "data": data}) + b"\n")
        stream.socket.setblocking(False)
        selector.register(stream.socket, selectors.EVENT_READ, number)
        buffers.append(b"")
        heard.append([])
    waiting = len(codes)
    deadline = time.monotonic() + _BOUND_SECONDS
    while waiting:
        assert time.monotonic() < deadline, f"{waiting} have not come back"
        for key, _ in selector.select(1.0):
            sock: Any = key.fileobj
            *lines, buffers[key.data] = (buffers[key.data] + sock.recv(65_536)).split(b"\n")
            for line in map(msgspec.json.decode, lines):
                assert line.get("status") != "error", line
                if line["op"] == "message":
                    heard[key.data].append(line["data"]["seq"])
                elif line["op"] == "members":
                    waiting -= 1
    selector.close()
    return heard


class Pulse:
    """Somebody else, who pings without end: the longest answer is the reactor's worst pause, and a little more."""

    def __init__(self, daemon: Daemon) -> None:
        self._client = daemon.json("pulse")
        self._worst = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> float:
        """Return the longest time that a ping took, in seconds."""
        self._stopping.set()
        self._thread.join(20)
        return self._worst

    def _run(self) -> None:
        while not self._stopping.wait(0.002):
            asked = time.monotonic()
            self._client.request("ping")
            self._worst = max(self._worst, time.monotonic() - asked)
