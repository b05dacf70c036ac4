"""Readers stop and start at any moment, between commits, pages, fan-outs of many turns, joins, kicks and deletions.

After each step everybody holds what has come against what came before it: the numbers of a room follow each other from
where one came in, none twice and none missing but those of people who are ignored; nothing of a room comes after one
was put out of it; an answer comes after the entry it tells of. Once everybody reads and nothing is under way, each
stands at the head of every room, and knows who is there.

``TCPCHAT_WORLDS=2000`` tries so many worlds instead of a few; each follows from its number. That they find what they
are to find is shown by publishers with a fault planted in them: `Repeating` and the others.
"""

from __future__ import annotations

import os
import random
import re
from collections import deque
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from tcpchat.core.audience import EVERYBODY
from tcpchat.core.entries import RoomId
from tcpchat.core.limits import Limits
from tcpchat.core.state import Session
from tcpchat.server.desk import Cursor
from tcpchat.server.publisher import Lag, Publisher
from tests.house import House, Script, Terminal

WORLDS = int(os.environ.get("TCPCHAT_WORLDS", "100"))
STEPS = int(os.environ.get("TCPCHAT_STEPS", "300"))
# A few messages: more than that waits, and a reader falls behind.
BUFFER_BYTES = 300
ROOMS = ("lobby", "tea", "jam")
NAMES = ("nina", "bob", "cleo", "dora")

_LIMITS = Limits(tail_entries=2, page_entries=3, join_entries=2, kick_seconds=1, moves_told=1)
_WORD = re.compile(r"word(\d+)")
_TRUSTED = (ip_network("192.0.2.0/24"),)


class Reader(Script):
    """A program that checks all it is told. ``shunned`` is somebody whom it doesn't read."""

    def __init__(self, house: House, name: str, epochs: dict[int, RoomId]) -> None:
        super().__init__(house, name)
        self.transport.buffer_bytes = BUFFER_BYTES
        self.shunned = ""
        # Which room has a log with this epoch: a name may be another room's by the time something is read.
        self.epochs = epochs
        self.places: dict[str, RoomId] = {}
        # The last number of each room one is in, and of each conversation; and who is there.
        self.last: dict[str, int] = {}
        self.company: dict[str, set[str]] = {}
        self.asked: deque[tuple[int, str, str]] = deque()
        self.listed = set(ROOMS)

    @property
    def session(self) -> Session:
        session: Session = self.transport.protocol._connection.session
        return session

    def request(self, op: str, /, **data: Any) -> None:
        self.asked.append((self.post(op, **data), op, data.get("room", "")))

    def look(self) -> None:
        """Read what has come, and check it."""
        for line in self.take():
            if "status" not in line:
                self._see(line["op"], line["data"])
                continue
            number, op, room = self.asked.popleft()
            assert line["id"] == number, "an answer out of order"
            if line["status"] == "ok":
                self._hear(op, room, line["data"])

    def _see(self, op: str, data: dict[str, Any]) -> None:
        room = data.get("room", "")
        if "seq" in data:
            last = self.last.setdefault(room, 0) if room.startswith("@") else self.last[room]
            self._pass_over(room, last + 1, data["seq"])
            self.last[room] = data["seq"]
        match op:
            case "message":
                assert data["from"] != self.shunned
            case "joined":
                assert data["user"]["name"] not in self.company[room]
                self.company[room].add(data["user"]["name"])
            case "left":
                self.company[room].remove(data["user"]["name"])
            case "members":
                self._pass_over(room, self.last[room] + 1, data["head"] + 1)
                self.company[room] = {user["name"] for user in data["members"]}
            case "put-out":
                self._go(room)
            case "room-deleted":
                self.last.pop(room, None)
                self.company.pop(room, None)
                self.listed.discard(room)
            case "room-created":
                self.listed.add(room)
            case "rooms-changed":
                self.listed = {room.label for room in self.house.hub.rooms}
            case "gap" | "notice":
                raise AssertionError(data)

    def _pass_over(self, room: str, first: int, stop: int) -> None:
        """Check that nothing is missing in between but what is from somebody shunned."""
        assert first <= stop, f"{room}:{stop} comes twice"
        for number in range(first, stop):
            author = self._log(room)[number - 1].draft.name
            assert author == self.shunned, f"{room}:{number} is missing"

    def _log(self, room: str) -> list[Any]:
        place = RoomId(int(room[1:], 16)) if room.startswith("@") else self.places[room]
        return self.house.store.logs.get(place, [])

    def _hear(self, op: str, room: str, data: dict[str, Any]) -> None:
        match op:
            case "join":
                if room in self.last:
                    self._pass_over(room, self.last[room] + 1, data["head"] + 1)
                    assert self.company[room] == {user["name"] for user in data["members"]}
                self.places[room] = self.epochs[data["epoch"]]
                self.last[room] = data["head"]
                self.company[room] = {user["name"] for user in data["members"]}
            case "leave":
                self._go(room)
            case "say" | "tell":
                assert data["room"] not in self.last or data["seq"] <= self.last[data["room"]], "answered unread"

    def _go(self, room: str) -> None:
        del self.last[room], self.company[room]

    def compare(self) -> None:
        """Hold what one was told against what is so."""
        assert not self.asked, "something was never answered"
        rooms = {room.label: room for room in self.session.rooms.values()}
        assert {label for label in self.last if not label.startswith("@")} == set(rooms)
        for label in self.last:
            self._pass_over(label, self.last[label] + 1, len(self._log(label)) + 1)
        for label, room in rooms.items():
            assert self.company[label] == {user.name for user in room.users}
        assert self.listed == {room.label for room in self.house.hub.rooms}
        assert self.session.person is not None
        for direct in self.session.person.directs.values():
            if direct.label not in self.last:
                self._pass_over(direct.label, 1, len(self._log(direct.label)) + 1)


class Listener(Terminal):
    """A person who sits in the lobby and hears every word once."""

    def __init__(self, house: House, name: str) -> None:
        super().__init__(house, name)
        self.transport.buffer_bytes = BUFFER_BYTES
        self.heard_of: list[str] = []

    def look(self) -> None:
        self.heard_of += [found for line in self.take() if " in " not in line for found in _WORD.findall(line)]

    def compare(self) -> None:
        lobby = self.house.hub.rooms.get("lobby")
        assert lobby is not None
        said = [_WORD.fullmatch(entry.draft.text) for entry in self.house.store.logs.get(lobby.id, [])]
        assert self.heard_of == [found[1] for found in said if found]


class World:
    """A house in which people do anything, and read when they like; everything follows from ``seed``."""

    def __init__(self, seed: int, publisher_type: type[Publisher] = Publisher) -> None:
        self.chance = random.Random(seed)
        turn_writes = self.chance.choice((1, 1000))
        self.house = House(_LIMITS, trusted=_TRUSTED, turn_writes=turn_writes, publisher_type=publisher_type)
        self.boss = Script(self.house, operator=True)
        self.boss.ask("hello")
        self.epochs: dict[int, RoomId] = {}
        self.readers = [Reader(self.house, name, self.epochs) for name in NAMES]
        self.listener = Listener(self.house, "ella")
        self.everybody: list[Reader | Listener] = [*self.readers, self.listener]
        self.pages: list[Callable[[], None]] = []
        self.words = 0
        self.told = True
        self.readers[0].ask("create", room="tea")
        self.readers[0].ask("create", room="jam")
        for reader in self.readers:
            reader.take()
            for room in ROOMS:
                reader.request("join", room=room)
                self.house.settle()
        if self.chance.random() < 0.5:
            self.readers[1].shunned = NAMES[2]
            self.readers[1].request("ignore", user=NAMES[2])
        self.settle()

    def live(self) -> None:
        for _ in range(STEPS):
            self._step()
            self._look()
        self.settle()
        for person in self.everybody:
            person.compare()

    def settle(self) -> None:
        """Let everybody read, and everything come to its end."""
        for _ in range(2_000):
            for person in self.everybody:
                person.transport.start_reading()
            while self.pages:
                self.pages.pop()()
            self.house.clock.advance(0)
            self._look()
            if self.house.store.idle and not self.house.laggards._laggards:
                break
            self.house.store.read()
            self._commit()
        else:
            raise AssertionError("somebody never stands at the head")
        self.house.hub.tick()
        self.house.clock.advance(0)
        self._look()

    def _look(self) -> None:
        self.boss.take()
        self.epochs |= {room.epoch: room.id for room in self.house.hub.rooms}
        for person in self.everybody:
            person.look()

    def _step(self) -> None:
        kinds = {
            self._speak: 10, self._write: 4, self._ask: 3, self._change: 4, self._join: 5, self._leave: 2,
            self._kick: 1.5, self._delete: 0.3, self._create: 0.6, self._stop: 6, self._start: 3, self._read_some: 4,
            self._commit: 9, self._page: 4, self._turn: 8, self._tick: 2,
        }  # fmt: skip
        (kind,) = self.chance.choices(list(kinds), list(kinds.values()))
        kind()

    def _somebody(self) -> Reader:
        return self.chance.choice(self.readers)

    def _word(self) -> str:
        self.words += 1
        return f"word{self.words}"

    def _speak(self) -> None:
        self._somebody().request("say", room=self.chance.choice(ROOMS), text=self._word())

    def _write(self) -> None:
        one, other = self.chance.sample(self.readers, 2)
        one.request("tell", to=str(other.name), text=self._word())

    def _ask(self) -> None:
        """Ask for a page, during which one may fall behind."""
        self._somebody().request("history", room=self.chance.choice(ROOMS), after=0)

    def _change(self) -> None:
        """Change how one is seen, which is told in all one's rooms."""
        self._somebody().request("away", text="lunch")

    def _join(self) -> None:
        self._somebody().request("join", room=self.chance.choice(ROOMS))

    def _leave(self) -> None:
        self._somebody().request("leave", room=self.chance.choice(ROOMS[1:]))

    def _kick(self) -> None:
        self.boss.send("kick", room=self.chance.choice(ROOMS), user=self._somebody().name)

    def _delete(self) -> None:
        self.boss.send("delete", room=self.chance.choice(ROOMS[1:]))

    def _create(self) -> None:
        self._somebody().request("create", room=self.chance.choice(ROOMS[1:]))

    def _stop(self) -> None:
        self.chance.choice(self.everybody).transport.stop_reading()

    def _start(self) -> None:
        self.chance.choice(self.everybody).transport.start_reading()

    def _read_some(self) -> None:
        self.chance.choice(self.everybody).transport.read_some(self.chance.choice((1, 100, 1_000)))

    def _commit(self) -> None:
        """Commit a batch, once the last one is told, as `GroupCommit` does; a fan-out may be under way."""
        while not self.told:
            self._turn()
        self.told = False
        self.house.store.commit()
        self.house.store.when_delivered(self._tell)

    def _tell(self) -> None:
        self.told = True

    def _page(self) -> None:
        """Read pages, some of which arrive later."""
        if self.chance.random() < 0.5:
            self.house.store.read()
        else:
            self.pages.append(self.house.store.take_pages())
        if self.pages and self.chance.random() < 0.5:
            self.pages.pop(0)()

    def _turn(self) -> None:
        """One turn of the reactor; a Clock would run what is asked for meanwhile in the same one."""
        clock = self.house.clock
        asked = [call for call in clock.calls if call.getTime() <= clock.seconds()]
        for call in asked:
            if call.active():
                clock.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)

    def _tick(self) -> None:
        self.house.clock.advance(0.3)
        self.house.hub.tick()


@pytest.mark.parametrize("seed", range(WORLDS))
def test_whoever_stops_and_starts_reading_misses_nothing_and_gets_nothing_twice(seed: int) -> None:
    World(seed).live()


class Repeating(Publisher):
    """Takes readers back as if nothing were pending in their rooms, though that was read from the log."""

    def take_back(self, session: Session) -> None:
        super().take_back(session)
        for desk in self._desks.values():
            desk.ahead.pop(session, None)


class Skipping(Publisher):
    """Takes what is pending for read, when a reader falls behind."""

    def set_aside(self, session: Session) -> Lag:
        lag = super().set_aside(session)
        for room, cursor in lag.rooms.items():
            cursor.seq = session.rooms[room].head
        return lag


class Deaf(Publisher):
    """Doesn't note that somebody came or went."""

    def set_aside(self, session: Session) -> Lag:
        lag = super().set_aside(session)
        for room, desk in self._desks.items():
            if session in desk.behind and room != EVERYBODY:
                desk.behind[session] = Cursor(0)
        return lag


class Telling(Publisher):
    """Goes on reading to somebody what is said in a room that one was put out of."""

    def expel(self, room: RoomId, session: Session) -> None:
        lag = self._lags.get(session)
        cursor = lag.rooms.get(room) if lag else None
        super().expel(room, session)
        if lag and cursor:
            lag.rooms[room] = cursor


class Early(Publisher):
    """Tells of conversations at once, before what was said in them earlier."""

    def hand(self, room: RoomId, session: Session, event: Any) -> None:
        if self.chance():
            self.send(session, event)
        else:
            super().hand(room, session, event)

    def chance(self) -> bool:
        return len(self._lags) > 1


@pytest.mark.parametrize("publisher_type", [Repeating, Skipping, Deaf, Telling, Early])
def test_a_planted_fault_is_found(publisher_type: type[Publisher]) -> None:
    def live() -> None:
        for seed in range(2_000):
            World(seed, publisher_type).live()

    with pytest.raises((AssertionError, KeyError)):
        live()
