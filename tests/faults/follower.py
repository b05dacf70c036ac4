"""Readers that resume: through torn connections and kills each reads every entry of its rooms once, in order."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from typing import Any

from tests.daemon import Daemon, JsonClient, Refused, SocketStream
from tests.faults.record import Record

ROOMS = ("lobby", "tea", "music")
# How long a follower stays before it tears its connection, at the most.
_CALM_SECONDS = 0.1


class Follower:
    """One person from the first round to the last, with one session as long as that can be.

    ``resumed`` counts how often the session went on, ``begun`` how often a new one had to be. ``under_way``: in this
    round it has been here.
    """

    def __init__(self, name: str, record: Record, seed: int) -> None:
        self.resumed = 0
        self.begun = 0
        self.under_way = threading.Event()
        self._name = name
        self._record = record
        self._chance = random.Random(f"{seed} {name}")
        self._code = ""
        # Whether the session is on disk by now: then it must go on after a kill.
        self._kept = False
        self._cursors: dict[str, int] = {}
        self._client: JsonClient | None = None
        self._thread: threading.Thread | None = None

    def follow(self, daemon: Daemon) -> None:
        """Come back and read until the daemon is gone, tearing the connection now and then."""
        self.under_way.clear()
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
        while any(self._cursors[room] < heads[room] for room in ROOMS):
            self._take(self._open_client.read())
        self._tear()

    @property
    def _open_client(self) -> JsonClient:
        assert self._client is not None
        return self._client

    def _run(self, daemon: Daemon) -> None:
        try:
            while True:
                self._come(daemon)
                self._stay(time.monotonic() + self._chance.uniform(0, _CALM_SECONDS))
                self._part()
        except (EOFError, OSError) as error:
            self._record.end(self._name, error)

    def _stay(self, deadline: float) -> None:
        self.under_way.set()
        while time.monotonic() < deadline:
            self._take(self._open_client.read())

    def _part(self) -> None:
        self._tear()

    def _come(self, daemon: Daemon) -> None:
        client = self._client = daemon.json()
        if not self._code:
            self._begin(client)
            return
        try:
            answer = client.request("resume", session=self._code, cursors=self._cursors)
        except Refused as refused:  # nothing was kept yet when the daemon was killed
            if self._kept or refused.code != "no-such-session":
                self._record.fault(f"{self._name} can't go on: {refused}")
            self._begin(client)
            return
        self._code = answer["session"]
        self.resumed += 1
        joined = {room["room"]: room["after"] for room in answer["rooms"]}
        if joined != self._cursors and joined.keys() == self._cursors.keys():
            self._record.fault(f"{self._name} stood at {self._cursors} and goes on at {joined}")
        for room in [room for room in ROOMS if room not in joined]:
            if self._kept:
                self._record.fault(f"{self._name} is not in {room} any more")
            self._cursors[room] = client.request("join", room=room, last=0)["head"]
        self._kept = True
        self._take_events(client)

    def _begin(self, client: JsonClient) -> None:
        self.begun += 1
        self._code, self._kept = self._log_in(client), False
        for room in ROOMS:
            self._cursors[room] = client.request("join", room=room, last=0)["head"]
        self._take_events(client)

    def _log_in(self, client: JsonClient) -> str:
        """Log in as a new guest, and return the session's code."""
        code: str = client.request("login", name=f"{self._name}.{self.begun}")["session"]
        return code

    def _take_events(self, client: JsonClient) -> None:
        events, client.events = client.events, []
        for event in events:
            self._take(event)

    def _take(self, received: dict[str, Any]) -> None:
        self._record.read(self._name, self._cursors, received)

    def _tear(self) -> None:
        """Break the connection as a network does: by RST."""
        reset(self._open_client)


def reset(client: JsonClient) -> None:
    """Break a connection by RST."""
    assert isinstance(client.stream, SocketStream)
    client.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
