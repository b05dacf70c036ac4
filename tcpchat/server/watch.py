"""Certificates are read anew when their files change, or on request; nobody is dropped for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from tcpchat.server.tls import Look, TlsContext

# A certificate that was renewed is in use this soon; looking costs a few stat(2).
LOOK_SECONDS = 10.0
# A certificate that ends soon is said once a day.
REMIND_SECONDS = 86_400.0


class CertificateWatch:
    """Looks at the files of contexts between `start` and `stop`, off the reactor's thread."""

    _log = Logger()

    def __init__(self, contexts: Iterable[TlsContext], reactor: Any) -> None:
        self._contexts = list(contexts)
        self._reactor = reactor
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._reminded = 0.0

    def start(self) -> None:
        """Say what is in use, and begin to look."""
        for context in self._contexts:
            self._tell(context.describe())
        self._reminded = self._reactor.seconds()
        self._looking.start(LOOK_SECONDS, now=False)

    def stop(self) -> None:
        """Look no more."""
        if self._looking.running:
            self._looking.stop()

    def replace(self, old: TlsContext | None, new: TlsContext | None) -> None:
        """Look at the files of ``new`` in the place of those of ``old``."""
        self._contexts = [context for context in self._contexts if context is not old]
        if new is not None:
            self._contexts.append(new)

    def look_now(self) -> None:
        """Read everything anew, changed or not."""
        if self._looking.running:
            self._look(forced=True)  # one more that is under way does no harm

    def _look(self, *, forced: bool = False) -> Deferred[None] | None:
        if not self._contexts:
            return None
        looking: Deferred[list[Look]] = deferToThreadPool(
            self._reactor, self._reactor.getThreadPool(), _look_at, tuple(self._contexts), forced
        )
        return looking.addCallbacks(self._tell_all, lambda failure: self._log.failure("a look failed", failure))

    def _tell_all(self, looks: list[Look]) -> None:
        for look in looks:
            self._tell(look)
        if self._reactor.seconds() - self._reminded >= REMIND_SECONDS:
            self._reminded = self._reactor.seconds()
            for context in self._contexts:
                self._tell(Look((), context.warnings))

    def _tell(self, look: Look) -> None:
        for line in look.lines:
            self._log.info("{line}", line=line)
        for warning in look.warnings:
            self._log.warn("{warning}", warning=warning)
        if look.refused is not None:
            self._log.error("the new certificate is refused, and the old one stays: {why}", why=look.refused)


def _look_at(contexts: Sequence[TlsContext], forced: bool) -> list[Look]:
    return [look for context in contexts if (look := context.look(forced=forced)) is not None]
