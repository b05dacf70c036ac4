"""Readers that fell behind: each reads on from the logs at its own pace, until it stands at the heads again.

A reader whose transport asks for a pause is taken off all its rooms, and nothing is kept for it but its cursors
(`tcpchat.server.publisher.Lag`). When the transport has drained it is given chunk after chunk of what it has missed,
from the recent tail in memory or from the store, as the core lets it read (`tcpchat.core.backlog`). It is in all its
rooms at once or in none: once every cursor stands at its head, and it knows who is there where somebody has come or
gone, it is told what happens next like everybody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from tcpchat.core.backlog import Chunk
from tcpchat.core.entries import RoomId
from tcpchat.core.events import Event, Members, Notice, RoomsChanged
from tcpchat.core.limits import Limits
from tcpchat.core.permissions import span
from tcpchat.core.requests import Page, Reading, ReadPage, Supply
from tcpchat.core.state import Session
from tcpchat.errors import ChatError, Code
from tcpchat.server.desk import Cursor, Reader, encoded
from tcpchat.server.publisher import Lag, Publisher

# Events for readers that fell behind, in one turn of the reactor: about 5 ms.
_TURN_EVENTS = 1_000
# Pages that are read for them at a time: anybody else's waits for no more than these.
_PAGES = 2
# Until a log is read again that could not be read.
_RETRY_SECONDS = 1.0
# How often it is looked at who takes nothing, in that time.
_CHECKS = 10
_BEREFT = "Some of what was written to you alone can't be shown any more: who wrote it has gone, and many after them."


class Backlog(Protocol):
    """What the logs hold for one reader; `tcpchat.core.hub.Hub` is the real one."""

    def read_on(
        self, session: Session, room: RoomId, after: int, supply: Supply | None = None
    ) -> Chunk | ReadPage | None:
        """Return what follows the entry ``after``, or what reads it; None at the head."""

    def members(self, session: Session, room: RoomId) -> Members | None:
        """Return who is in a room."""


class Pages(Protocol):
    """What reads pages of the log; `tcpchat.server.pages.PageReaders` is the real one."""

    def fetch(self, request: Reading, done: Callable[[Supply], None]) -> None:
        """Read a page, and give it to ``done``."""


@dataclass(slots=True, eq=False)
class _Laggard:
    """One that fell behind. ``page`` is what was read for it; ``busy``: it waits for that.

    ``unsent`` is how many bytes its peer had yet to take when it was looked at last; ``since``, on the reactor's clock,
    is when it took some.
    """

    session: Session
    reader: Reader
    lag: Lag
    unsent: int
    since: float
    page: Page | None = None
    busy: bool = False


class Laggards:
    """Those who fell behind, and their way back: one chunk for each in turn, so that many of them hold nobody up."""

    _log = Logger()

    def __init__(
        self, publisher: Publisher, backlog: Backlog, pages: Pages, clock: IReactorTime, limits: Limits
    ) -> None:
        self._publisher = publisher
        self._backlog = backlog
        self._pages = pages
        self._clock = clock
        self._limits = limits
        self._noted: dict[Session, Reader] = {}
        self._laggards: dict[Session, _Laggard] = {}
        # Whose turn it is, in that order.
        self._ready: dict[_Laggard, None] = {}
        # For whom a page is being read, or waits to be told; and who needs one next.
        self._reading: set[_Laggard] = set()
        self._asking: deque[tuple[_Laggard, ReadPage]] = deque()
        self._scheduled = False
        self._check: IDelayedCall | None = None

    def note(self, session: Session, reader: Reader) -> None:
        """Note that a reader takes nothing more: if it still is so in the next turn, it falls behind.

        Not at once: whoever writes to it may be going through a room's readers.
        """
        self._noted[session] = reader
        self._schedule()

    def begin(self, session: Session, reader: Reader) -> None:
        """Let a session that is resumed read on from its cursors."""
        self._add(session, reader, self._publisher.lag(session))
        self.serve(session)

    def serve(self, session: Session) -> None:
        """Let one that fell behind read on, now that it can."""
        laggard = self._laggards.get(session)
        if laggard is not None and not laggard.busy:
            self._ready[laggard] = None
            self._schedule()

    def abandon(self, session: Session) -> None:
        """Forget a reader: it reads nothing more."""
        self._noted.pop(session, None)
        laggard = self._laggards.pop(session, None)
        if laggard is not None:
            self._ready.pop(laggard, None)
            self._publisher.abandon(session)
            self._finish(laggard)
            self._watch()

    def has_read(self, session: Session, room: RoomId, seq: int) -> bool:
        """Return whether a session has read an entry, or never will."""
        laggard = self._laggards.get(session)
        return laggard is None or laggard.lag.has_read(room, seq)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        """Take those who fall behind off their rooms, and let those read on who can."""
        self._scheduled = False
        noted, self._noted = self._noted, {}
        for session, reader in noted.items():
            if not reader.writable and session not in self._laggards:
                self._set_aside(session, reader)
        budget = _TURN_EVENTS
        for laggard in list(self._ready):
            if budget <= 0:
                break
            if laggard in self._ready:  # an answer that was sent meanwhile may have been its last
                del self._ready[laggard]
                budget -= 1 + self._serve(laggard)
        if self._ready:
            self._schedule()

    def _set_aside(self, session: Session, reader: Reader) -> None:
        self._add(session, reader, self._publisher.set_aside(session))

    def _add(self, session: Session, reader: Reader, lag: Lag) -> None:
        self._laggards[session] = _Laggard(session, reader, lag, reader.unsent, self._clock.seconds())
        reader.fell_behind()
        self._watch()

    def _serve(self, laggard: _Laggard) -> int:
        """Let one read on, and return how many events that were."""
        page, laggard.page = laggard.page, None
        self._finish(laggard)
        if not laggard.reader.writable:
            return 0
        try:
            return self._read_on(laggard, page)
        except Exception:
            self._log.failure("a reader that fell behind could not read on")
            laggard.reader.dismiss("Something went wrong on the server; it has been noted there.", Code.INTERNAL)
            return 0

    def _read_on(self, laggard: _Laggard, page: Page | None) -> int:
        """Give one the next chunk of the first log that has one, else what is in no log; or let it take part again."""
        lag = laggard.lag
        for cursors in (lag.rooms, lag.directs):
            for room, cursor in list(cursors.items()):
                supply = page if page is not None and page.room == room else None
                found = self._backlog.read_on(laggard.session, room, cursor.seq, supply)
                if isinstance(found, ReadPage):
                    laggard.busy = True
                    self._asking.append((laggard, found))
                    self._fetch()
                    return 0
                if found is not None:
                    # The others are next: none of them waits for the end of this one.
                    cursors[room] = cursors.pop(room)
                    self._give(laggard, room, cursor, found)
                    return len(found.events)
                if cursors is lag.directs:
                    del cursors[room]
        if events := self._ephemeral(laggard):
            self._deliver(laggard, events, current=False)
            self.serve(laggard.session)
            return len(events)
        del self._laggards[laggard.session]
        self._watch()
        self._publisher.take_back(laggard.session)
        laggard.reader.caught_up()
        return 0

    def _give(self, laggard: _Laggard, room: RoomId, cursor: Cursor, chunk: Chunk) -> None:
        current = laggard.session.current
        self._deliver(laggard, chunk.events, current=current is not None and current.id == room)
        cursor.seq = chunk.last
        self.serve(laggard.session)
        laggard.reader.read_on()

    def _ephemeral(self, laggard: _Laggard) -> list[Event]:
        """Return what is so by now where something has changed that is in no log."""
        lag = laggard.lag
        events: list[Event] = []
        for room, cursor in lag.rooms.items():
            if cursor.stirred:
                cursor.stirred = False
                if (members := self._backlog.members(laggard.session, room)) is not None:
                    events.append(members)
        if lag.rooms_changed:
            lag.rooms_changed = False
            events.append(RoomsChanged())
        if lag.bereft:
            lag.bereft = False
            events.append(Notice(_BEREFT))
        return events

    def _deliver(self, laggard: _Laggard, events: list[Event], *, current: bool) -> None:
        if data := encoded(laggard.reader.encoder(current=current), events, laggard.session):
            laggard.reader.deliver(data)

    def _fetch(self) -> None:
        """Have pages read for those who need one next."""
        while self._asking and len(self._reading) < _PAGES:
            laggard, request = self._asking.popleft()
            if self._laggards.get(laggard.session) is laggard:
                self._reading.add(laggard)
                self._pages.fetch(request, partial(self._go_on, laggard))

    def _finish(self, laggard: _Laggard) -> None:
        """The page of one is told, or not wanted any more: it is another's turn."""
        if laggard in self._reading:
            self._reading.discard(laggard)
            self._fetch()

    def _go_on(self, laggard: _Laggard, supply: Supply | None) -> None:
        """Take the page that was asked for; one that could not be read is asked for again after a while."""
        if self._laggards.get(laggard.session) is not laggard:
            return
        if isinstance(supply, ChatError):
            self._clock.callLater(_RETRY_SECONDS, self._go_on, laggard, None)
            return
        laggard.busy = False
        laggard.page = supply if isinstance(supply, Page) else None
        self.serve(laggard.session)

    def _watch(self) -> None:
        """Look after a while who takes nothing, as long as there is anybody to look at."""
        if self._laggards and self._check is None:
            self._check = self._clock.callLater(self._limits.stuck_seconds / _CHECKS, self._look)
        elif not self._laggards and self._check is not None:
            self._check.cancel()
            self._check = None

    def _look(self) -> None:
        """Close those who have taken nothing for too long; who takes little is welcome to."""
        self._check = None
        now, most = self._clock.seconds(), self._limits.stuck_seconds
        for laggard in list(self._laggards.values()):
            unsent = laggard.reader.unsent
            if unsent == 0 or unsent < laggard.unsent:
                laggard.since = now
            laggard.unsent = unsent
            if now - laggard.since >= most:
                text = f"You have read nothing for {span(int(most * 1000))}: connect again to read on."
                laggard.reader.dismiss(text, Code.SLOW_READER)
        self._watch()
