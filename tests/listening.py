"""Who listens to the chat, on whatever wire: what is due to each, and how each goes and comes back.

What really happened is in the `Chronicle`; people are not told of it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from precis_i18n import get_profile

from tcpchat.core.entries import Draft, Entry, Kind, PersonId, RoomId
from tcpchat.core.keeping import logs_of
from tcpchat.core.state import Direct, Person, Session
from tests import returning
from tests.house import House

_PRECIS = get_profile("UsernameCaseMapped")


def key(name: str) -> str:
    """Return what makes two names the same one (RFC 8265, section 3.3)."""
    folded: str = _PRECIS.enforce(name)
    return folded


@dataclass
class Chronicle:
    """What really happened. ``names`` says who was called what after the last step."""

    house: House
    crowded: bool
    # Whether a session that broke may be gone before its connection comes back: its time is short, or its place.
    fleeting: bool = True
    names: dict[PersonId, str] = field(default_factory=dict)
    epochs: dict[int, RoomId] = field(default_factory=dict)

    def entry(self, word: str) -> Entry:
        """Return the entry of a text, each of which is said once."""
        (found,) = [entry for log in self.house.store.logs.values() for entry in log if entry.draft.text == word]
        return found

    def note_rooms(self) -> None:
        """Remember what rooms there are."""
        self.epochs |= {room.epoch: room.id for room in self.house.hub.rooms}

    def note_names(self) -> None:
        """Remember what names are held at the end of a step."""
        self.names = self.names_now()

    def names_now(self) -> dict[PersonId, str]:
        """Return who is called what."""
        return {person.id: person.name for person in self.house.hub.users}


@dataclass(frozen=True)
class Delivery:
    """An entry as somebody is to read it: in which room, and with whom if it is a direct message.

    ``partner`` is that instead for who reads on from the log: it tells the name of the moment.
    """

    entry: Entry
    label: str
    other: str | None
    partner: Person | None = None

    def names(self, chronicle: Chronicle) -> set[str]:
        """Return what the other person may be called; nothing in a room."""
        if self.partner is not None:
            return {self.partner.name, chronicle.names.get(self.partner.id, self.partner.name)}
        return {self.other} if self.other else set()


class Listener:
    """What both wires have in common: ``due`` is what was committed for this person and not read yet, by log.

    ``hidden`` are the numbers that were committed while their authors were ignored; ``shunned`` are those whom
    this person has ever wanted to ignore, ``ignoring`` those who were during the whole last step.

    ``transports`` are all the connections that this person ever had. ``behind``: it read on from the logs in this step.
    ``sure``: the server has done nothing for this person but what it was told of.
    """

    house: House
    transport: Any
    name: str | None
    trying: returning.Attempt | returning.TypedAttempt | None

    def __init__(self, chronicle: Chronicle) -> None:
        self.chronicle = chronicle
        self.due: defaultdict[RoomId, deque[Delivery]] = defaultdict(deque)
        self.hidden: set[tuple[RoomId, int]] = set()
        self.shunned: set[PersonId] = set()
        self.ignoring: set[PersonId] = set()
        self._ignored_before: set[PersonId] = set()
        self.torn = False
        self.ended = False
        # A connection that is over has forgotten its session.
        self.transports: dict[Any, Session | None] = {self.transport: None}
        self.trying = None
        self.codes = returning.Codes()
        self.identity: Person | None = None
        self.behind = False
        self._abandoned = False

    @property
    def there(self) -> bool:
        """Whether the connection stands."""
        return not (self.torn or self.transport.closed or self.transport.write_closed)

    @property
    def session(self) -> Session | None:
        """This person's session; a connection that has said nothing has none."""
        return _session_of(self.transport) or self.transports[self.transport]

    def wrote(self, draft: Draft) -> bool:
        """Return whether something is this person's own; who has just gone is known by name only."""
        person = self.identity or (self.session.person if self.session is not None else None)
        return draft.author == person.id if person is not None else draft.name == self.name

    @property
    def sessions(self) -> list[Session]:
        """All sessions of this person that are anybody's: at most one, and perhaps one that begins as another's."""
        found = [_session_of(transport) or session for transport, session in self.transports.items()]
        return [session for session in found if session is not None and session.person is not None]

    @property
    def sure(self) -> bool:
        """Whether nothing was done for this person that it was not told of."""
        return not self._abandoned

    def shun(self) -> None:
        """Remember who is ignored after a step."""
        ignored = set(self.session.ignores) if self.session else set()
        self.shunned |= ignored
        self.ignoring, self._ignored_before = self._ignored_before & ignored, ignored

    def end(self) -> None:
        """End one's half."""
        self.ended = True
        self.transport.end()

    def tear(self) -> None:
        """Break off."""
        self.torn = True
        self.transport.tear()

    def come_back(self, number: int) -> None:
        """Try to go on from a new connection, whether or not the old one stands."""
        if self.trying is None and (code := self.codes.choose(number)) is not None:
            self.codes.tried(code)
            self.trying = self._try(code, number)
            self.transports[self.trying.transport] = None

    def give_up(self) -> None:
        """Break off while trying; what the server makes of that is not known."""
        if self.trying is not None:
            self._abandoned = True
            self.trying.transport.tear()
            self.trying = None

    def close_in_turn(self) -> None:
        """Close as a peer does that was said goodbye to."""
        for transport in self.transports:
            if transport.write_closed and not transport.closed:
                transport.end()

    def note_sessions(self) -> None:
        """Remember whose sessions the connections have."""
        self.transports = {one: _session_of(one) or session for one, session in self.transports.items()}
        connection = self.transport.protocol._connection
        self.behind = connection is not None and connection.behind

    def _try(self, code: str, number: int) -> returning.Attempt | returning.TypedAttempt:
        raise NotImplementedError

    def _refused(self, code: str, *, gone: bool) -> None:
        """Compare a refusal with what should be: ``gone``, as there is no such session, or busy."""
        attempt, self.trying = self.trying, None
        assert attempt is not None
        attempt.transport.tear()
        assert gone, "nobody else can have come back at this moment"
        if code in self.codes.good:
            assert self.identity not in list(self.house.hub.users), "a good code is refused"
            assert self.chronicle.fleeting or not self.sure or self.ended, "the session has gone too early"

    def _returned(self, new: str) -> Session:
        """Go on by the new connection, and return its session."""
        attempt, self.trying = self.trying, None
        assert attempt is not None
        assert attempt.code in self.codes.good | self.codes.unsure, "a code is good that should not be"
        self.codes.told(attempt.code, new)
        self.transport = attempt.transport
        self.torn = self.ended = False
        session = self.session
        assert session is not None
        assert session.person is self.identity, "one goes on as somebody else"
        return session

    def _catch_up(self, session: Session, after: dict[RoomId, int], asked: Iterable[str], topics: bool) -> None:
        """Expect what follows ``after`` of each log; of those that were not ``asked`` for nothing may be missing."""
        unread, self.due = self.due, defaultdict(deque)
        for log in logs_of(session):
            seq = after[log.id]
            for delivery in unread[log.id] if log.label not in asked and self.sure else ():
                assert delivery.entry.seq > seq, "something is skipped that was never told"
            for entry in self.house.store.logs.get(log.id, [])[seq:]:
                if entry.draft.author in session.ignores:
                    self.hidden.add((log.id, entry.seq))
                elif topics or entry.draft.kind is not Kind.TOPIC:
                    self.hidden.discard((log.id, entry.seq))
                    other = log.other(session.person) if isinstance(log, Direct) and session.person else None
                    self.due[log.id].append(Delivery(entry, log.label, None, other))
        self._abandoned = False
        self.behind = True

    def _forget_due(self) -> None:
        """Expect nothing more of what isn't there any more: who reads on from the logs never gets it."""
        session = self.session
        known = {log.id for log in logs_of(session)} if session is not None else set()
        self.due = defaultdict(deque, {room: due for room, due in self.due.items() if room in known})

    def _take_due(self, room: RoomId) -> Delivery:
        assert self.due[room], f"something is told twice, or to who isn't there, in {room:x}"
        return self.due[room].popleft()

    def _compare_reading(self) -> Session:
        session = self.session
        assert session is not None
        assert not any(self.due.values()), "something was committed and never told"
        return session


def _session_of(transport: Any) -> Session | None:
    connection = transport.protocol._connection
    return connection.session if connection else None


def standings(session: Session) -> dict[RoomId, int]:
    """Return after which entries a session that was resumed goes on; a conversation may be new since."""
    assert session.ticket is not None
    return {log.id: int(session.ticket.places.get(log.id, (0, 0))[0]) for log in logs_of(session)}
