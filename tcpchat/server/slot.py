"""One request under way: its place in the order of answers, what the hub is asked, and who performs what that needs."""

from __future__ import annotations

from typing import Protocol

import msgspec
from twisted.logger import Logger

from tcpchat.core.accounts import Account
from tcpchat.core.answers import Answer, Done
from tcpchat.core.commands import Command
from tcpchat.core.entries import Entry, RoomId, Sent
from tcpchat.core.requests import Append, Change, CreateRoom, Reading, Secretive, Supply
from tcpchat.core.requests import Request as HubRequest
from tcpchat.core.state import Session
from tcpchat.errors import ChatError, Code
from tcpchat.server.commits import Correspondent
from tcpchat.server.pace import REGISTRATIONS, Pace
from tcpchat.server.services import Services
from tcpchat.wire.codec import Request

_log = Logger()

UNHEARD = Done()
"""The answer to what was accepted and has no id: nobody is told."""


class Dialogue(Correspondent, Protocol):
    """What a slot uses of the `tcpchat.server.connection.Connection` that it belongs to.

    ``uncommitted`` is in bytes; while ``behind``, the peer has yet to read what has happened.
    """

    session: Session
    services: Services
    pace: Pace | None
    uncommitted: int
    behind: bool

    @property
    def peer_address(self) -> str:
        """Where the peer is."""

    def settled(self, slot: Slot) -> None:
        """A slot has its answer."""

    def postpone(self, slot: Slot, supply: Supply) -> None:
        """Go on with a slot once the peer has caught up."""


class Slot(msgspec.Struct, gc=False):
    """The place of one request in the order of answers, and the `Waiter` for what the hub needs to answer it.

    ``entry`` is what the answer tells of, if that is still to be read. Every slot is answered in the end, and then
    nobody keeps it: the collector has nothing to find here.
    """

    connection: Dialogue
    request: Request
    pipelined: bool
    size: int = 0
    answer: Answer | ChatError | None = None
    entry: tuple[RoomId, int] | None = None
    # Whether it has made an account, and whether it is a room that counts.
    registered: bool = False
    counted: bool = False

    def step(self, command: Command, supply: Supply | None = None) -> None:
        """Ask the hub, and perform what it needs: it will be asked again with the result."""
        connection = self.connection
        charge = None
        if not self.pipelined:  # what is said has its price, and is not measured
            if connection.pace is not None:
                charge = connection.pace.measure(connection.session.person, supply)
            if type(supply) is Account and type(command) in REGISTRATIONS:
                self.registered = True
                connection.services.proofs.registered(supply.id, connection.peer_address)
        try:
            outcome: Answer | HubRequest | ChatError = connection.services.hub.handle(
                connection.session, command, supply
            )
        except ChatError as error:
            outcome = error.detached()
        except Exception:
            _log.failure("a command failed: {command}", command=type(command).__name__)
            outcome = ChatError(Code.INTERNAL, "Something went wrong on the server; it has been noted there.")
        if charge is not None:
            charge()
        if type(outcome) is Append:  # nearly all are
            self._commit(outcome, len(outcome.draft.text))
        elif isinstance(outcome, HubRequest):
            self._perform(command, outcome)
        else:
            self.answer = outcome
            connection.settled(self)

    def done(self, supply: Supply) -> None:
        """Take what the hub needed."""
        connection = self.connection
        connection.uncommitted -= self.size
        self.size = 0
        if self.counted:
            self._created(supply)
        if type(supply) is Entry and self.request.id is None:
            self.answer = UNHEARD
            connection.settled(self)
        elif connection.behind:
            self._take_behind(supply)
        else:
            self.step(self.request.asks, supply)  # type: ignore[arg-type]  # only commands need anything

    def go_on(self, supply: Supply) -> None:
        """Ask the hub again, later than it could have been."""
        self.step(self.request.asks, supply)  # type: ignore[arg-type]  # only commands need anything

    def _take_behind(self, supply: Supply) -> None:
        """Take what the hub needed while the peer is behind: who has said something is answered, all else waits."""
        if not self.pipelined:
            self.connection.postpone(self, supply)
            return
        if type(supply) is Entry:
            self.entry = supply.draft.room, supply.seq
        elif type(supply) is Sent:
            self.entry = supply.room, supply.seq
        self.go_on(supply)

    def _perform(self, command: Command, request: HubRequest) -> None:
        """Let those do what the hub needs whose work it is."""
        services = self.connection.services
        if isinstance(request, Reading):
            services.pages.fetch(request, self.done)
        elif isinstance(request, Secretive):
            services.proofs.perform(request, self.connection.peer_address, self.done)
        elif isinstance(request, CreateRoom):
            self._create(command, request)
        else:
            self._commit(request, 0)  # type: ignore[arg-type]  # all the others are changes

    def _create(self, command: Command, request: CreateRoom) -> None:
        """Create a room, unless many have been created from the same network."""
        pace = self.connection.pace
        if pace is not None:
            try:
                pace.take_room()
            except ChatError as error:
                self.step(command, error.detached())
                return
            self.counted = True
        self._commit(request, 0)

    def _created(self, supply: Supply) -> None:
        """A room that was counted was created, or was not."""
        self.counted = False
        if isinstance(supply, ChatError) and self.connection.pace is not None:
            self.connection.pace.give_back_room()

    def _commit(self, change: Change, size: int) -> None:
        connection = self.connection
        services = connection.services
        self.size = size + services.limits.change_overhead_bytes
        connection.uncommitted += self.size
        services.commits.submit(change, self)
