"""Connecting, and connecting again: Twisted's `ClientService`, and words for what it does."""

from __future__ import annotations

from collections.abc import Callable

from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from zope.interface import implementer

from tcpchat.client.connection import Connection, reason_of

# The first wait is about a second; then they double, up to a minute.
_backoff = backoffPolicy(initialDelay=0.5, maxDelay=60.0, factor=2.0)


class _ConnectionFactory(Factory):
    noisy = False

    def __init__(self, build: Callable[[], Connection]) -> None:
        self._build = build

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return self._build()


@implementer(IStreamClientEndpoint)
class Dialer:
    """Keeps a connection between `start` and `stop`.

    ``waiting`` is called with the seconds until the next attempt, after ``failed`` has been called with a reason if
    no connection was made. The waits grow until `settle` says that a connection is good.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        build: Callable[[], Connection],
        failed: Callable[[str], None],
        waiting: Callable[[float], None],
        clock: IReactorTime,
        backoff: Callable[[int], float] = _backoff,
    ) -> None:
        self._endpoint = endpoint
        self._failed = failed
        self._waiting = waiting
        self._backoff = backoff
        self._attempts = 0
        self._service = ClientService(self, _ConnectionFactory(build), self._delay, clock)

    def start(self) -> None:
        """Connect, now and whenever the connection is lost."""
        self._service.startService()

    def stop(self) -> None:
        """Close the connection, and make no other."""
        self._service.stopService()

    def settle(self) -> None:
        """The next wait is a short one again."""
        self._attempts = 0

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect for the service, and notice why it fails."""
        connecting: Deferred[IProtocol] = self._endpoint.connect(protocolFactory)
        return connecting.addErrback(self._refused)

    def _refused(self, failure: Failure) -> Failure:
        if not failure.check(CancelledError):
            self._failed(reason_of(failure))
        return failure

    def _delay(self, attempt: int) -> float:
        # Not the service's count: a connection that is closed before we are logged in is no success.
        self._attempts += 1
        seconds = self._backoff(self._attempts)
        self._waiting(seconds)
        return seconds
