"""Fan-out: what a room hears is encoded once per kind of reader, joined, and written once to each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from tcpchat.core.audience import EVERYBODY
from tcpchat.core.entries import PersonId, RoomId
from tcpchat.core.events import Event
from tcpchat.core.state import Session
from tcpchat.wire.codec import Encoder


class Reader(Protocol):
    """A connection, as the publisher sees it."""

    def encoder(self, *, current: bool) -> Encoder:
        """Return how this reader's wire encodes a room's events."""

    def deliver(self, data: bytes) -> None:
        """Send encoded events."""


class _Chunk:
    """Pending events as one kind of reader gets them: joined for nearly all, in pieces for the few that differ."""

    def __init__(self, encoder: Encoder, desk: _Desk) -> None:
        self.whole = encoder.encode(desk.events)
        self._encoder = encoder
        self._desk = desk
        self._pieces: list[bytes] = []

    def part(self, start: int, session: Session) -> bytes:
        """Return what ``session`` gets, from the event at ``start``, without what is from people it ignores."""
        authors = self._desk.authors
        if not start and session.ignores.isdisjoint(authors):
            return self.whole
        if not self._pieces:
            self._pieces = [self._encoder.encode((event,)) for event in self._desk.events]
        pieces = zip(self._pieces[start:], authors[start:], strict=True)
        return b"".join([piece for piece, author in pieces if author not in session.ignores])


class _Desk:
    """One room's pending events, and its readers by the encoder they share.

    ``authors`` says whom each event is from. ``ahead`` are the readers that have some of the events already, or
    came after them: how many.
    """

    __slots__ = ("ahead", "authors", "events", "readers")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.authors: list[PersonId] = []
        self.readers: dict[Encoder, dict[Session, Reader]] = {}
        self.ahead: dict[Session, int] = {}

    def add(self, encoder: Encoder, session: Session, reader: Reader) -> None:
        """Let ``session`` read from the next event on."""
        self.readers.setdefault(encoder, {})[session] = reader
        if self.events:
            self.ahead[session] = len(self.events)

    def remove(self, session: Session) -> None:
        """Let ``session`` read what is pending, and no more."""
        for encoder, readers in self.readers.items():
            if session in readers:
                self._catch_up(encoder, session, readers.pop(session))
                self.ahead.pop(session, None)
                if not readers:
                    del self.readers[encoder]
                return

    def catch_up(self, session: Session) -> None:
        """Let ``session`` read what is pending now, before the others."""
        for encoder, readers in self.readers.items():
            if session in readers:
                self._catch_up(encoder, session, readers[session])
                self.ahead[session] = len(self.events)
                return

    def flush(self, ignoring: set[Session]) -> None:
        """Let everybody read what is pending. ``ignoring`` are those who don't want to read everybody."""
        special = self.ahead.keys() | ignoring
        for encoder, readers in self.readers.items():
            chunk = _Chunk(encoder, self)
            for session, reader in readers.items():
                data = chunk.part(self.ahead.get(session, 0), session) if session in special else chunk.whole
                if data:
                    reader.deliver(data)
        self.events, self.authors, self.ahead = [], [], {}

    def _catch_up(self, encoder: Encoder, session: Session, reader: Reader) -> None:
        if (start := self.ahead.get(session, 0)) < len(self.events):
            pending = zip(self.events[start:], self.authors[start:], strict=True)
            data = encoder.encode([event for event, author in pending if author not in session.ignores])
            if data:
                reader.deliver(data)


class Publisher:
    """The audience of the hub: every connected session, and the readers of each room.

    What is published is pending until `flush`, or until the reactor's next turn: all who come and go in one turn
    share one chunk and one write to each reader.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._sessions: dict[Session, Reader] = {}
        self._desks: dict[RoomId, _Desk] = {}
        self._waiting: dict[RoomId, _Desk] = {}
        self._ignoring: set[Session] = set()
        self._scheduled = False

    def attach(self, session: Session, reader: Reader) -> None:
        """Connect a session to the connection that reads for it."""
        self._sessions[session] = reader

    def detach(self, session: Session) -> None:
        """Forget a session that has left all its rooms."""
        self._sessions.pop(session, None)
        self._ignoring.discard(session)

    def enter(self, room: RoomId, session: Session) -> None:
        """Let the session read the room from the next event on."""
        desk = self._desks.setdefault(room, _Desk())
        reader = self._sessions[session]
        desk.add(reader.encoder(current=_is_current(session, room)), session, reader)

    def leave(self, room: RoomId, session: Session) -> None:
        """Let the session read what was published so far, and no more."""
        desk = self._desks.get(room)
        if desk is not None:
            desk.remove(session)
            if not desk.readers:
                del self._desks[room]
                self._waiting.pop(room, None)

    def close(self, room: RoomId) -> None:
        """Let everybody read what was published so far, and no more."""
        desk = self._waiting.pop(room, None)
        if desk is not None:
            desk.flush(self._ignoring)
        self._desks.pop(room, None)

    def refocus(self, session: Session) -> None:
        """Sort the session's readers anew, after its current room has changed."""
        reader = self._sessions[session]
        if reader.encoder(current=True) is reader.encoder(current=False):
            return
        self.catch_up(session)
        for room in session.rooms:
            desk = self._desks[room]
            desk.remove(session)
            desk.add(reader.encoder(current=_is_current(session, room)), session, reader)

    def refilter(self, session: Session) -> None:
        """Note whether the session ignores anybody."""
        if session.ignores:
            self._ignoring.add(session)
        else:
            self._ignoring.discard(session)

    def publish(self, room: RoomId, events: Sequence[Event], authors: Sequence[PersonId]) -> None:
        """Let the readers of a room read ``events``, each from one of ``authors``."""
        desk = self._desks.get(room)
        if desk is not None:
            desk.events += events
            desk.authors += authors
            self._waiting[room] = desk
            if not self._scheduled:
                self._scheduled = True
                self._clock.callLater(0, self._flush_later)

    def send(self, session: Session, event: Event) -> None:
        """Send one event to one session."""
        reader = self._sessions[session]
        data = reader.encoder(current=False).encode((event,))
        if data:
            reader.deliver(data)

    def catch_up(self, session: Session) -> None:
        """Let one session read what is pending for it."""
        for room, desk in self._waiting.items():
            if room in session.rooms or room == EVERYBODY:
                desk.catch_up(session)

    def flush(self) -> None:
        """Let everybody read what is pending."""
        waiting, self._waiting = self._waiting, {}
        for desk in waiting.values():
            desk.flush(self._ignoring)

    def _flush_later(self) -> None:
        self._scheduled = False
        self.flush()


def _is_current(session: Session, room: RoomId) -> bool:
    return session.current is not None and session.current.id == room
