"""Fan-out: what a room hears is encoded once per kind of reader, joined, and written once to each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tcpchat.core.entries import RoomId
from tcpchat.core.events import Event
from tcpchat.core.state import Session
from tcpchat.wire.codec import Encoder


class Reader(Protocol):
    """A connection, as the publisher sees it."""

    def encoder(self, *, current: bool) -> Encoder:
        """Return how this reader's wire encodes a room's events."""

    def deliver(self, data: bytes) -> None:
        """Send encoded events."""


class _Desk:
    """One room's buffer of events, and its readers by the encoder they share."""

    __slots__ = ("events", "readers")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.readers: dict[Encoder, dict[Session, Reader]] = {}

    def add(self, encoder: Encoder, session: Session, reader: Reader) -> None:
        self.readers.setdefault(encoder, {})[session] = reader

    def remove(self, session: Session) -> None:
        for encoder, readers in self.readers.items():
            if readers.pop(session, None) is not None:
                if not readers:
                    del self.readers[encoder]
                return

    def flush(self) -> None:
        events, self.events = self.events, []
        for encoder, readers in self.readers.items():
            chunk = encoder.encode(events)
            if chunk:
                for reader in readers.values():
                    reader.deliver(chunk)


class Publisher:
    """The audience of the hub: every connected session, and the readers of each room."""

    def __init__(self) -> None:
        self._sessions: dict[Session, Reader] = {}
        self._desks: dict[RoomId, _Desk] = {}
        self._waiting: dict[RoomId, _Desk] = {}

    def attach(self, session: Session, reader: Reader) -> None:
        """Connect a session to the connection that reads for it."""
        self._sessions[session] = reader

    def detach(self, session: Session) -> None:
        """Forget a session that has left all its rooms."""
        self._sessions.pop(session, None)

    def enter(self, room: RoomId, session: Session) -> None:
        """Let the session read the room from the next event on."""
        desk = self._desks.setdefault(room, _Desk())
        self._flush_desk(room)
        reader = self._sessions[session]
        desk.add(reader.encoder(current=_is_current(session, room)), session, reader)

    def leave(self, room: RoomId, session: Session) -> None:
        """Let the session read what was published so far, and no more."""
        if room in self._desks:
            self._flush_desk(room)
            desk = self._desks[room]
            desk.remove(session)
            if not desk.readers:
                del self._desks[room]

    def close(self, room: RoomId) -> None:
        """Let everybody read what was published so far, and no more."""
        self._flush_desk(room)
        self._desks.pop(room, None)

    def refocus(self, session: Session) -> None:
        """Sort the session's readers anew, after its current room has changed."""
        reader = self._sessions[session]
        if reader.encoder(current=True) is reader.encoder(current=False):
            return
        for room in session.rooms:
            desk = self._desks[room]
            self._flush_desk(room)
            desk.remove(session)
            desk.add(reader.encoder(current=_is_current(session, room)), session, reader)

    def publish(self, room: RoomId, events: Sequence[Event]) -> None:
        """Put events into the room's buffer."""
        desk = self._desks.get(room)
        if desk is not None:
            desk.events += events
            self._waiting[room] = desk

    def send(self, session: Session, event: Event) -> None:
        """Send one event to one session."""
        reader = self._sessions[session]
        reader.deliver(reader.encoder(current=False).encode((event,)))

    def broadcast(self, event: Event) -> None:
        """Send one event to everybody logged in, after what was published so far."""
        self.flush()
        chunks: dict[Encoder, bytes] = {}
        for session, reader in self._sessions.items():
            if session.person is not None:
                encoder = reader.encoder(current=False)
                if encoder not in chunks:
                    chunks[encoder] = encoder.encode((event,))
                reader.deliver(chunks[encoder])

    def flush(self) -> None:
        """Empty every room's buffer."""
        waiting, self._waiting = self._waiting, {}
        for desk in waiting.values():
            desk.flush()

    def _flush_desk(self, room: RoomId) -> None:
        desk = self._waiting.pop(room, None)
        if desk is not None:
            desk.flush()


def _is_current(session: Session, room: RoomId) -> bool:
    return session.current is not None and session.current.id == room
