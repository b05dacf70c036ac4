"""Any batches at all, against a model that fits on a page: the same answers, the same logs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tcpchat.core.entries import RoomId, RoomRecord
from tcpchat.core.requests import Append, Change, CreateRoom, DeleteRoom
from tcpchat.store.schema import rooms
from tests.store.material import Store, create, direct, read, remove, say, told, unfit


@dataclass
class Model:
    """Rooms as a dictionary, logs as lists."""

    names: dict[RoomId, str] = field(default_factory=dict)
    logs: dict[RoomId, list[str]] = field(default_factory=dict)

    def answer(self, change: Change) -> int | str:
        """Return what the author of ``change`` is to be told."""
        match change:
            case CreateRoom(record):
                if self.names.get(record.id) != record.name:
                    if record.name in self.names.values():
                        return "room-exists"
                    self.names[record.id] = record.name
                    self.logs[record.id] = []
                return f"+{record.name}"
            case Append(draft, opens):
                if opens is not None:
                    self.names.setdefault(opens.id, opens.key)
                    self.logs.setdefault(opens.id, [])
                if draft.room not in self.names:
                    return "no-such-room"
                if draft.name is None:
                    return "store-failed"
                self.logs[draft.room].append(draft.text)
                return len(self.logs[draft.room])
        assert isinstance(change, DeleteRoom)
        self.names.pop(change.room, None)
        return f"-{change.label}"


CHANGES = st.tuples(
    st.sampled_from(["create", "say", "say", "say", "tell", "delete", "late", "unfit"]), st.integers(0, 2)
)


@dataclass
class Neighbourhood:
    """The rooms of one example: three public ones of two names, so that names are taken, and three direct."""

    number: int
    deletions: Counter[int] = field(default_factory=Counter)
    lines: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def public(self, place: int, *, earlier: int = 0) -> RoomId:
        """Return the room at ``place``; a room deleted leaves it to another."""
        return RoomId(self.number * 1000 + place * 100 + self.deletions[place] - earlier)

    def direct(self, place: int) -> RoomRecord:
        """Return a direct conversation."""
        return direct(self.number * 1000 + 500 + place)

    def batch(self, wanted: list[tuple[str, int]]) -> list[Change]:
        """Return a batch of the kinds of change ``wanted``, each at its place."""
        return [self._change(kind, place, wanted[position:]) for position, (kind, place) in enumerate(wanted)]

    def _change(self, kind: str, place: int, rest: list[tuple[str, int]]) -> Change:
        here, words = self.public(place), f"line {next(self.lines)}"
        # Nobody can speak in a room before its creation: then it is the room that was there before.
        before = ("create", place) in rest
        match kind:
            case "create":
                return create(here, f"room{self.number}.{place % 2}")
            case "tell":
                return say(self.direct(place).id, words, opens=self.direct(place))
            case "delete":
                self.deletions[place] += 1
                return remove(here)
            case "unfit" if not before:
                return unfit(here)
            case "say" if not before:
                return say(here, words)
        return say(self.public(place, earlier=1), words)


def test_a_log_is_what_its_model_says(store: Store) -> None:
    # A function within: pytest-twisted wraps a property once for each parameter of the fixture, one in the other.
    numbers = itertools.count(1)

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(batches=st.lists(st.lists(CHANGES, max_size=12), max_size=6))
    def agrees(batches: list[list[tuple[str, int]]]) -> None:
        # One database for all examples: each has rooms of its own.
        place, model = Neighbourhood(next(numbers)), Model()
        for wanted in batches:
            batch = place.batch(wanted)
            outcome = store.commit(*batch)
            assert told(outcome.supplies) == [model.answer(change) for change in batch]
            assert outcome.late == []
        with connection.begin():
            found = connection.execute(select(rooms.c.id, rooms.c.head).where(rooms.c.id.in_(model.logs)))
            assert {row.id: row.head for row in found} == {room: len(log) for room, log in model.logs.items()}
        for room, log in model.logs.items():
            page = read(connection, room).entries
            assert [(entry.seq, entry.draft.text) for entry in page] == list(enumerate(log, 1))

    with store.reading.connect() as connection:
        agrees()
    assert store.pauses == []
