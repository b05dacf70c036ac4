"""Batches, answers, and people who come and go meanwhile: everybody reads each number once, and in its order."""

from __future__ import annotations

import itertools
import json
import queue
import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_network
from types import TracebackType
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock

from tcpchat.core.catalogue import lobby_record
from tcpchat.core.chat import Chat, Identity
from tcpchat.core.entries import LOBBY_ID, Entry, PersonId, RoomId, Seq
from tcpchat.core.history import trim
from tcpchat.core.hub import Hub
from tcpchat.core.limits import Limits
from tcpchat.core.requests import (
    Append,
    Change,
    CreateRoom,
    Deleted,
    DeleteRoom,
    Page,
    Reading,
    ReadPage,
    Result,
    Secretive,
    Supply,
)
from tcpchat.core.tails import Tails
from tcpchat.errors import ChatError, Code
from tcpchat.server.commits import GroupCommit, Waiter
from tcpchat.server.factory import ChatFactory
from tcpchat.server.http.site import ChatSite
from tcpchat.server.laggards import Laggards
from tcpchat.server.publisher import Publisher
from tcpchat.server.services import Services
from tcpchat.store.log import Outcome
from tests.transport import MemoryTransport

PATIENCE_SECONDS = 5.0
_TRUSTED = (ip_network("192.0.2.0/24"),)
# Most of what is read is in no memory, so that pages are under way as well.
_LIMITS = Limits(tail_entries=2, moves_told=1, resume_guest_seconds=0)
# More than the shortest time between two batches.
_PAUSE_SECONDS = 0.005
_TURN_SECONDS = 0.000_001


class Disk:
    """A log on disk. What a batch has brought stands there at once; the daemon hears of it when ``go`` is released."""

    def __init__(self) -> None:
        self.logs: dict[RoomId, list[Entry]] = {}
        self.labels = {LOBBY_ID: "lobby"}
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.batch_size = 0
        self._keys = {"lobby": LOBBY_ID}
        self._gone: set[RoomId] = set()

    def commit(self, changes: Sequence[Change]) -> Outcome:
        outcome = Outcome([self._apply(change) for change in changes], [])
        self.batch_size = len(changes)
        self.begun.release()
        assert self.go.acquire(timeout=PATIENCE_SECONDS)
        return outcome

    def read(self, asked: ReadPage) -> Page:
        entries = self.logs.get(asked.room, [])[asked.first - 1 : asked.last]
        return Page(asked.room, trim(entries, _LIMITS.page_bytes, newest=asked.newest))

    def place(self, text: str) -> tuple[str, int]:
        """Return the room and number of what was said, each text being said once."""
        (place,) = [(room, entry.seq) for room, log in self.logs.items() for entry in log if entry.draft.text == text]
        return self.labels.get(place[0], "@"), place[1]

    def open(self) -> None:
        pass

    def probe(self) -> Outcome:
        return Outcome([], [])

    def purge(self, room: RoomId, limit: int) -> bool:
        return True

    def forget(self, before: int, limit: int) -> bool:
        return True

    def close(self) -> None:
        pass

    def _apply(self, change: Change) -> Result:
        if isinstance(change, Append):
            if change.draft.room in self._gone:
                return ChatError(Code.NO_SUCH_ROOM, "The room was deleted.")
            log = self.logs.setdefault(change.draft.room, [])
            log.append(Entry(Seq(len(log) + 1), change.draft))
            return log[-1]
        if isinstance(change, CreateRoom):
            record = change.record
            if self._keys.setdefault(record.key, record.id) != record.id:
                return ChatError(Code.ROOM_EXISTS, "It exists.")
            self.labels[record.id] = record.name
            return record
        assert isinstance(change, DeleteRoom)
        self._gone.add(change.room)
        self._keys = {key: room for key, room in self._keys.items() if room != change.room}
        return Deleted(change.room, change.label)


class TurnClock(Clock):
    """A clock on which nothing is called in the turn in which it was asked for."""

    def callLater(
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 (named by Twisted)
        *args: object,
        **kw: object,
    ) -> IDelayedCall:
        return super().callLater(max(delay, _TURN_SECONDS), callable, *args, **kw)


class BatchReactor:
    """The house's clock for the group commit. A batch that is sent is on disk when the clock goes on."""

    def __init__(self, clock: Clock, disk: Disk) -> None:
        self.under_way = False
        self._clock = clock
        self._disk = disk
        self._calls: queue.Queue[Callable[[], object]] = queue.Queue()

    def seconds(self) -> float:
        return self._clock.seconds()

    def callLater(self, delay: float, send: Callable[[], object]) -> IDelayedCall:
        return self._clock.callLater(delay, self._send, send)

    def callFromThread(self, call: Callable[..., object], *args: Any) -> None:
        self._calls.put(lambda: call(*args))

    def wait(self) -> None:
        """Make the next call from the writer's thread."""
        self._calls.get(timeout=PATIENCE_SECONDS)()

    def _send(self, send: Callable[[], object]) -> None:
        send()
        assert not self.under_way, "a batch was sent before the last one was delivered"
        assert self._disk.begun.acquire(timeout=PATIENCE_SECONDS)
        self.under_way = True


class Wire(MemoryTransport):
    """A connection that remembers what was handed over, write by write."""

    def __init__(self, protocol: Any, host: str) -> None:
        super().__init__(protocol, host)
        self.chunks: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.chunks.append(data)
        super().write(data)


class BusyHouse:
    """A daemon in memory with the real group commit and its thread.

    Batches, pages and the reactor's turns take as long as the test wants.
    """

    def __init__(self) -> None:
        self.disk = Disk()
        self._clock = TurnClock()
        self._reactor = BatchReactor(self._clock, self.disk)
        # So few that each fan-out takes several turns.
        self._publisher = Publisher(self._clock, turn_writes=2)
        ids = itertools.count(1 << 40, 1 << 20)
        identity = Identity("tcpchat", "0.0.1")
        chat = Chat(
            identity,
            _LIMITS,
            self._publisher,
            self._now,
            partial(next, ids),
            Tails(_LIMITS),
            submit=lambda change, refused=None: None,  # what is forgotten after days is none of these tests'
            stop=lambda: None,
            owned=lambda: None,
        )
        self.hub = Hub(chat, [lobby_record("lobby", 7, 0)])
        self._commits = GroupCommit(
            self.disk,
            self._reactor,  # type: ignore[arg-type]
            _LIMITS,
            self.hub.commit,
            self._when_delivered,
        )
        self._untold = 0
        self._asked: list[tuple[ReadPage, Callable[[Supply], None]]] = []
        self._read: list[tuple[Page, Callable[[Supply], None]]] = []
        laggards = Laggards(self._publisher, self.hub, self, self._clock, _LIMITS)
        self._factory = ChatFactory(
            Services(
                self.hub,
                self,
                self,
                self,
                self._publisher,
                laggards,
                self._clock,
                _LIMITS,
                ChatSite(self.hub, _LIMITS, self._clock),
            ),
            _TRUSTED,
        )

    def __enter__(self) -> Self:
        self._commits.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.disk.go.release(1_000)
        self._commits.stop()

    def connect(self, host: str = "192.0.2.1") -> Wire:
        protocol = self._factory.buildProtocol(IPv4Address("TCP", host, 40000))
        wire = Wire(protocol, host)
        protocol.makeConnection(wire)
        return wire

    def submit(self, change: Change, waiter: Waiter) -> None:
        self._untold += 1
        self._commits.submit(change, waiter)

    def registered(self, account: PersonId, address: str) -> None:
        raise AssertionError("nobody registers")

    def perform(self, request: Secretive, address: str, done: Callable[[Supply], None]) -> None:
        raise AssertionError("nobody has an account here")

    def fetch(self, request: Reading, done: Callable[[Supply], None]) -> None:
        assert isinstance(request, ReadPage)
        self._asked.append((request, done))

    def turn(self) -> None:
        """Let the reactor have its next turn."""
        self._clock.advance(_TURN_SECONDS)

    def begin(self) -> None:
        """Let time pass: what waits for its commit is on disk then, and nobody has been told."""
        self._clock.advance(_PAUSE_SECONDS)

    def deliver(self) -> None:
        """Let the daemon hear that the batch under way is committed."""
        if self._reactor.under_way:
            self._reactor.under_way = False
            self.disk.go.release()
            self._reactor.wait()

    def read(self) -> None:
        """Read the pages asked for; nobody is told."""
        asked, self._asked = self._asked, []
        self._read += [(self.disk.read(request), done) for request, done in asked]

    def answer(self) -> None:
        """Hand over the pages read."""
        read, self._read = self._read, []
        for page, done in read:
            done(page)

    def _when_delivered(self, tell: Callable[[], None]) -> None:
        self._publisher.when_flushed(partial(self._told, tell))

    def _now(self) -> int:
        return 1_700_000_000_000 + int(self._clock.seconds() * 1000)

    def _told(self, tell: Callable[[], None]) -> None:
        self._untold -= self.disk.batch_size
        tell()

    def settle(self) -> None:
        """Let everything that waits come to its end."""
        for _ in range(200):
            self.begin()
            self.deliver()
            self.read()
            self.answer()
            if not (self._untold or self._asked or self._read):
                self.hub.tick()
                for _ in range(10):
                    self.turn()
                return
        raise AssertionError("it never settles")


class Witness:
    """Somebody who holds everything it is shown against what was promised.

    ``numbers`` are those that come next in each room it is in, ``company`` who is there with it.
    """

    def __init__(self, house: BusyHouse, name: str) -> None:
        self.house = house
        self.name = name
        self.wire = house.connect()
        self.numbers: dict[str, int] = {}
        self.company: dict[str, set[str]] = {}
        self.heard: list[str] = []
        self.saw: list[str] = []
        self.torn = False
        self.ended = False  # has said its last
        self._said = 0
        self._settled = 0

    @property
    def there(self) -> bool:
        """Whether one is still connected."""
        return not (self.torn or self.wire.closed or self.wire.write_closed)

    def take(self, action: str, room: str, text: str) -> bytes:
        """Return the lines of an action, and note what is to come of it."""
        raise NotImplementedError

    def look(self) -> None:
        """Read what has come, and compare."""
        raise NotImplementedError

    def all_answered(self) -> bool:
        """Whether everything that has an answer was answered."""
        raise NotImplementedError

    def do(self, *actions: tuple[str, str, str]) -> None:
        """Send actions in one packet: what, the room, the text."""
        if self.there and not self.ended:
            self.ended = any(action == "quit" for action, _, _ in actions)
            self.wire.receive(b"".join(itertools.starmap(self.take, actions)))
            self.close_in_turn()

    def end(self) -> None:
        """End one's half."""
        if self.there and not self.ended:
            self.ended = True
            self.wire.end()

    def tear(self) -> None:
        """Break off."""
        if self.there:
            self.look()
            self.torn = True
            self.wire.tear()

    def close_in_turn(self) -> None:
        """Close as a peer does that was said goodbye to."""
        if self.wire.write_closed and not self.wire.closed:
            self.wire.end()

    def hear(self, room: str, seq: int, author: str, text: str) -> None:
        assert room in self.numbers, f"{self.name} hears {room}:{seq} and isn't there"
        assert seq == self.numbers[room], f"{self.name} hears {room}:{seq} in the place of {self.numbers[room]}"
        assert self.house.disk.place(text)[1] == seq
        self.numbers[room] += 1
        self.heard.append(text)
        self._settled += author == self.name

    def see(self, who: str, how: str, room: str) -> None:
        assert room in self.company, f"{self.name} sees that {who} {how} {room} and isn't there"
        assert (who in self.company[room]) is (how == "left"), f"{self.name} sees again that {who} {how} {room}"
        self.company[room] ^= {who}
        self.saw.append(f"{who} {how} {room}")

    def come(self, room: str, company: set[str], entries: list[int], head: int) -> None:
        """Compare the answer to a join."""
        assert entries == list(range(head - len(entries) + 1, head + 1))
        assert self.numbers.setdefault(room, head + 1) == head + 1
        assert self.company.setdefault(room, company) == company
        assert self.name in company

    def go(self, room: str) -> None:
        self.numbers.pop(room, None)
        self.company.pop(room, None)


class JsonWitness(Witness):
    """A program."""

    def __init__(self, house: BusyHouse, name: str) -> None:
        super().__init__(house, name)
        self.replies: list[dict[str, Any]] = []
        self.order: list[str] = []
        self._ids = itertools.count(1)
        self._asked: deque[tuple[int, str, str, int]] = deque()
        self.do(("login", "", ""))

    def take(self, action: str, room: str, text: str) -> bytes:
        if action == "relog":
            return self.take("logout", "", "") + self.take("login", "", "")
        op = {"mumble": "say"}.get(action, action)
        data = {"login": {"name": self.name}, "tell": {"to": room, "text": text}}.get(op, {"room": room, "text": text})
        request: dict[str, Any] = {"op": op, "data": data}
        if action != "mumble":
            number = next(self._ids)
            request["id"] = number
            self._asked.append((number, op, text, self._said))
        self._said += op in ("say", "tell")
        return json.dumps(request).encode() + b"\n"

    def look(self) -> None:
        for line in self.wire.take().splitlines():
            received = json.loads(line)
            if "status" in received:
                self.order.append(f"answer to {received['op']}")
                self._compare(received)
            else:
                self.order.append(received["op"])
                self._read(received["op"], received["data"])

    def all_answered(self) -> bool:
        return not self._asked

    def _read(self, op: str, data: dict[str, Any]) -> None:
        if op == "message":
            if data["room"].startswith("@"):
                self.numbers.setdefault(data["room"], 1)
            self.hear(data["room"], data["seq"], data["from"], data["text"])
        elif op in ("joined", "left"):
            self.see(data["user"]["name"], op, data["room"])
        elif op == "room-deleted":
            self.go(data["room"])
        else:
            assert op == "room-created"

    def _compare(self, reply: dict[str, Any]) -> None:
        if "id" not in reply:
            assert (reply["op"], reply["status"]) == ("say", "error")
            self._settled += 1
            return
        number, op, text, said = self._asked.popleft()
        assert (reply["id"], reply["op"]) == (number, op)
        self.replies.append(reply)
        if op in ("say", "tell"):
            if reply["status"] == "error":
                self._settled += 1
            else:
                assert text in self.heard, f"{self.name} is answered about {text!r} before it has heard it"
                assert self.house.disk.place(text)[1] == reply["data"]["seq"]
            return
        assert self._settled == said, f"{op} is answered before what was said earlier"
        if reply["status"] == "ok":
            self._believe(op, reply["data"])

    def _believe(self, op: str, data: dict[str, Any]) -> None:
        room = data.get("room", "")
        company = {user["name"] for user in data.get("members", ())}
        entries = [entry["seq"] for entry in data.get("entries", ())]
        if op == "join":
            self.come(room, company, entries, data["head"])
        elif op == "leave":
            assert company == self.company[room] - {self.name}
            self.go(room)
        elif op == "logout":
            self.numbers.clear()
            self.company.clear()
        elif op == "members" and room in self.company:
            assert company == self.company[room]
        elif op == "history" and entries and room in self.numbers:
            assert entries == list(range(entries[0], entries[-1] + 1))
            assert entries[-1] < self.numbers[room], "history shows what was not heard yet"


# Who came or went, several at once.
_MOVE = r"[^ ,:]+(?:, [^ ,:]+)*(?: and [^ ,:]+)? (?:joined|left|came)(?: to)?(?: \w+?)?(?: and (?:went|came back))?"
_MOVE_PARTS = re.compile(r"(.+?) (joined|left|came)(?: to)?(?: (\w+?))??(?: (and) (?:went|came back))?(?:, |$)")


class TextWitness(Witness):
    """A person at a terminal."""

    _LOGGED = re.compile(r"[^ ]+: .* \(\d\d:\d\d, (\w+):(\d+)\)")
    _SPOKEN = re.compile(r"([^ ]+)(?: in (\w+))?: (.*)")
    _MOVES = re.compile(rf"{_MOVE}(?:, {_MOVE})*\.")
    _JOINED = re.compile(r"You are in (\w+), (?:with (.*)|alone)\.")
    _DELETED = re.compile(r"The room (\w+) was deleted\.")
    _FOCUS = re.compile(r"(?:You left (\w+)\. )?You are (?:speaking in (\w+) now|in no room now)\..*")

    def __init__(self, house: BusyHouse, name: str) -> None:
        super().__init__(house, name)
        self.current: str | None = None
        self._pongs: deque[int] = deque()
        self.wire.receive(name.encode() + b"\n")

    def take(self, action: str, room: str, text: str) -> bytes:
        forms = {
            "mumble": text,
            "say": f"/say {room} {text}",
            "tell": f"/msg {room} {text}",
            "ping": "/ping",
            "relog": "/who",  # a person logs in once
            "members": f"/who {room}",
            "quit": "/quit",
        }
        if action == "ping":
            self._pongs.append(self._said)
        self._said += action in ("mumble", "say", "tell")
        return forms.get(action, f"/{action} {room}").encode() + b"\n"

    def look(self) -> None:
        lines = deque(self.wire.take().decode().splitlines())
        while lines:
            self._read(lines.popleft(), lines)

    def all_answered(self) -> bool:
        return not self._pongs

    def _read(self, line: str, following: deque[str]) -> None:
        if found := self._JOINED.fullmatch(line):
            self.current = found[1]
            seqs = []
            while following and (self._LOGGED.fullmatch(following[0]) or following[0].startswith(("What is", "This "))):
                if logged := self._LOGGED.fullmatch(following.popleft()):
                    assert logged[1] == found[1]
                    seqs.append(int(logged[2]))
            company = {self.name, *(re.split(", | and ", found[2]) if found[2] else ())}
            self.come(found[1], company, seqs, seqs[-1] if seqs else 0)
        elif found := self._LOGGED.fullmatch(line):
            assert int(found[2]) < self.numbers.get(found[1], 1_000_000)
        elif self._MOVES.fullmatch(line):
            self._see_moves(line)
        elif found := self._FOCUS.fullmatch(line):
            self.go(found[1] or "")
            self.current = found[2]
        elif found := self._DELETED.fullmatch(line):
            self.go(found[1])
        elif line == "pong":
            assert self._settled >= self._pongs.popleft(), "the answer to a ping comes before what was said earlier"
        elif " to you: " in line or line.startswith("you to "):
            self._settled += line.startswith("you to ")
        elif (found := self._SPOKEN.fullmatch(line)) and found[3].startswith("text "):
            room, seq = self.house.disk.place(found[3])
            assert room == (found[2] or self.current), f"{self.name} is shown {line!r} of {room}"
            assert found[2] != self.current
            self.hear(room, seq, found[1], found[3])
        elif line.startswith(
            ("There is no", "You are not in", "You are in no room.", "The room was deleted", "You can't")
        ):
            self._settled += 1

    def _see_moves(self, line: str) -> None:
        room = ""
        for names, verb, where, twice in _MOVE_PARTS.findall(line[:-1]):
            room = room or where
            for name in names.replace(" and ", ", ").split(", "):
                for how in ("left" if verb == "left" else "joined", "joined" if verb == "left" else "left")[
                    : 2 if twice else 1
                ]:
                    self.see(name, how, room)


WITNESSES: tuple[type[JsonWitness | TextWitness], ...] = (JsonWitness, TextWitness)
Kind = type[JsonWitness | TextWitness]


@pytest.fixture(params=WITNESSES, ids=["json", "text"])
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


def meet(house: BusyHouse, room: str, *people: Witness) -> None:
    """Let people enter the room one after the other, and see each other."""
    for person in people:
        person.do(("join", room, ""))
        house.settle()
    for person in people:
        person.look()
        person.saw.clear()


def look(*people: Witness) -> None:
    for person in people:
        person.look()


def test_events_come_before_their_answers_and_a_ping_after_all_of_them() -> None:
    with BusyHouse() as house:
        nina, bob = JsonWitness(house, "nina"), JsonWitness(house, "bob")
        meet(house, "lobby", nina, bob)
        nina.order.clear()
        bob.do(("say", "lobby", "text 0"))
        house.begin()  # so that nina's words wait for the next batch
        nina.do(("say", "lobby", "text 1"), ("say", "lobby", "text 2"), ("ping", "", ""))
        nina.do(("mumble", "lobby", "text 3"), ("history", "lobby", ""))
        bob.do(("say", "lobby", "text 4"))
        house.deliver()
        look(nina)
        assert nina.order == ["message"]
        house.begin()
        house.deliver()
        look(nina)
        assert nina.order[1:] == [*["message"] * 3, "answer to say", "answer to say", "answer to ping"]
        assert nina.heard == ["text 0", "text 1", "text 2", "text 4"]
        house.settle()
        look(nina, bob)
        assert nina.order[7:] == ["message", "answer to history"]
        assert [entry["text"] for entry in nina.replies[-1]["data"]["entries"]] == nina.heard == bob.heard
        assert nina.all_answered()


@pytest.mark.parametrize("when", ["gathering", "under way"])
def test_who_joins_meanwhile_reads_each_number_once(kind: Kind, when: str) -> None:
    with BusyHouse() as house:
        nina, late = JsonWitness(house, "nina"), kind(house, "late")
        meet(house, "tea", nina)
        for number in range(4):
            nina.do(("say", "tea", f"text {number}"))
        house.settle()
        nina.do(("say", "tea", "text 4"), ("say", "tea", "text 5"))
        if when == "under way":
            house.begin()
        late.do(("join", "tea", ""))
        house.read()
        house.deliver()
        nina.do(("say", "tea", "text 6"))
        house.answer()
        house.settle()
        look(nina, late)
        assert late.numbers["tea"] == nina.numbers["tea"] == 8
        assert "text 6" in late.heard


def test_who_leaves_hears_its_last_words_first_and_nothing_later(kind: Kind) -> None:
    with BusyHouse() as house:
        nina, bob = kind(house, "nina"), JsonWitness(house, "bob")
        meet(house, "tea", nina, bob)
        nina.do(("say", "tea", "text 1"))
        house.begin()
        nina.do(("say", "tea", "text 2"), ("leave", "tea", ""))
        bob.do(("say", "tea", "text 3"))
        house.deliver()
        house.begin()
        bob.do(("say", "tea", "text 4"))
        house.deliver()
        house.settle()
        look(nina, bob)
        assert nina.heard == ["text 1", "text 2", "text 3"]
        assert "tea" not in nina.numbers
        assert bob.heard == ["text 1", "text 2", "text 3", "text 4"]
        assert bob.saw == ["nina left tea"]


@pytest.mark.parametrize("how", ["relog", "quit", "end", "tear"])
def test_who_goes_while_a_batch_is_under_way_goes_after_its_words_and_once(kind: Kind, how: str) -> None:
    with BusyHouse() as house:
        nina, bob = kind(house, "nina"), JsonWitness(house, "bob")
        meet(house, "tea", nina, bob)
        bob.order.clear()
        nina.do(("say", "tea", "text 1"))
        house.begin()
        nina.do(("say", "tea", "text 2"))
        if how == "end":
            nina.end()
        elif how == "tear":
            nina.tear()
        elif isinstance(nina, TextWitness) and how == "relog":
            nina.do(("leave", "tea", ""))
        else:
            nina.do((how, "", ""))
        house.deliver()
        look(nina, bob)
        assert bob.saw == []
        house.settle()
        bob.do(("mumble", "tea", "text 3"))
        house.settle()
        look(nina, bob)
        assert bob.order == ["message", "message", "left", "message"]
        assert nina.heard == ([] if how == "tear" else ["text 1", "text 2"])
        assert nina.torn or nina.all_answered()
        assert bob.company["tea"] == {"bob"}


def test_a_room_that_is_deleted_meanwhile_is_heard_up_to_its_end(kind: Kind) -> None:
    with BusyHouse() as house:
        bob, nina = JsonWitness(house, "bob"), kind(house, "nina")
        meet(house, "tea", bob, nina)
        nina.do(("say", "tea", "text 1"))
        house.begin()
        nina.do(("say", "tea", "text 2"))
        bob.do(("delete", "tea", ""))
        nina.do(("say", "tea", "text 3"), ("ping", "", ""))
        house.deliver()
        house.settle()
        look(nina, bob)
        assert nina.heard == bob.heard == ["text 1", "text 2"]
        assert "tea" not in nina.numbers
        assert nina.all_answered()
        nina.do(("join", "tea", ""), ("say", "tea", "text 4"))
        house.settle()
        look(nina, bob)
        assert nina.numbers["tea"] == 2
        assert bob.heard == ["text 1", "text 2"]


def test_each_kind_of_reader_is_given_one_and_the_same_chunk() -> None:
    with BusyHouse() as house:
        nina = JsonWitness(house, "nina")
        programs = [JsonWitness(house, f"program{number}") for number in range(3)]
        here = [TextWitness(house, f"here{number}") for number in range(3)]
        elsewhere = [TextWitness(house, f"elsewhere{number}") for number in range(3)]
        readers = [*programs, *here, *elsewhere]
        meet(house, "tea", nina, *readers)
        meet(house, "jam", *elsewhere)
        for reader in readers:
            reader.wire.chunks.clear()
        for number in range(5):
            nina.do(("say", "tea", f"text {number}"))
        house.settle()
        kinds = [[reader.wire.chunks for reader in readers] for readers in (programs, here, elsewhere)]
        for chunks in kinds:
            assert [len(writes) for writes in chunks] == [1, 1, 1]
            assert all(writes[0] is chunks[0][0] for writes in chunks)
        assert kinds[0][0][0].count(b'"op":"message"') == 5
        assert kinds[1][0][0] == b"".join(b"nina: text %d\r\n" % number for number in range(5))
        assert kinds[2][0][0] == b"".join(b"nina in tea: text %d\r\n" % number for number in range(5))
        elsewhere[0].do(("leave", "jam", ""))
        here[0].do(("join", "jam", ""))
        house.settle()
        nina.do(("say", "tea", "text 5"))
        house.settle()
        assert elsewhere[0].wire.chunks[-1] is here[1].wire.chunks[-1]
        assert here[0].wire.chunks[-1] is elsewhere[1].wire.chunks[-1]
        look(nina, *readers)
        assert {reader.numbers["tea"] for reader in readers} == {7}


_ROOMS = st.sampled_from(["lobby", "tea", "jam"])
_OFTEN = {"say": 6, "mumble": 4, "ping": 3, "history": 1, "members": 1, "join": 5, "leave": 2}
_SELDOM = {"delete": 1, "tell": 1, "relog": 1}
_ACTIONS = st.sampled_from([action for action, weight in (_OFTEN | _SELDOM).items() for _ in range(weight)])
_PEOPLE = st.integers(0, 5)
_STEPS = st.one_of(
    st.tuples(st.just("do"), _PEOPLE, st.lists(st.tuples(_ACTIONS, _ROOMS), min_size=1, max_size=6)),
    st.tuples(st.sampled_from(["begin", "deliver", "turn", "read", "answer", "tick"]), st.none(), st.none()),
    st.tuples(st.sampled_from(["end", "tear", "quit", "arrive"]), _PEOPLE, st.booleans()),
)


def _compare_ends(house: BusyHouse, people: Sequence[Witness]) -> None:
    for person in people:
        assert person.torn or person.all_answered(), f"{person.name} is not answered"
        session = house.hub.users.get(person.name)
        assert (session is not None) is person.there
        if person.there:
            public = {room for room in person.numbers if not room.startswith("@")}
            assert public == {room.label for room in house.hub.rooms if person.name in _names(house, room.label)}
            for room in public:
                assert person.numbers[room] == house.hub.rooms.get(room).head + 1  # type: ignore[union-attr]
                assert person.company[room] == _names(house, room)


def _names(house: BusyHouse, room: str) -> set[str]:
    return {user.name for user in house.hub.rooms.get(room).users}  # type: ignore[union-attr]


@settings(deadline=None, max_examples=300)
@given(st.lists(_STEPS, min_size=5, max_size=40))
def test_whatever_happens_meanwhile_everybody_reads_each_number_once(steps: list[tuple[str, Any, Any]]) -> None:
    texts = itertools.count()
    with BusyHouse() as house:
        people: list[Witness] = [JsonWitness(house, "p0"), TextWitness(house, "p1"), JsonWitness(house, "p2")]
        for person in people:
            person.do(("join", "tea", ""))
        for what, whom, detail in steps:
            if what == "arrive":
                if len(people) < 6:
                    people.append(WITNESSES[detail](house, f"p{len(people)}"))
                continue
            if whom is None:
                getattr(house.hub if what == "tick" else house, what)()
            elif (person := people[whom % len(people)]).there:
                if what == "do":
                    told = people[(whom + 1) % len(people)].name
                    actions = [(act, told if act == "tell" else room, f"text {next(texts)}") for act, room in detail]
                    person.do(*actions)
                elif what == "quit":
                    person.do(("quit", "", ""))
                elif what == "end":
                    person.end()
                else:
                    person.tear()
            look(*people)
        house.settle()
        for person in people:
            person.close_in_turn()
        house.settle()
        look(*people)
        _compare_ends(house, people)
