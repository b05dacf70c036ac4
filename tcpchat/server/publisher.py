"""Fan-out: what a room hears is encoded once per kind of reader, joined, and written once to each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from tcpchat.core.audience import EVERYBODY
from tcpchat.core.entries import PersonId, RoomId
from tcpchat.core.events import Event, Notice
from tcpchat.core.state import Session
from tcpchat.errors import Code
from tcpchat.wire.codec import Encoder

_log = Logger()

# Writes to connections in one turn of the reactor: about 5 ms.
_TURN_WRITES = 1_000


# A reader that has some of the events already may get so many others encoded for itself, so that who came and went is
# summed up as for all. More of them are joined from pieces, which all such readers share.
_SUMMED_EVENTS = 20


class Reader(Protocol):
    """A connection, as the publisher sees it."""

    def encoder(self, *, current: bool) -> Encoder:
        """Return how this reader's wire encodes a room's events."""

    def deliver(self, data: bytes) -> None:
        """Send encoded events."""

    def dismiss(self, text: str, code: Code) -> None:
        """Tell the peer why, and close."""


class _Chunk:
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

    def part(self, start: int, session: Session) -> bytes:
        """Return what ``session`` gets, from the event at ``start``, without what is from people it ignores."""
        authors = self._authors
        if session.ignores.keys().isdisjoint(authors):
            if not start:
                return self.whole
            if len(authors) - start <= _SUMMED_EVENTS:
                return self._encoder.encode(self._events[start:])
        if not self._pieces:
            self._pieces = [self._encoder.encode((event,)) for event in self._events]
        pieces = zip(self._pieces[start:], authors[start:], strict=True)
        return b"".join([piece for piece, author in pieces if author not in session.ignores])


class _Desk:
    """One room's pending events, and its readers by the encoder they share.

    ``authors`` says whom each event is from. ``ahead`` are the readers that have some of the events already, or
    came after them: how many. ``owed`` is what a fan-out that takes several turns has not handed over yet.
    """

    __slots__ = ("ahead", "authors", "events", "owed", "readers")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.authors: list[PersonId] = []
        self.readers: dict[Encoder, dict[Session, Reader]] = {}
        self.ahead: dict[Session, int] = {}
        self.owed: dict[Session, tuple[Reader, bytes]] = {}

    def add(self, encoder: Encoder, session: Session, reader: Reader) -> None:
        """Let ``session`` read from the next event on."""
        self.readers.setdefault(encoder, {})[session] = reader
        if self.events:
            self.ahead[session] = len(self.events)

    def remove(self, session: Session) -> bool:
        """Let ``session`` read what is owed and pending, and no more; return whether it was reading at all."""
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

    def catch_up(self, session: Session) -> None:
        """Let ``session`` read what is owed and pending now, before the others."""
        if session in self.owed:
            _deliver(*self.owed.pop(session))
        start = self.ahead.get(session, 0)
        if start == len(self.events):
            return
        for encoder, readers in self.readers.items():
            if session in readers:
                self.ahead[session] = len(self.events)
                # Only what is new: in a storm much is pending, and many ask again and again.
                if data := _Chunk(encoder, self.events[start:], self.authors[start:]).part(0, session):
                    _deliver(readers[session], data)
                return

    def fan_out(self, ignoring: set[Session], budget: int) -> int:
        """Let everybody read what is pending, ``budget`` of them now; return what is left of it.

        ``ignoring`` are those who don't want to read everybody.
        """
        events, authors, ahead = self.events, self.authors, self.ahead
        self.events, self.authors, self.ahead = [], [], {}
        for encoder, readers in self.readers.items():
            chunk = _Chunk(encoder, events, authors)
            special = ahead.keys() | (readers.keys() & ignoring)
            for session, reader in readers.items():
                data = chunk.part(ahead.get(session, 0), session) if session in special else chunk.whole
                if not data:
                    continue
                if budget > 0:
                    _deliver(reader, data)
                    budget -= 1
                else:
                    self.owed[session] = reader, data
        return budget

    def pay(self, budget: int) -> int:
        """Let ``budget`` readers read what they are owed; return what is left of it."""
        for session in list(islice(self.owed, budget)):
            _deliver(*self.owed.pop(session))
            budget -= 1
        return budget


class Publisher:
    """The audience of the hub: every connected session, and the readers of each room.

    What is published is pending until `flush`; after `flush_soon` all who come and go in one turn of the reactor
    share one chunk and one write to each reader. A fan-out to very many takes several turns, so that the reactor
    sees to others meanwhile; what is published until its end is pending until then.
    """

    def __init__(self, clock: IReactorTime, *, turn_writes: int = _TURN_WRITES) -> None:
        self._clock = clock
        self._turn_writes = turn_writes
        self._sessions: dict[Session, Reader] = {}
        self._desks: dict[RoomId, _Desk] = {}
        # Those with something pending: to be flushed, or patient.
        self._waiting: dict[RoomId, _Desk] = {}
        self._patient: dict[RoomId, _Desk] = {}
        self._owing: dict[RoomId, _Desk] = {}
        self._ignoring: set[Session] = set()
        # Who waits for the end of the fan-out that is under way, and of the one that is to follow it.
        self._flushed: list[Callable[[], None]] = []
        self._following: list[Callable[[], None]] = []
        self._scheduled = False

    def attach(self, session: Session, reader: Reader) -> None:
        """Connect a session to the connection that reads for it."""
        self._sessions[session] = reader

    def detach(self, session: Session) -> None:
        """Forget a session that has left all its rooms."""
        self._sessions.pop(session, None)
        self._ignoring.discard(session)

    def when_flushed(self, call: Callable[[], None]) -> None:
        """Call ``call`` once everybody has what was flushed so far, at once if that is so."""
        if not self._owing:
            call()
        elif self._waiting or self._following:
            self._following.append(call)
        else:
            self._flushed.append(call)

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
            self._tidy(room, desk)

    def expel(self, room: RoomId, session: Session) -> None:
        """Let the session read the room no more, and nothing of what is pending."""
        desk = self._desks.get(room)
        if desk is not None:
            desk.drop(session)
            self._tidy(room, desk)

    def close(self, room: RoomId) -> None:
        """Let everybody read what was published so far, and no more."""
        desk = self._desks.pop(room, None)
        if desk is not None:
            desk.pay(len(desk.owed))
            if self._forget(room):
                desk.fan_out(self._ignoring, sum(map(len, desk.readers.values())))

    def refocus(self, session: Session) -> None:
        """Sort the session's readers anew, after its current room has changed."""
        reader = self._sessions[session]
        if reader.encoder(current=True) is reader.encoder(current=False):
            return
        self.resort(session)

    def resort(self, session: Session) -> None:
        """Sort the session's readers anew, after its encoders have changed: it reads up to here with the old ones."""
        reader = self._sessions.get(session)
        if reader is None:
            return
        self.catch_up(session)
        for room in (EVERYBODY, *session.rooms):
            desk = self._desks.get(room)
            if desk is not None and desk.remove(session):
                desk.add(reader.encoder(current=_is_current(session, room)), session, reader)

    def refilter(self, session: Session) -> None:
        """Note whether the session ignores anybody."""
        if session.ignores:
            self._ignoring.add(session)
        else:
            self._ignoring.discard(session)

    def publish(
        self, room: RoomId, events: Sequence[Event], authors: Sequence[PersonId], *, patient: bool = False
    ) -> None:
        """Let the readers of a room read ``events``, each from one of ``authors``."""
        desk = self._desks.get(room)
        if desk is None:
            return
        desk.events += events
        desk.authors += authors
        if not patient:
            self._waiting[room] = desk
            self._patient.pop(room, None)
        elif room not in self._waiting:
            self._patient[room] = desk

    def send(self, session: Session, event: Event) -> None:
        """Send one event to one session, after who came and went: one of them may have written it."""
        _catch_up(session, self._patient)
        reader = self._sessions[session]
        data = reader.encoder(current=False).encode((event,))
        if data:
            reader.deliver(data)

    def tell(self, session: Session, text: str) -> None:
        """Send one session a word from the server."""
        self.send(session, Notice(text))

    def dismiss(self, session: Session, text: str, code: Code) -> None:
        """End a session's connection in the reactor's next turn: what is under way comes to its end first."""
        reader = self._sessions.get(session)
        if reader is not None:
            self._clock.callLater(0, reader.dismiss, text, code)

    def catch_up(self, session: Session) -> None:
        """Let one session read what is pending for it."""
        for desks in (self._owing, self._waiting, self._patient):
            _catch_up(session, desks)

    def hurry(self) -> None:
        """Let what is patient be flushed with the rest."""
        self._waiting |= self._patient
        self._patient = {}
        self.flush_soon()

    def flush_soon(self) -> None:
        """Let everybody read what is pending in the reactor's next turn."""
        if self._waiting:
            self._schedule()

    def flush(self) -> None:
        """Let everybody read what is pending, the first of very many now and the others in the next turns."""
        if self._owing:
            return
        waiting, self._waiting = self._waiting, {}
        budget = self._turn_writes
        for room, desk in waiting.items():
            try:
                budget = desk.fan_out(self._ignoring, budget)
            except Exception:
                _log.failure("what a room was to read could not be encoded")
            if desk.owed:
                self._owing[room] = desk
        if self._owing:
            self._flushed += self._following
            self._following = []
            self._schedule()

    def _tidy(self, room: RoomId, desk: _Desk) -> None:
        """Clear a desk away that nobody reads at."""
        if not desk.readers:
            del self._desks[room]
            self._forget(room)

    def _forget(self, room: RoomId) -> bool:
        """Take the room off those with something pending; return whether it was one."""
        return any([self._waiting.pop(room, None), self._patient.pop(room, None)])

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._go_on)

    def _go_on(self) -> None:
        """The reactor's next turn: finish what was begun, else begin what is pending."""
        self._scheduled = False
        budget = self._turn_writes
        while self._owing and budget:
            room = next(iter(self._owing))
            budget = self._owing[room].pay(budget)
            if not self._owing[room].owed:
                del self._owing[room]
        if self._owing:
            self._schedule()
            return
        finished, self._flushed = self._flushed, []
        self.flush()
        if not self._owing:
            finished += self._following
            self._following = []
        for call in finished:
            try:
                call()
            except Exception:
                _log.failure("who waited for a delivery could not be told")


def _catch_up(session: Session, desks: Mapping[RoomId, _Desk]) -> None:
    """Let one session read what is pending for it at ``desks``."""
    # A session has a hundred rooms at most; in a storm thousands may have something pending.
    followed = [*session.rooms, EVERYBODY] if len(session.rooms) < len(desks) else list(desks)
    for room in followed:
        if room in desks and (room in session.rooms or room == EVERYBODY):
            desks[room].catch_up(session)


def _deliver(reader: Reader, data: bytes) -> None:
    """Hand ``data`` over; a fault in one reader must not keep the others from reading."""
    try:
        reader.deliver(data)
    except Exception:
        _log.failure("a reader could not be written to")


def _is_current(session: Session, room: RoomId) -> bool:
    return session.current is not None and session.current.id == room
