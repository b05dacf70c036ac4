"""One room's pending events, and who reads them: encoded once per kind of reader, and joined."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Protocol

from twisted.logger import Logger

from tcpchat.core.entries import PersonId
from tcpchat.core.events import Event, Message
from tcpchat.core.state import Session
from tcpchat.errors import Code
from tcpchat.wire.codec import Encoder

_log = Logger()

# A reader that has some of the events already may get so many others encoded for itself, so that who came and went is
# summed up as for all. More of them are joined from pieces, which all such readers share.
_SUMMED_EVENTS = 20


_NOBODY: frozenset[Session] = frozenset()


class Reader(Protocol):
    """A connection, as the publisher sees it."""

    def encoder(self, *, current: bool) -> Encoder:
        """Return how this reader's wire encodes a room's events."""

    @property
    def writable(self) -> bool:
        """Whether it takes more just now."""

    @property
    def unsent(self) -> int:
        """How many bytes its peer has yet to take."""

    def deliver(self, data: bytes) -> None:
        """Send encoded events."""

    def address(self, data: bytes) -> None:
        """Send what is for this reader alone, and in no log: of that only so much may wait."""

    def fell_behind(self) -> None:
        """From here on it is told of the logs what it asks for, and nothing by itself."""

    def go_back(self) -> None:
        """It begins where its cursors stand, as if it had fallen behind."""

    @property
    def arrived(self) -> bool:
        """Whether everything written to it has surely arrived on the peer's machine."""

    def read_on(self) -> None:
        """Its cursors have moved."""

    def caught_up(self) -> None:
        """It stands at the heads again, and is told what happens."""

    def dismiss(self, text: str, code: Code) -> None:
        """Tell the peer why, and close."""


@dataclass(slots=True, eq=False)
class Cursor:
    """How far a reader that fell behind has read a log. ``stirred``: what is in no log has passed it by."""

    seq: int
    stirred: bool = False


class Chunk:
    """Pending events as one kind of reader gets them: joined for nearly all, in pieces for the few that differ."""

    def __init__(self, encoder: Encoder, events: Sequence[Event], authors: Sequence[PersonId]) -> None:
        self._encoder = encoder
        self._events = events
        self._authors = authors
        self._pieces: list[bytes] = []

    @cached_property
    def whole(self) -> bytes:
        """All of them."""
        return self._encoder.encode(self._events)

    def part(self, start: int, session: Session, *, mentioned: bool = False) -> bytes:
        """Return what ``session`` gets, from the event at ``start``, without what is from people it ignores.

        ``mentioned``: some of the events mention its person, as a wire may show it.
        """
        authors = self._authors
        if mentioned and self._encoder.personal and session.person is not None:
            return self._addressed(start, session.ignores, session.person.name)
        if session.ignores.keys().isdisjoint(authors):
            if not start:
                return self.whole
            if len(authors) - start <= _SUMMED_EVENTS:
                return self._encoder.encode(self._events[start:])
        pieces = zip(self._split()[start:], authors[start:], strict=True)
        return b"".join([piece for piece, author in pieces if author not in session.ignores])

    def _addressed(self, start: int, ignores: Container[PersonId], name: str) -> bytes:
        """Return the same for the one called ``name``, whose mentions alone are encoded anew."""
        pieces = zip(self._events[start:], self._split()[start:], self._authors[start:], strict=True)
        return b"".join(
            [
                self._encoder.encode_to(name, event) if _concerns(event, name) else piece
                for event, piece, author in pieces
                if author not in ignores
            ]
        )

    def _split(self) -> list[bytes]:
        if not self._pieces:
            self._pieces = [self._encoder.encode((event,)) for event in self._events]
        return self._pieces


class Desk:
    """One room's pending events, and its readers by the encoder they share.

    ``authors`` says whom each event is from, ``mentioned`` who is mentioned in any of them. ``ahead`` are the readers
    that have some of the events already, or came after them: how many. ``owed`` is what a fan-out that takes several
    turns has not handed over yet. ``behind`` are those who would read here if they hadn't fallen behind.
    """

    __slots__ = ("ahead", "authors", "behind", "events", "mentioned", "owed", "readers")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.authors: list[PersonId] = []
        self.mentioned: frozenset[Session] = _NOBODY
        self.readers: dict[Encoder, dict[Session, Reader]] = {}
        self.ahead: dict[Session, int] = {}
        self.owed: dict[Session, tuple[Reader, bytes]] = {}
        self.behind: dict[Session, Cursor] = {}

    @property
    def deserted(self) -> bool:
        """Whether nobody reads here, nor will."""
        return not self.readers and not self.behind

    def add(self, encoder: Encoder, session: Session, reader: Reader) -> None:
        """Let ``session`` read from the next event on."""
        self.readers.setdefault(encoder, {})[session] = reader
        if self.events:
            self.ahead[session] = len(self.events)

    def remove(self, session: Session) -> bool:
        """Let ``session`` read what is owed and pending, and no more; return whether it was reading at all.

        Of who has fallen behind only the place is forgotten.
        """
        if self.behind:
            self.behind.pop(session, None)
        for encoder, readers in self.readers.items():
            if session in readers:
                self.catch_up(session)
                self.ahead.pop(session, None)
                del readers[session]
                if not readers:
                    del self.readers[encoder]
                return True
        return False

    def drop(self, session: Session) -> None:
        """Let ``session`` read nothing more, not even what is owed and pending."""
        self.owed.pop(session, None)
        self.ahead[session] = len(self.events)
        self.remove(session)

    def set_aside(self, session: Session, head: int) -> Cursor | None:
        """Let ``session`` read what is owed, but nothing that is pending; return its cursor, None if it wasn't reading.

        ``head`` is the number of the last entry that was published.
        """
        for encoder, readers in self.readers.items():
            if session in readers:
                if session in self.owed:
                    deliver(*self.owed.pop(session))
                cursor = _cursor(self.events[self.ahead.pop(session, 0) :], head)
                self.behind[session] = cursor
                del readers[session]
                if not readers:
                    del self.readers[encoder]
                return cursor
        return None

    def stir(self, events: Iterable[Event]) -> None:
        """Note that ``events`` pass those by who have fallen behind: what is in the log they will read there."""
        if any(number_of(event) is None for event in events):
            for cursor in self.behind.values():
                cursor.stirred = True

    def catch_up(self, session: Session) -> None:
        """Let ``session`` read what is owed and pending now, before the others."""
        if session in self.owed:
            deliver(*self.owed.pop(session))
        start = self.ahead.get(session, 0)
        if start == len(self.events):
            return
        for encoder, readers in self.readers.items():
            if session in readers:
                self.ahead[session] = len(self.events)
                # Only what is new: in a storm much is pending, and many ask again and again.
                chunk = Chunk(encoder, self.events[start:], self.authors[start:])
                if data := chunk.part(0, session, mentioned=session in self.mentioned):
                    deliver(readers[session], data)
                return

    def awaits(self, session: Session) -> bool:
        """Return whether anything is owed to ``session``, which reads here, or pending for it."""
        return session in self.owed or self.ahead.get(session, 0) < len(self.events)

    def fan_out(self, ignoring: set[Session], budget: int) -> int:
        """Let everybody read what is pending, ``budget`` of them now; return what is left of it.

        ``ignoring`` are those who don't want to read everybody.
        """
        events, authors, ahead = self.events, self.authors, self.ahead
        mentioned, self.mentioned = self.mentioned, _NOBODY
        self.events, self.authors, self.ahead = [], [], {}
        for encoder, readers in self.readers.items():
            chunk = Chunk(encoder, events, authors)
            special = ahead.keys() | (readers.keys() & ignoring)
            if mentioned:
                special |= mentioned
            for session, reader in readers.items():
                if session in special:
                    data = chunk.part(ahead.get(session, 0), session, mentioned=session in mentioned)
                else:
                    data = chunk.whole
                if not data:
                    continue
                if budget > 0:
                    deliver(reader, data)
                    budget -= 1
                else:
                    self.owed[session] = reader, data
        return budget

    def pay(self, budget: int) -> int:
        """Let ``budget`` readers read what they are owed; return what is left of it."""
        for session in list(islice(self.owed, budget)):
            deliver(*self.owed.pop(session))
            budget -= 1
        return budget


def deliver(reader: Reader, data: bytes) -> None:
    """Hand ``data`` over; a fault in one reader must not keep the others from reading."""
    try:
        reader.deliver(data)
    except Exception:
        _log.failure("a reader could not be written to")


def encoded(encoder: Encoder, events: Sequence[Event], session: Session) -> bytes:
    """Return ``events`` for one session alone, as a wire shows what mentions or is written to somebody."""
    name = session.person.name if session.person is not None and encoder.personal else ""
    if not name or not any(_concerns(event, name) for event in events):
        return encoder.encode(events)
    return b"".join(
        [encoder.encode_to(name, event) if _concerns(event, name) else encoder.encode((event,)) for event in events]
    )


def _concerns(event: Event, name: str) -> bool:
    """Return whether the one called ``name`` may get ``event`` in other bytes than all the others."""
    return isinstance(event, Message) and (bool(event.with_) or name in (event.mentions or ()))


def number_of(event: Event) -> int | None:
    """Return the number of an event in its log; None if it is in none."""
    return getattr(event, "seq", None)


def _cursor(pending: Sequence[Event], head: int) -> Cursor:
    """Return where a reader stands that has read all but ``pending``."""
    numbers = [number_of(event) for event in pending]
    first = next((number for number in numbers if number is not None), head + 1)
    return Cursor(first - 1, None in numbers)
