"""Readers that resume: through torn connections and kills each reads every entry of its rooms once, in order."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from typing import Any

from tests.daemon import Daemon, JsonClient, Refused, SocketStream
from tests.faults.storm import ROOMS, Record

# How long a follower reads before it tears its connection, at the most.
_CALM_SECONDS = 0.1


class Follower:
    """One person with one session, from the first round to the last.

    ``resumed`` counts how often the session went on, ``begun`` how often a new one had to be.
    """

    def __init__(self, name: str, record: Record, seed: int) -> None:
        self.resumed = 0
        self.begun = 0
        self._name = name
        self._record = record
        self._chance = random.Random(f"{seed} {name}")
        self._code = ""
        self._cursors: dict[str, int] = {}
        self._client: JsonClient | None = None
        self._thread: threading.Thread | None = None

    def follow(self, daemon: Daemon) -> None:
        """Come back and read until the daemon is gone, tearing the connection now and then."""
        self._thread = threading.Thread(target=self._run, args=(daemon,))
        self._thread.start()

    def end(self) -> None:
        """Return once the connection has ended with the daemon."""
        assert self._thread is not None
        self._thread.join(20)
        assert not self._thread.is_alive(), f"{self._name} has not ended"

    def read_all(self, daemon: Daemon, heads: dict[str, int]) -> None:
        """Come back and read up to ``heads``."""
        self._come(daemon)
        assert self._client is not None
        while any(self._cursors[room] < heads[room] for room in ROOMS):
            self._take(self._client.read())
        self._tear()

    def _run(self, daemon: Daemon) -> None:
        try:
            while True:
                self._come(daemon)
                assert self._client is not None
                deadline = time.monotonic() + self._chance.uniform(0, _CALM_SECONDS)
                while time.monotonic() < deadline:
                    self._take(self._client.read())
                self._tear()
        except (EOFError, ConnectionError, OSError):
            pass  # killed

    def _come(self, daemon: Daemon) -> None:
        client = self._client = daemon.json()
        if not self._code:
            self._begin(client)
            return
        try:
            answer = client.request("resume", session=self._code, cursors=self._cursors)
        except Refused as refused:  # nothing was kept yet when the daemon was killed
            if self.resumed or refused.code != "no-such-session":
                self._record.faults.append(f"{self._name} can't go on: {refused}")
            self._begin(client)
            return
        self._code = answer["session"]
        self.resumed += 1
        joined = {room["room"]: room["after"] for room in answer["rooms"]}
        if joined != self._cursors and joined.keys() == self._cursors.keys():
            self._record.faults.append(f"{self._name} stood at {self._cursors} and goes on at {joined}")
        for room in [room for room in ROOMS if room not in joined]:
            client.request("join", room=room, after=self._cursors.get(room, 0))
            self._record.faults.append(f"{self._name} is not in {room} any more")
        self._take_events(client)

    def _begin(self, client: JsonClient) -> None:
        self.begun += 1
        self._code = client.request("login", name=f"{self._name}.{self.begun}")["session"]
        for room in ROOMS:
            head = client.request("join", room=room, last=0)["head"]
            if self._cursors.setdefault(room, head) != head:
                self._cursors[room] = head  # what came between was another session's
        self._take_events(client)

    def _take_events(self, client: JsonClient) -> None:
        events, client.events = client.events, []
        for event in events:
            self._take(event)

    def _take(self, received: dict[str, Any]) -> None:
        data = received["data"]
        if received["op"] == "gap":
            self._record.faults.append(f"{self._name} was told of a gap: {data}")
        if received["op"] != "message":
            return
        room, seq = data["room"], data["seq"]
        if seq != self._cursors[room] + 1:
            self._record.faults.append(f"{self._name} read {room}:{seq} after {self._cursors[room]}")
        self._cursors[room] = seq
        self._record.display(data)

    def _tear(self) -> None:
        """Break the connection as a network does: by RST."""
        assert self._client is not None
        assert isinstance(self._client.stream, SocketStream)
        self._client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._client.close()
