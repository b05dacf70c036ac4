"""The thread that writes the log: it commits batches one by one, and tries a database that fails until it works."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger

from tcpchat.core.entries import RoomId
from tcpchat.core.requests import Change, Deleted, ForgetSendings
from tcpchat.errors import ChatError, Code
from tcpchat.store.log import Outcome

# What is removed of a deleted room, or of old ids, between two batches: about 10 ms.
_PURGE_ENTRIES = 2_000
# The pause before a database that fails is tried again.
_PROBE_SECONDS = 1.0
# The first pause of a failure, by how often the database has taken a probe since it took a batch. None at first: a lock
# or a restart may be over. Then longer ones: a disk that takes a probe and no message is not reported without end.
_FIRST_PROBE_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0)


class Pause:
    """How long to wait before a database that fails is tried again, in ``seconds``."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._relapses = 0

    def failed(self) -> None:
        """A batch has failed."""
        self.seconds = _FIRST_PROBE_SECONDS[min(self._relapses, len(_FIRST_PROBE_SECONDS) - 1)]

    def tried(self, *, works: bool) -> None:
        """The database was tried."""
        if works:
            self._relapses += 1
        else:
            self.seconds = max(self.seconds, _PROBE_SECONDS)

    def committed(self) -> None:
        """A batch was committed: the database does work."""
        self._relapses = 0


class Log(Protocol):
    """What commits, blocking; `tcpchat.store.log.LogWriter` is the real one."""

    def commit(self, changes: Sequence[Change]) -> Outcome:
        """Commit a batch."""

    def probe(self) -> Outcome:
        """Try whether the database can commit."""

    def open(self) -> None:
        """Take hold of the database, so that no other daemon can."""

    def purge(self, room: RoomId, limit: int) -> bool:
        """Remove a part of a deleted room; True when nothing is left."""

    def forget(self, before: int, limit: int) -> bool:
        """Remove a part of what was sent under an id before ``before``; True when nothing is left."""

    def close(self) -> None:
        """Let go of the database."""


class Changes(Protocol):
    """Changes that are committed together."""

    changes: list[Change]


Batch = TypeVar("Batch", bound=Changes)


class WriterThread(Generic[Batch]):
    """Commits batches in their order. Its callbacks come on the reactor's thread.

    ``finished`` hears what became of a batch. After one that failed the database is tried until it works, unless
    another batch comes; ``probed`` hears of each try. ``stopped`` hears that the database was let go of.
    """

    _log = Logger()

    def __init__(
        self,
        log: Log,
        reactor: IReactorFromThreads,
        finished: Callable[[Batch, Outcome], None],
        probed: Callable[[Outcome], None],
        stopped: Callable[[None], None],
    ) -> None:
        self._store = log
        self._reactor = reactor
        self._finished = finished
        self._probed = probed
        self._stopped = stopped
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        # All of this is the thread's own.
        self._purging: list[RoomId | ForgetSendings] = []
        self._failing = False
        self._pause = Pause()

    def start(self, unfinished: Sequence[RoomId] = ()) -> None:
        """Start; ``unfinished`` are deleted rooms of which entries remain."""
        self._purging = list(unfinished)
        threading.Thread(target=self._run, name="log writer", daemon=True).start()

    def commit(self, batch: Batch) -> None:
        """Commit ``batch`` after those before it."""
        self._batches.put(batch)

    def stop(self) -> None:
        """End after the batches that were given."""
        self._batches.put(None)

    def _run(self) -> None:
        try:
            self._store.open()
        except Exception as error:
            self._log.error("the database can't be held yet: {reason}", reason=plain(error))
        while (batch := self._next()) is not None:
            outcome = self._commit(batch.changes)
            settled = [*outcome.late, *outcome.supplies]
            self._purging += [change.room for change in settled if isinstance(change, Deleted)]
            self._purging += [change for change in settled if isinstance(change, ForgetSendings)]
            self._reactor.callFromThread(self._finished, batch, outcome)
        self._store.close()
        self._reactor.callFromThread(self._stopped, None)

    def _next(self) -> Batch | None:
        """Return the next batch, or None at the end; while there is none, do what else is to be done."""
        while True:
            try:
                if self._failing:
                    return self._batches.get(timeout=self._pause.seconds)
                return self._batches.get(block=not self._purging)
            except queue.Empty:
                if self._failing:
                    self._probe()
                else:
                    self._purge()

    def _commit(self, changes: list[Change]) -> Outcome:
        try:
            outcome = self._store.commit(changes)
        except Exception as error:
            self._log.failure("the log failed to commit")
            outcome = Outcome([_failure(error) for _ in changes], [], error)
        self._failing = outcome.failure is not None
        if self._failing:
            self._pause.failed()
        else:
            self._pause.committed()
            self._report(outcome)
        return outcome

    def _report(self, outcome: Outcome) -> None:
        """Note in the log what a database that works has refused for its data."""
        failed = [
            supply for supply in outcome.supplies if isinstance(supply, ChatError) and supply.code is Code.STORE_FAILED
        ]
        if failed:
            self._log.error(
                "{count} of {total} changes were not committed: {reason}",
                count=len(failed),
                total=len(outcome.supplies),
                reason=plain(failed[0].__cause__),
            )

    def _probe(self) -> None:
        try:
            outcome = self._store.probe()
        except Exception as error:
            self._log.failure("the log failed to be tried")
            outcome = Outcome([], [], error)
        self._purging += [change.room for change in outcome.late if isinstance(change, Deleted)]
        self._failing = outcome.failure is not None
        self._pause.tried(works=not self._failing)
        self._reactor.callFromThread(self._probed, outcome)

    def _purge(self) -> None:
        old = self._purging[0]
        try:
            if isinstance(old, ForgetSendings):
                gone = self._store.forget(old.before, _PURGE_ENTRIES)
            else:
                gone = self._store.purge(old, _PURGE_ENTRIES)
        except Exception as error:
            what = "old client ids stay for an hour more"
            if not isinstance(old, ForgetSendings):
                what = "the entries of a deleted room stay until the next start"
            self._log.error("{what}: {reason}", what=what, reason=plain(error))
            gone = True
        if gone:
            self._purging.remove(old)


def plain(error: BaseException | None) -> str:
    """Return the database's own words, without SQLAlchemy's statement and advice around them, and in one line.

    PostgreSQL's details are left out: they show the row, and so what was said.
    """
    return " ".join(str(getattr(error, "orig", error)).partition("\nDETAIL:")[0].split())


def _failure(error: Exception) -> ChatError:
    failure = ChatError(Code.STORE_FAILED, "The server could not keep this, so nobody has seen it. Please try again.")
    failure.__cause__ = error
    return failure
