"""People on both wires do anything, in any order, while commits, pages and turns of the reactor come when they like.

After each step the hub's registries agree with each other, and no two names can be taken for one. Everybody holds
what it is sent against what it knows (`tests.beliefs`); and when nothing is under way, what it has come to believe is
what is the case.

``TCPCHAT_WORLDS=2000`` tries so many worlds instead of a few; ``TCPCHAT_STEPS`` says how many steps each has.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tcpchat.core.confusables import skeleton
from tcpchat.core.entries import Kind, RoomId
from tcpchat.core.limits import Limits
from tcpchat.core.state import Session
from tests.beliefs import Chronicle, Delivery, Human, Person, Program, key
from tests.house import House

WORLDS = int(os.environ.get("TCPCHAT_WORLDS", "600"))
STEPS = int(os.environ.get("TCPCHAT_STEPS", "30"))
PEOPLE = 6

_LIMITS = {
    "roomy": Limits(tail_entries=2, join_entries=4, resume_guest_seconds=0),
    "crowded": Limits(tail_entries=2, people_told=2, resume_guest_seconds=0),
    "narrow": Limits(
        tail_entries=1,
        join_entries=2,
        page_entries=3,
        rooms_per_person=2,
        people_per_room=3,
        rooms_created=3,
        ignored=1,
        resume_guest_seconds=0,
    ),
}

# Names in each world: other cases, wide forms, composed and decomposed letters, and letters that look the same.
_NAMES = (
    ("nina", "bob", "il", "NINA", "ｎｉｎａ", "nіna", "ВОВ"),
    ("il", "bob", "ll", "Il", "il2", "Il2"),
    ("éva", "straße", "nina", "E\u0301VA", "STRASSE", "strasse", "éνa"),
)
_ROOMS = (
    ("lobby", "tea", "jam", "lobby", "tea"),
    ("lobby", "tea", "TEA", "ｔｅａ", "teа", "lоbby"),
    ("il", "lobby", "Il", "ll"),
)
_ANY = st.integers(0, 59)
_WHO = st.integers(0, PEOPLE - 1)

# What is done, as a JSON operation with its data and as a line of text, if it has one.
_Phrase = tuple[str, dict[str, Any], str]
_PHRASES: dict[str, Callable[[str, str, str], _Phrase]] = {
    "say": lambda room, name, text: ("say", {"room": room, "text": text}, f"/say {room} {text}"),
    "act": lambda room, name, text: ("say", {"room": room, "text": text, "action": True}, f"/me {text}"),
    "tell": lambda room, name, text: ("tell", {"to": name, "text": text}, f"/msg {name} {text}"),
    "reply": lambda room, name, text: ("reply", {"text": text}, f"/reply {text}"),
    "topic": lambda room, name, text: ("topic", {"room": room, "text": text}, f"/topic {text}"),
    "bare": lambda room, name, text: ("topic", {"room": room, "text": "-"}, "/topic -"),
    "join": lambda room, name, text: ("join", {"room": room}, f"/join {room}"),
    "catch up": lambda room, name, text: ("join", {"room": room, "after": 1}, f"/join {room}"),
    "leave": lambda room, name, text: ("leave", {"room": room}, f"/leave {room}"),
    "switch": lambda room, name, text: ("switch", {"room": room}, f"/switch {room}"),
    "create": lambda room, name, text: ("create", {"room": room}, f"/create {room}"),
    "delete": lambda room, name, text: ("delete", {"room": room}, f"/delete {room}"),
    "log in": lambda room, name, text: ("login", {"name": name}, name),
    "nick": lambda room, name, text: ("nick", {"name": name}, f"/nick {name}"),
    "red": lambda room, name, text: ("color", {"color": "red"}, "/ping"),
    "grey": lambda room, name, text: ("color", {}, "/ping"),
    "away": lambda room, name, text: ("away", {"text": text}, f"/away {text}"),
    "back": lambda room, name, text: ("away", {}, "/away"),
    "ignore": lambda room, name, text: ("ignore", {"user": name}, f"/ignore {name}"),
    "unignore": lambda room, name, text: ("unignore", {"user": name}, f"/unignore {name}"),
    "history": lambda room, name, text: ("history", {"room": room, "limit": 3}, "/history 3"),
    "around": lambda room, name, text: ("history", {"room": room, "around": 2, "limit": 2}, "/history"),
    "whois": lambda room, name, text: ("whois", {"user": name}, f"/whois {name}"),
    "members": lambda room, name, text: ("members", {"room": room}, f"/who {room}"),
    "ask": lambda room, name, text: ("topic", {"room": room}, "/topic"),
    "rooms": lambda room, name, text: ("rooms", {}, "/rooms"),
    "users": lambda room, name, text: ("users", {}, "/users"),
    "ignored": lambda room, name, text: ("ignored", {}, "/ignored"),
    "logout": lambda room, name, text: ("logout", {}, "/ping"),
    "quit": lambda room, name, text: ("quit", {}, "/quit"),
}
_WIRES: dict[str, type[Person]] = {"arrive as a program": Program, "arrive as a human": Human}
# In place of a name they have somebody's.
_TO_SOMEBODY = ("tell", "ignore", "unignore", "whois")
_OFTEN = {
    "say": 8,
    "act": 2,
    "tell": 4,
    "reply": 3,
    "topic": 2,
    "join": 8,
    "leave": 6,
    "nick": 6,
    "ignore": 3,
    "delete": 4,
}
_VERBS = st.sampled_from(
    [
        *(verb for verb in _PHRASES if verb != "log in" for _ in range(_OFTEN.get(verb, 1))),
        *[*_WIRES] * 3,
        *["tear", "end"],
    ]
)
_EVENTS = st.sampled_from(
    ["commit"] * 4 + ["answer", "read", "hand over", "turn", "turn", "pass", "tick", "tick", "fail", "heal"]
)
_WORDS = {"topic": "topic", "away": "lunch"}


class World(RuleBasedStateMachine):
    """A house in which the rules happen."""

    def __init__(self) -> None:
        super().__init__()
        self.people: list[Person] = []
        self.numbers = itertools.count(1000)
        self.read: list[Callable[[], None]] = []

    @initialize(
        limits=st.sampled_from(list(_LIMITS)),
        turn_writes=st.sampled_from([1, 1000]),
        names=st.sampled_from(_NAMES),
        rooms=st.sampled_from(_ROOMS),
    )
    def begin(self, limits: str, turn_writes: int, names: tuple[str, ...], rooms: tuple[str, ...]) -> None:
        self.names, self.rooms = names, rooms
        self.house = House(_LIMITS[limits], turn_writes=turn_writes, trusted=(ip_network("192.0.2.0/24"),))
        self.chronicle = Chronicle(self.house, crowded=limits == "crowded")
        wires: tuple[type[Person], ...] = (Program, Human, Program)
        for wire, name in zip(wires, names, strict=False):
            person = self._arrive(wire, name)
            self._settle()
            for room in (rooms[1], rooms[0]):
                self._do(person, "join", room, "")
        self._settle()

    @rule(deeds=st.lists(st.tuples(_ANY, _VERBS, _ANY, _ANY), min_size=1, max_size=8))
    def act(self, deeds: list[tuple[int, str, int, int]]) -> None:
        """Somebody does something: in or to a room, or with a name or with somebody else."""
        for who, verb, where, whom in deeds:
            room, name = self.rooms[where % len(self.rooms)], self.names[whom % len(self.names)]
            if verb in _WIRES:
                if len(self.people) < PEOPLE:
                    self._arrive(_WIRES[verb], name)
            elif self.people and (person := self.people[who % len(self.people)]).there:
                other = self.people[whom % len(self.people)].session
                called = other.person.name if other and other.person else "nobody"
                if verb == "ignore" and other and other.person:  # and perhaps logs out before the step is over
                    person.shunned.add(other.person.id)
                self._do(person, verb, room, called if verb in _TO_SOMEBODY else name)
            self._look()

    @rule(events=st.lists(_EVENTS, min_size=1, max_size=5))
    def happen(self, events: list[str]) -> None:
        """What was asked for comes, and time passes."""
        store = self.house.store
        for event in events:
            match event:
                case "commit":
                    self._commit()
                case "answer":
                    store.read()
                case "read" if not store.failing:
                    self.read.append(store.take_pages())
                case "hand over" if self.read:
                    self.read.pop(0)()
                case "turn":
                    self.house.clock.advance(0)
                case "pass":
                    self.house.clock.advance(0.5)
                case "tick":
                    self.house.hub.tick()
                case "fail":
                    store.failing = True
                case "heal":
                    store.failing = False
            self._look()

    @rule()
    def settle(self) -> None:
        self._settle()
        for person in self.people:
            if person.there:
                person.compare()
            else:
                assert person.session is None or person.session.person is None, "a ghost"
        self.people = [person for person in self.people if person.there]

    def teardown(self) -> None:
        if sys.exc_info()[0] is not None or not self.people:
            return
        self.settle()
        for person in self.people:
            person.tear()
        self._settle()
        assert not list(self.house.hub.users)
        assert not any(room.members for room in self.house.hub.rooms)
        publisher: Any = self.house.chat.audience
        assert not publisher._sessions
        assert not publisher._desks

    # What is always so.

    @invariant()
    def everybody_is_where_it_is_said_to_be(self) -> None:
        self._look()
        hub = self.house.hub
        sessions = [person.session for person in self.people if person.session]
        people = {session.person: session for session in sessions if session.person}
        assert {person: next(iter(person.sessions)) for person in hub.users} == people
        assert all(len(person.sessions) == 1 for person in hub.users)
        for session in sessions:
            assert session.person or not (session.rooms or session.ignores or session.current)
            assert session.current is None or session.current.id in session.rooms
            assert session.current or not session.rooms
        places = {(room.id, session) for session in sessions for room in session.rooms.values()}
        assert places == {(room.id, session) for room in hub.rooms for session in room.members}
        for room in hub.rooms:
            assert hub.rooms.log(room.id) is room
            assert all(session.person is person for session, person in room.members.items())
            assert room.people == Counter(room.members.values())

    @invariant()
    def names_differ_for_the_server_and_for_the_eye(self) -> None:
        hub = self.house.hub
        for names in ([person.name for person in hub.users], [room.label for room in hub.rooms]):
            for look in (key, skeleton):
                doubles = [count for count in Counter(map(look, names)).values() if count > 1]
                assert not doubles, names
        assert all(hub.users.get(person.name) is person is hub.users.by_id(person.id) for person in hub.users)
        assert all(hub.rooms.get(room.label) is room for room in hub.rooms)

    @invariant()
    def logs_have_no_holes(self) -> None:
        for room, log in self.house.store.logs.items():
            assert [entry.seq for entry in log] == list(range(1, len(log) + 1))
            if (known := self.house.hub.rooms.log(room)) is not None:
                assert known.head == len(log)
                kept = self.house.chat.tails.page(room, len(log), len(log))
                assert kept is None or kept == log[-1:]

    # How it is done.

    def _arrive(self, wire: type[Person], name: str) -> Person:
        person = wire(self.chronicle)
        self.people.append(person)
        self._do(person, "nick", "", name)
        return person

    def _do(self, person: Person, verb: str, room: str, name: str) -> None:
        if verb == "tear":
            person.tear()
        elif person.ended:
            return
        elif verb == "end":
            person.end()
        else:
            person.ended = verb == "quit"
            nobody = person.session is None or person.session.person is None
            text = f"{_WORDS.get(verb, 'word')}{next(self.numbers)}"
            op, data, line = _PHRASES["log in" if nobody and verb == "nick" else verb](room, name, text)
            if isinstance(person, Program):
                person.request(op, data)
            elif not nobody or verb in ("nick", "quit"):  # all else would be taken for a name
                person.enter_line(line)

    def _commit(self) -> None:
        """Commit a batch, once the last one is delivered as `GroupCommit` would, and note who is to read what."""
        delivered: list[bool] = []
        self.house.store.when_delivered(lambda: delivered.append(True))
        if not delivered:
            self.house.clock.advance(0)
        logs = self.house.store.logs
        sizes = {room: len(log) for room, log in logs.items()}
        readers = {person: _Reader(session) for person in self.people if (session := person.session)}
        self.house.store.commit()
        for room, log in logs.items():
            for entry in log[sizes.get(room, 0) :]:
                for person, reader in readers.items():
                    if (place := reader.place(room)) and entry.draft.author in reader.ignores:
                        person.hidden.add((room, entry.seq))
                    elif place and not (isinstance(person, Human) and entry.draft.kind is Kind.TOPIC):
                        person.due[room].append(Delivery(entry, *place))

    def _look(self) -> None:
        self.chronicle.note_rooms()
        for person in self.people:
            person.shun()
            if not person.torn:
                person.look()
                person.close_in_turn()
        self.chronicle.note_names()

    def _settle(self) -> None:
        """Let everything that waits come to its end, and those who come and go be counted."""
        store = self.house.store
        store.failing = False
        while self.read:
            self.read.pop(0)()
        for _ in range(100):
            self.house.clock.advance(0)
            self._look()
            if store.idle:
                break
            store.read()
            self._commit()
        assert store.idle
        self.house.hub.tick()
        self.house.clock.advance(0)
        self._look()


class _Reader:
    """Where somebody reads at this moment, and whom not."""

    def __init__(self, session: Session) -> None:
        person = session.person
        self.ignores = frozenset(session.ignores)
        self._places: dict[RoomId, tuple[str, str | None]] = {
            room.id: (room.label, None) for room in session.rooms.values()
        }
        if person is not None:
            self._places |= {direct.id: (direct.label, direct.other(person).name) for direct in person.directs.values()}

    def place(self, room: RoomId) -> tuple[str, str | None] | None:
        """Return what the room is called here, and with whom it is shared."""
        return self._places.get(room)


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=WORLDS, stateful_step_count=STEPS, deadline=None, report_multiple_bugs=False)
