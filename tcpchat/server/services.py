"""What every connection uses: the hub, and those who do what it asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from tcpchat.core.entries import PersonId
from tcpchat.core.hub import Hub
from tcpchat.core.limits import Limits
from tcpchat.core.requests import Change, Secretive, Supply
from tcpchat.server.commits import Waiter
from tcpchat.server.http.site import ChatSite
from tcpchat.server.laggards import Laggards, Pages
from tcpchat.server.publisher import Publisher


class Commits(Protocol):
    """What commits changes; `tcpchat.server.commits.GroupCommit` is the real one."""

    def submit(self, change: Change, waiter: Waiter) -> None:
        """Commit ``change`` with others; ``waiter`` is told what it gave."""


class Proofs(Protocol):
    """What checks proofs and makes secrets; `tcpchat.server.prover.Prover` is the real one."""

    def registered(self, account: PersonId, address: str) -> None:
        """An account was made by a peer at ``address``."""

    def perform(self, request: Secretive, address: str, done: Callable[[Supply], None]) -> None:
        """Do what is asked for a peer at ``address``, and give the result to ``done``."""


@dataclass(frozen=True, slots=True)
class Services:
    """What every connection uses."""

    hub: Hub
    commits: Commits
    pages: Pages
    proofs: Proofs
    publisher: Publisher
    laggards: Laggards
    clock: IReactorTime
    limits: Limits
    site: ChatSite
