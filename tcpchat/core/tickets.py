"""The sessions that can be brought back after their connections broke, by codes that only their owners know."""

from __future__ import annotations

import re
from base64 import b32encode
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import islice
from typing import TypeVar

from tcpchat.core.state import Session, Ticket
from tcpchat.core.stored_session import SessionId

# 80 bits: at a thousand guesses a second, which no network may make, one in 38 million years is right.
_CODE_BYTES = 10
_GROUP = 4
_PLAIN_CODE = re.compile("[a-z2-7]{16}")

_Any = TypeVar("_Any")


class Tickets:
    """The sessions that can be resumed. Of those without a connection the first to break comes first."""

    def __init__(self) -> None:
        self._codes: dict[str, Session] = {}
        self._guests: dict[Session, None] = {}
        self._accounts: dict[Session, None] = {}
        self._networks: dict[str, dict[Session, None]] = {}
        # Those with connections, which are looked at in turn: of people, and of programs, which know what they have.
        self._screens: dict[Session, None] = {}
        self._programs: dict[Session, None] = {}
        # Those that are stored otherwise than they are by now.
        self._stale: dict[Session, None] = {}
        # Those that have ended, and are stored still.
        self._lingering: dict[SessionId, None] = {}

    def __len__(self) -> int:
        """Return how many sessions have no connection."""
        return len(self._guests) + len(self._accounts)

    def find(self, code: str) -> Session | None:
        """Return the session of which ``code`` is a code that is good."""
        return self._codes.get(digest(code))

    def add(self, session: Session, ticket: Ticket) -> None:
        """Let a session be resumed."""
        session.ticket = ticket
        self._codes[ticket.code] = session
        if ticket.next:
            self._codes[ticket.next] = session
        (self._screens if ticket.screen else self._programs)[session] = None

    def renew(self, session: Session, used: str, new: str) -> None:
        """Put the hash of a ``new`` code in the place of the one that was ``used``, which is good until ``new`` is."""
        ticket = session.ticket
        assert ticket is not None
        kept = digest(used)
        for code in (ticket.code, ticket.next):
            if code != kept:
                self._codes.pop(code, None)
        ticket.code, ticket.next = kept, new
        self._codes[new] = session

    def replace(self, session: Session, new: str) -> None:
        """Put the hash of a ``new`` code in the place of all there were."""
        ticket = session.ticket
        assert ticket is not None
        for code in (ticket.code, ticket.next):
            self._codes.pop(code, None)
        ticket.code, ticket.next = new, ""
        self._codes[new] = session

    def move(self, old: Session, new: Session, network: str) -> None:
        """Let the session ``new``, which comes from ``network``, be what ``old`` was, with a connection."""
        ticket = self.remove(old)
        assert ticket is not None
        ticket.detached, ticket.network = 0, network
        self.add(new, ticket)

    def linger(self, ident: SessionId) -> None:
        """A session that has ended may be stored still."""
        self._lingering[ident] = None

    def take_lingering(self, most: int) -> list[SessionId]:
        """Return up to ``most`` sessions that have ended and may be stored still."""
        return _take(self._lingering, most)

    def remove(self, session: Session) -> Ticket | None:
        """Let a session be resumed no more; return what it was to be resumed by."""
        ticket, session.ticket = session.ticket, None
        if ticket is None:
            return None
        self._codes.pop(ticket.code, None)
        self._codes.pop(ticket.next, None)
        self._read_no_more(session)
        self._stale.pop(session, None)
        self._reattach(session, ticket)
        return ticket

    def detach(self, session: Session, now: int) -> None:
        """The session has no connection any more."""
        ticket = session.ticket
        assert ticket is not None
        assert session.person is not None
        ticket.detached = now
        self._read_no_more(session)
        if session.person.registered:
            self._accounts[session] = None
        else:
            self._guests[session] = None
            self._networks.setdefault(ticket.network, {})[session] = None

    def guests(self) -> Iterator[Session]:
        """Return the guests without a connection."""
        return iter(self._guests)

    def guests_of(self, network: str) -> int:
        """Return how many guests of a network have no connection."""
        return len(self._networks.get(network, ()))

    def first_guest(self, network: str) -> Session:
        """Return the guest of a network whose connection broke first; raises KeyError if there is none."""
        return next(iter(self._networks[network]))

    def first(self) -> Session:
        """Return the session that broke first, of guests or of accounts: of whom there are more, guests when equal.

        Raises StopIteration if there is none.
        """
        return next(iter(self._accounts if len(self._accounts) > len(self._guests) else self._guests))

    def over(self, guests: int, accounts: int, most: int) -> list[Session]:
        """Return up to ``most`` sessions of guests, and as many of accounts, that broke by these moments."""
        return [
            session
            for sessions, last in ((self._guests, guests), (self._accounts, accounts))
            for session in islice(sessions, most)
            if session.ticket is not None and session.ticket.detached <= last
        ]

    def touch(self, session: Session) -> None:
        """What is stored of a session is no longer so."""
        if session.ticket is not None:
            self._stale[session] = None

    def is_stale(self, session: Session) -> bool:
        """Return whether a session is stored otherwise than it is; from now on it counts as stored."""
        return self._stale.pop(session, self) is None

    def take_stale(self, most: int) -> list[Session]:
        """Return up to ``most`` sessions that are to be stored anew."""
        return _take(self._stale, most)

    def next_readers(self, people: int, programs: int) -> list[Session]:
        """Return so many sessions with connections at the most, those that were looked at longest ago."""
        return _rotate(self._screens, people) + _rotate(self._programs, programs)

    def _read_no_more(self, session: Session) -> None:
        self._screens.pop(session, None)
        self._programs.pop(session, None)

    def _reattach(self, session: Session, ticket: Ticket) -> None:
        if not ticket.detached:
            return
        self._accounts.pop(session, None)
        if session in self._guests:
            del self._guests[session]
            others = self._networks[ticket.network]
            del others[session]
            if not others:
                del self._networks[ticket.network]


def _take(waiting: dict[_Any, None], most: int) -> list[_Any]:
    """Return the first ``most``, which wait no more."""
    taken = list(islice(waiting, most))
    for one in taken:
        del waiting[one]
    return taken


def _rotate(sessions: dict[Session, None], most: int) -> list[Session]:
    """Return the first ``most`` sessions, which are the last ones from now on."""
    taken = list(islice(sessions, most))
    for session in taken:
        del sessions[session]
        sessions[session] = None
    return taken


def new_code(new_id: Callable[[], int]) -> str:
    """Return a new code of 80 bits, for people to type: ``kx3m-7pqa-b2zw-ymth``. ``new_id`` gives 63 random bits."""
    number = (new_id() << 63 | new_id()) % (1 << 8 * _CODE_BYTES)
    text = b32encode(number.to_bytes(_CODE_BYTES, "big")).decode().lower()
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def digest(code: str) -> str:
    """Return what is kept of a code: its SHA-256. Of 80 random bits that is as good as a slow hash.

    Capitals, spaces and hyphens make no difference.
    """
    return sha256(_plain(code).encode()).hexdigest()


def is_code(text: str) -> bool:
    """Return whether ``text`` could be a code at all."""
    return _PLAIN_CODE.fullmatch(_plain(text)) is not None


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()
