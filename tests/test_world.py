"""People on both wires do anything, in any order, while commits, pages and turns of the reactor come when they like.

After each step the hub's registries agree with each other, and no two names can be taken for one. Everybody holds
what it is sent against what it knows (`tests.beliefs`); and when nothing is under way, what it has come to believe is
what is the case.

In most worlds connections that break leave their sessions behind, and people go on with them from new ones, by good and
bad codes, after what they have, less, more or nothing: nobody else hears of that. Programs send under ids of their own,
and some of it again: it is said once, and the answer is the first one.

``TCPCHAT_WORLDS=2000`` tries so many worlds instead of a few; ``TCPCHAT_STEPS`` says how many steps each has.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tcpchat.core.confusables import skeleton
from tcpchat.core.entries import Kind, PersonId, RoomId
from tcpchat.core.events import Event, MemberJoined, MemberLeft
from tcpchat.core.limits import Limits
from tcpchat.core.state import Session
from tcpchat.server.publisher import Publisher
from tests.beliefs import Human, Person, Program
from tests.house import House
from tests.listening import Chronicle, Delivery, key

WORLDS = int(os.environ.get("TCPCHAT_WORLDS", "600"))
STEPS = int(os.environ.get("TCPCHAT_STEPS", "30"))
PEOPLE = 6

_LIMITS: dict[str, dict[str, int]] = {
    "roomy": {"tail_entries": 2, "join_entries": 4},
    "crowded": {"tail_entries": 2, "people_told": 2},
    "narrow": {
        "tail_entries": 1,
        "join_entries": 2,
        "page_entries": 3,
        "rooms_per_person": 2,
        "people_per_room": 3,
        "rooms_created": 3,
        "ignored": 1,
    },
}
# For how long sessions stay whose connections broke: not at all, for moments, for longer than a world lasts.
_STAYING = (0, 2, 600, 600)

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
        *["tear", "come back", "come back"] * 3,
        *["give up"],
        *["repeat"] * 6,
    ]
)
_EVENTS = st.sampled_from(
    ["commit"] * 4
    + ["prove", "prove", "answer", "read", "hand over", "turn", "turn", "pass", "tick", "tick", "fail", "heal"]
)
_WORDS = {"topic": "topic", "away": "lunch"}


class _Doorkeeper(Publisher):
    """A publisher that remembers who was said to have come or gone: ``moves`` are their names.

    Where rooms are ``full`` those who have gone don't count: who has no connection makes place for others.
    """

    def __init__(self, clock: Any, *, turn_writes: int) -> None:
        super().__init__(clock, turn_writes=turn_writes)
        self.moves: list[str] = []
        self.full = False

    def publish(self, room: RoomId, events: Sequence[Event], *arguments: Any, **options: Any) -> None:
        kinds = MemberJoined if self.full else MemberJoined | MemberLeft
        self.moves += [event.user.name for event in events if isinstance(event, kinds)]
        super().publish(room, events, *arguments, **options)


class World(RuleBasedStateMachine):
    """A house in which the rules happen."""

    def __init__(self) -> None:
        super().__init__()
        self.people: list[Person] = []
        self.numbers = itertools.count(1000)
        self.read: list[Callable[[], None]] = []
        # Those without a connection after the last step, who can have done nothing since.
        self.absent: set[PersonId] = set()

    @initialize(
        limits=st.sampled_from(list(_LIMITS)),
        turn_writes=st.sampled_from([1, 1000]),
        names=st.sampled_from(_NAMES),
        rooms=st.sampled_from(_ROOMS),
        staying=st.sampled_from(_STAYING),
    )
    def begin(
        self, limits: str, turn_writes: int, names: tuple[str, ...], rooms: tuple[str, ...], staying: int
    ) -> None:
        self.names, self.rooms = names, rooms
        self.house = House(
            Limits(**_LIMITS[limits], resume_guest_seconds=staying),
            turn_writes=turn_writes,
            trusted=(ip_network("192.0.2.0/24"),),
            publisher_type=_Doorkeeper,
        )
        publisher: Any = self.house.chat.audience
        publisher.full = limits == "narrow"
        self.chronicle = Chronicle(self.house, crowded=limits == "crowded", fleeting=staying < 600)
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
            elif self.people and verb in ("come back", "give up"):
                away = [person for person in self.people if not person.there] if where % 3 else []
                person = (away or self.people)[who % len(away or self.people)]
                person.come_back(whom) if verb == "come back" else person.give_up()
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
                case "prove":
                    store.prove()
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
        texts = [entry.draft.text for log in self.house.store.logs.values() for entry in log]
        assert max(Counter(text for text in texts if text).values(), default=0) <= 1, "something is said twice"
        for person in self.people:
            assert person.trying is None, "who comes back is never answered"
            if person.there:
                person.compare()
            else:
                assert all(session.detached for session in person.sessions), "a ghost"
        self.people = [person for person in self.people if person.there or person.sessions]

    def teardown(self) -> None:
        if sys.exc_info()[0] is not None or not self.people:
            return
        self.settle()
        for person in self.people:
            if not person.torn:
                person.tear()
        self._settle()
        self.house.clock.advance(601)
        for _ in range(3):
            self._settle()
        assert not list(self.house.hub.users)
        assert not self.house.store.sessions
        tickets = self.house.chat.tickets
        assert not any(getattr(tickets, name) for name in vars(tickets))
        assert not any(room.members for room in self.house.hub.rooms)
        publisher: Any = self.house.chat.audience
        assert not publisher._sessions
        assert not publisher._desks

    # What is always so.

    @invariant()
    def everybody_is_where_it_is_said_to_be(self) -> None:
        self._look()
        hub = self.house.hub
        sessions = [session for person in self.people for session in person.sessions]
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
            number = next(self.numbers)
            text = f"{_WORDS.get(verb, 'word')}{number}"
            if verb == "repeat":
                if isinstance(person, Program):
                    person.repeat(number)
                return
            op, data, line = _PHRASES["log in" if nobody and verb == "nick" else verb](room, name, text)
            if isinstance(person, Program):
                if op in ("say", "tell", "reply") and number % 3:
                    data["client_id"] = f"id {number}"
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
            person.look()
            person.note_sessions()
            person.close_in_turn()
        self._check_the_absent()
        self.chronicle.note_names()

    def _check_the_absent(self) -> None:
        """Who has no connection, or has one again, neither came nor went for that."""
        publisher: Any = self.house.chat.audience
        moved, publisher.moves = set(publisher.moves), []
        users = self.house.hub.users
        stayed = [person for person in users if person.id in self.absent]
        assert not moved.intersection(person.name for person in stayed), "somebody came or went without a connection"
        self.absent = {person.id for person in users if all(session.detached for session in person.sessions)}

    def _settle(self) -> None:
        """Let everything that waits come to its end, and those who come and go be counted."""
        store = self.house.store
        store.failing = False
        while self.read:
            self.read.pop(0)()
        for _ in range(100):
            self.house.clock.advance(0)
            self._look()
            if store.idle and not self._any_behind():
                break
            store.prove()
            store.read()
            self._commit()
            if store.idle and self._any_behind():
                self.house.clock.advance(1)  # what could not be read is read again
        assert store.idle
        assert not self._any_behind()
        for _ in range(2):  # the first may end sessions, and the second tells so
            self.house.hub.tick()
            self.house.clock.advance(0)
            self._look()

    def _any_behind(self) -> bool:
        return any(person.behind for person in self.people if person.there)


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
