"""A storm of sends, and what is known of it afterwards: what was sent, acknowledged and displayed."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.daemon import Daemon, JsonClient, TextClient

ROOMS = ("lobby", "tea", "music")
_WRITERS = 5
_READERS = 2
# What a writer sends at once. A batch of the log gathers several of them.
_MOST_AT_ONCE = 40
# Some texts fill pages of the database; most are what people say.
_LONG_TEXT = 3_000

# How a person sees what a writer says, and what it has said before.
_SPOKEN = re.compile(r"writer[^:]*: (.*)")
_LOGGED = re.compile(r"writer[^:]*: (.*) \(\d\d:\d\d, (\w+):(\d+)\)")

Place = tuple[str, int]


@dataclass
class Record:
    """What the clients know. ``acknowledged`` and ``displayed`` say which text stands at a room's number.

    One lock guards all of it: writers and readers run in threads.
    """

    sent: dict[str, str] = field(default_factory=dict)
    acknowledged: dict[Place, str] = field(default_factory=dict)
    displayed: dict[Place, str] = field(default_factory=dict)
    shown_as_text: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, text: str, room: str) -> None:
        """Note what is about to be sent; each text is sent once."""
        with self.lock:
            self.sent[text] = room

    def acknowledge(self, room: str, seq: int, text: str) -> None:
        """Note that ``text`` was accepted under this number."""
        self._place(self.acknowledged, (room, seq), text)

    def display(self, message: dict[str, Any]) -> None:
        """Note a message event."""
        self._place(self.displayed, (message["room"], message["seq"]), message["text"])

    def show(self, line: str) -> None:
        """Note a line that a person saw."""
        with self.lock:
            self.shown_as_text.add(line)

    def compare(self, room: str, log: list[dict[str, Any]], head: int) -> None:
        """Hold a room's log against what is known; everything that doesn't agree is a fault."""
        numbers = [entry["seq"] for entry in log]
        if numbers != list(range(1, head + 1)):
            self.faults.append(f"{room} has numbers up to {head}, its log {numbers[:3]} … {numbers[-3:]}")
        texts = {entry["text"] for entry in log}
        if len(texts) != len(log):
            self.faults.append(f"{room} holds {len(log) - len(texts)} texts twice")
        if strange := [text[:40] for text in texts if self.sent.get(text) != room]:
            self.faults.append(f"{room} holds what was never sent there: {strange}")
        there = {(room, entry["seq"]): entry["text"] for entry in log}
        for what, known in (("acknowledged", self.acknowledged), ("displayed", self.displayed)):
            lost = [place for place, text in known.items() if place[0] == room and there.get(place) != text]
            if lost:
                self.faults.append(f"{len(lost)} {what} messages are not where they were: {lost[:5]} …")
        shown = [text for text in self.shown_as_text if self.sent.get(text, room) == room]
        if missing := [text[:40] for text in shown if text not in texts]:
            self.faults.append(f"a person saw what is not in {room}: {missing[:5]} …")
        self._compare_order(room, log)

    def _compare_order(self, room: str, log: list[dict[str, Any]]) -> None:
        """Each writer numbers its texts: they stand in that order."""
        last: dict[str, int] = {}
        for entry in log:
            number = int(entry["text"].split()[1])
            if number <= last.get(entry["from"], -1):
                self.faults.append(f"{room}:{entry['seq']} stands before what its author said earlier")
            last[entry["from"]] = number

    def _place(self, known: dict[Place, str], place: Place, text: str) -> None:
        with self.lock:
            if known.setdefault(place, text) != text:
                self.faults.append(f"{place} was told for two texts: {known[place][:40]!r} and {text[:40]!r}")


class Storm:
    """Writers and readers of one round; each goes on until its connection is gone."""

    def __init__(self, daemon: Daemon, record: Record, number: int, seed: int) -> None:
        self._record = record
        self._round = number
        self._seed = seed
        self._under_way = threading.Semaphore(0)
        self._ambush: Callable[[], None] | None = None
        person = daemon.text(f"rita{number}")
        person.say(*(f"/join {room}" for room in ROOMS[1:]))
        person.hear(f"You are in {ROOMS[-1]}")
        self._threads = [threading.Thread(target=self._watch, args=(person,))]
        for index in range(_READERS):
            reader = _in_all_rooms(daemon, f"reader{number}.{index}")
            self._threads.append(threading.Thread(target=self._read, args=(reader,)))
        for index in range(_WRITERS):
            writer = _in_all_rooms(daemon, f"writer{number}.{index}")
            self._threads.append(threading.Thread(target=self._write, args=(writer, index)))

    def begin(self) -> None:
        """Start, and return once every writer has been answered."""
        for thread in self._threads:
            thread.start()
        for _ in range(_WRITERS):
            assert self._under_way.acquire(timeout=20), "the storm doesn't begin"

    def ambush(self, strike: Callable[[], None]) -> None:
        """Have a reader strike when it sees the next message: the moment at which a message that was shown too
        early is not yet on disk."""
        self._ambush = strike

    def end(self) -> None:
        """Return once everybody has read what there was to read."""
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), "a connection has not ended"

    def _write(self, writer: JsonClient, index: int) -> None:
        chance = random.Random(self._seed * 1_000_003 + self._round * 1_009 + index)
        count = 0
        try:
            while True:
                texts = {}
                lines = []
                for _ in range(chance.randint(1, _MOST_AT_ONCE)):
                    room = chance.choice(ROOMS)
                    padding = "x" * (_LONG_TEXT if chance.random() < 0.02 else chance.randint(0, 60))
                    text = f"{self._round}.{index} {count} {padding}".strip()
                    identifier, line = writer.line("say", room=room, text=text)
                    self._record.send(text, room)
                    texts[identifier] = text
                    lines.append(line)
                    count += 1
                writer.stream.send(b"".join(lines))
                while texts:
                    self._take(writer.read(), texts)
                self._under_way.release()
        except (EOFError, ConnectionError):
            pass

    def _take(self, received: dict[str, Any], texts: dict[int, str]) -> None:
        data = received.get("data", {})
        if received["op"] == "message":
            self._record.display(data)
        elif received.get("status") == "ok":
            self._record.acknowledge(data["room"], data["seq"], texts.pop(received["id"]))
        elif "status" in received:
            self._record.faults.append(f"refused: {received}")
            texts.pop(received["id"])

    def _read(self, reader: JsonClient) -> None:
        try:
            while True:
                received = reader.read()
                if self._ambush is not None:
                    self._ambush()
                self._take(received, {})
        except (EOFError, ConnectionError):
            pass

    def _watch(self, person: TextClient) -> None:
        try:
            while (line := person.read_line()) is not None and not person.torn:
                if found := _LOGGED.fullmatch(line):
                    text, room, seq = found.groups()
                    self._record.display({"room": room, "seq": int(seq), "text": text})
                elif found := _SPOKEN.fullmatch(line):
                    self._record.show(found[1])
        except ConnectionError:
            pass


def _in_all_rooms(daemon: Daemon, name: str) -> JsonClient:
    client = daemon.json(name)
    for room in ROOMS:
        client.request("join", room=room, last=0)
    return client
