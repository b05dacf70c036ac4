"""A storm of sends: writers and followers that come back in each round, and readers that are new in it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence

from tests.daemon import Daemon, JsonClient, TextClient
from tests.faults.follower import ROOMS, Follower
from tests.faults.record import Record

_READERS = 2

# How a person sees what a writer says, and what it has said before.
_SPOKEN = re.compile(r"writer[^:]*: (.*)")
_LOGGED = re.compile(r"writer[^:]*: (.*) \(\d\d:\d\d, (\w+):(\d+)\)")


class Storm:
    """One round; each goes on until the daemon is gone."""

    def __init__(self, daemon: Daemon, record: Record, number: int, people: Sequence[Follower]) -> None:
        self._daemon = daemon
        self._record = record
        self._people = people
        self._ambush: Callable[[], None] | None = None
        record.struck = False
        person = daemon.text(f"rita{number}")
        person.say(*(f"/join {room}" for room in ROOMS[1:]))
        person.hear(f"You are in {ROOMS[-1]}")
        self._threads = [threading.Thread(target=self._watch, args=(person,))]
        for index in range(_READERS):
            name = f"reader{number}.{index}"
            reader = daemon.json(name)
            cursors = {room: reader.request("join", room=room, last=0)["head"] for room in ROOMS}
            self._threads.append(threading.Thread(target=self._read, args=(name, reader, cursors)))

    def begin(self) -> None:
        """Start, and return once everybody has done what it comes for."""
        for thread in self._threads:
            thread.start()
        for person in self._people:
            person.follow(self._daemon)
        for person in self._people:
            assert person.under_way.wait(20), f"the storm doesn't begin: {self._record.faults}"

    def ambush(self, strike: Callable[[], None]) -> None:
        """Have a reader strike when it sees the next message: the moment at which a message that was shown too
        early is not yet on disk."""
        self._ambush = strike

    def end(self) -> None:
        """Return once everybody has read what there was to read."""
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "a connection has not ended"
        for person in self._people:
            person.end()

    def _read(self, name: str, reader: JsonClient, cursors: dict[str, int]) -> None:
        try:
            for event in reader.events:
                self._record.read(name, cursors, event)
            while True:
                received = reader.read()
                if self._ambush is not None:
                    self._ambush()
                self._record.read(name, cursors, received)
        except (EOFError, OSError) as error:
            self._record.end(name, error)

    def _watch(self, person: TextClient) -> None:
        try:
            while (line := person.read_line()) is not None and not person.torn:
                if found := _LOGGED.fullmatch(line):
                    text, room, seq = found.groups()
                    self._record.display(room, int(seq), text)
                elif found := _SPOKEN.fullmatch(line):
                    self._record.show(found[1])
        except ConnectionError:
            pass
