"""Fan-out: what a room hears is encoded once per kind of reader, joined, and written once to each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from tcpchat.core.audience import EVERYBODY
from tcpchat.core.entries import PersonId, RoomId, Seq
from tcpchat.core.events import Event, Message, Notice, RoomCreated, RoomDeleted
from tcpchat.core.state import Session
from tcpchat.errors import Code
from tcpchat.server.desk import Cursor, Desk, Reader, encoded

_log = Logger()

# Writes to connections in one turn of the reactor: about 5 ms.
_TURN_WRITES = 1_000


@dataclass(slots=True, eq=False)
class Lag:
    """What is kept of a reader that fell behind: its cursors, and nothing of what is said meanwhile.

    ``directs`` are those conversations in which something was said since. ``rooms_changed``: rooms were created or
    deleted; ``bereft``: a conversation has ended before it was read.
    """

    rooms: dict[RoomId, Cursor] = field(default_factory=dict)
    directs: dict[RoomId, Cursor] = field(default_factory=dict)
    rooms_changed: bool = False
    bereft: bool = False

    def has_read(self, room: RoomId, seq: int) -> bool:
        """Return whether the reader has the entry, or will never get it."""
        cursor = self.rooms.get(room) or self.directs.get(room)
        return cursor is None or cursor.seq >= seq


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
        self._desks: dict[RoomId, Desk] = {}
        # Those with something pending: to be flushed, or patient.
        self._waiting: dict[RoomId, Desk] = {}
        self._patient: dict[RoomId, Desk] = {}
        self._owing: dict[RoomId, Desk] = {}
        self._ignoring: set[Session] = set()
        # Who has fallen behind: these are at no desk.
        self._lags: dict[Session, Lag] = {}
        # Who waits for the end of the fan-out that is under way, and of the one that is to follow it.
        self._flushed: list[Callable[[], None]] = []
        self._following: list[Callable[[], None]] = []
        self._scheduled = False

    def attach(self, session: Session, reader: Reader) -> None:
        """Connect a session to the connection that reads for it."""
        self._sessions[session] = reader

    def detach(self, session: Session) -> None:
        """Forget a session that has left all its rooms, or reads none of them any more."""
        self.abandon(session)
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
        desk = self._desks.setdefault(room, Desk())
        lag = self._lags.get(session)
        if lag is not None:
            desk.behind[session] = cursor = Cursor(session.rooms[room].head if room != EVERYBODY else 0)
            if room != EVERYBODY:
                lag.rooms[room] = cursor
            return
        reader = self._sessions[session]
        desk.add(reader.encoder(current=_is_current(session, room)), session, reader)

    def leave(self, room: RoomId, session: Session) -> None:
        """Let the session read what was published so far, and no more; if it has fallen behind, nothing more."""
        desk = self._desks.get(room)
        if desk is not None:
            self._forget_cursor(room, session)
            desk.remove(session)
            self._tidy(room, desk)

    def expel(self, room: RoomId, session: Session) -> None:
        """Let the session read the room no more, and nothing of what is pending."""
        desk = self._desks.get(room)
        if desk is not None:
            self._forget_cursor(room, session)
            desk.drop(session)
            self._tidy(room, desk)

    def close(self, room: RoomId) -> None:
        """Let everybody read what was published so far, and no more."""
        desk = self._desks.pop(room, None)
        for lag in self._lags.values():
            lag.rooms.pop(room, None)
            lag.bereft = lag.directs.pop(room, None) is not None or lag.bereft
        if desk is not None:
            desk.pay(len(desk.owed))
            if self._forget(room):
                desk.fan_out(self._ignoring, sum(map(len, desk.readers.values())))

    def refocus(self, session: Session) -> None:
        """Sort the session's readers anew, after its current room has changed."""
        reader = self._sessions.get(session)
        if reader is None or reader.encoder(current=True) is reader.encoder(current=False):
            return
        self.resort(session)

    def resort(self, session: Session) -> None:
        """Sort the session's readers anew, after its encoders have changed: it reads up to here with the old ones."""
        reader = self._sessions.get(session)
        if reader is None or session in self._lags:
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
        self,
        room: RoomId,
        events: Sequence[Event],
        authors: Sequence[PersonId],
        *,
        patient: bool = False,
        mentioned: Collection[Session] = (),
    ) -> None:
        """Let the readers of a room read ``events``, each from one of ``authors``."""
        desk = self._desks.get(room)
        if desk is None:
            return
        if desk.behind:
            desk.stir(events)
            if room == EVERYBODY:
                self._spread(desk, events)
        desk.events += events
        desk.authors += authors
        if mentioned:
            desk.mentioned |= frozenset(mentioned)
        if not patient:
            self._waiting[room] = desk
            self._patient.pop(room, None)
        elif room not in self._waiting:
            self._patient[room] = desk

    def hand(self, room: RoomId, session: Session, event: Message) -> None:
        """Let the session read an entry of a conversation, after who came and went: one of them may have written it."""
        lag = self._lags.get(session)
        if lag is not None:
            lag.directs.setdefault(room, Cursor(event.seq - 1))
            return
        reader = self._sessions.get(session)
        if reader is not None:
            _catch_up(session, self._patient)
            reader.deliver(encoded(reader.encoder(current=False), (event,), session))

    def send(self, session: Session, event: Event) -> None:
        """Send one event to one session, after who came and went: one of them may have caused it.

        Of who has no connection nothing is kept.
        """
        reader = self._sessions.get(session)
        if reader is None:
            return
        _catch_up(session, self._patient)
        data = reader.encoder(current=False).encode((event,))
        if data:
            reader.address(data)

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

    def set_aside(self, session: Session) -> Lag:
        """Take a session that doesn't read off all its rooms, and keep its cursors.

        Not to be called while anybody is being told anything: a room's head must be published.
        """
        lag = self._lags[session] = Lag()
        for room in session.rooms.values():
            desk = self._desks.get(room.id)
            if desk is not None and (cursor := desk.set_aside(session, room.head)) is not None:
                lag.rooms[room.id] = cursor
        everybody = self._desks.get(EVERYBODY)
        if everybody is not None:
            everybody.catch_up(session)
            everybody.set_aside(session, 0)
        return lag

    def read_from(self, session: Session, rooms: Mapping[RoomId, int], directs: Mapping[RoomId, int]) -> None:
        """Let a session read its rooms, and conversations, from after these entries on: like one that fell behind."""
        lag = self.set_aside(session)
        for room, cursor in lag.rooms.items():
            cursor.seq, cursor.stirred = rooms[room], True
        lag.directs = {room: Cursor(seq) for room, seq in directs.items()}
        lag.rooms_changed = True
        self._sessions[session].go_back()

    def lag(self, session: Session) -> Lag:
        """Return what is kept of a session that reads from its cursors."""
        return self._lags[session]

    def arrived(self, session: Session) -> bool:
        """Return whether all that one session was told has surely arrived on the peer's machine."""
        reader = self._sessions.get(session)
        return reader is not None and session not in self._lags and reader.arrived and not self._awaits(session)

    def _awaits(self, session: Session) -> bool:
        """Return whether one session has yet to be told what others were, since a fan-out takes several turns."""
        if not self._owing:
            return False
        followed = (*session.rooms, EVERYBODY)
        return any(
            room in desks and desks[room].awaits(session) for desks in (self._owing, self._waiting) for room in followed
        )

    def take_back(self, session: Session) -> None:
        """Let a session read its rooms from the next event on, having read everything before it."""
        lag, reader = self._lags.pop(session), self._sessions[session]
        for room in (*lag.rooms, EVERYBODY):
            desk = self._desks.get(room)
            if desk is not None and desk.behind.pop(session, None) is not None:
                desk.add(reader.encoder(current=_is_current(session, room)), session, reader)

    def abandon(self, session: Session) -> None:
        """Forget where a session stands that has fallen behind, and is going: it reads nothing more."""
        lag = self._lags.pop(session, None)
        if lag is not None:
            for room in (*lag.rooms, EVERYBODY):
                if (desk := self._desks.get(room)) is not None:
                    desk.behind.pop(session, None)
                    self._tidy(room, desk)

    def reached(self, session: Session, room: RoomId, head: Seq) -> Seq:
        """Return up to where a session has read a log: to its ``head``, unless it has fallen behind."""
        lag = self._lags.get(session)
        cursor = None if lag is None else lag.rooms.get(room) or lag.directs.get(room)
        return head if cursor is None else min(head, Seq(cursor.seq))

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

    def _tidy(self, room: RoomId, desk: Desk) -> None:
        """Clear a desk away that nobody reads at."""
        if desk.deserted:
            del self._desks[room]
            self._forget(room)

    def _forget_cursor(self, room: RoomId, session: Session) -> None:
        """Let who has fallen behind read no more of a room."""
        lag = self._lags.get(session)
        if lag is not None:
            lag.rooms.pop(room, None)

    def _spread(self, everybody: Desk, events: Sequence[Event]) -> None:
        """Tell those who have fallen behind what nobody else would."""
        for session in list(everybody.behind):
            for event in events:
                match event:
                    case RoomDeleted(label) if any(room.label == label for room in session.rooms.values()):
                        self.send(session, event)
                    case RoomCreated() | RoomDeleted():
                        self._lags[session].rooms_changed = True
                    case Notice():
                        self.send(session, event)

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


def _catch_up(session: Session, desks: Mapping[RoomId, Desk]) -> None:
    """Let one session read what is pending for it at ``desks``."""
    # A session has a hundred rooms at most; in a storm thousands may have something pending.
    followed = [*session.rooms, EVERYBODY] if len(session.rooms) < len(desks) else list(desks)
    for room in followed:
        if room in desks and (room in session.rooms or room == EVERYBODY):
            desks[room].catch_up(session)


def _is_current(session: Session, room: RoomId) -> bool:
    return session.current is not None and session.current.id == room
