"""Group commits: while one batch is being committed by the writer's thread, the next one gathers."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.logger import Logger

from tcpchat.core.entries import RoomId
from tcpchat.core.limits import Limits
from tcpchat.core.requests import Change, Deleted, ForgetSendings, Result, Supply
from tcpchat.errors import ChatError, Code
from tcpchat.store.log import Outcome

# One transaction is short enough to be undone and halved, and its loops on the reactor's thread take a few ms.
_BATCH_CHANGES = 1_000
# The shortest time from one batch to the next under load. The first goes at once; the ones after it grow a little,
# so that a commit, an encoding and a send() to each reader are shared by more messages.
_BATCH_SECONDS = 0.003
# What is removed of a deleted room, or of old ids, between two batches: about 10 ms.
_PURGE_ENTRIES = 2_000


class Log(Protocol):
    """What commits, blocking; `tcpchat.store.log.LogWriter` is the real one."""

    def commit(self, changes: Sequence[Change]) -> Outcome:
        """Commit a batch."""

    def open(self) -> None:
        """Take hold of the database, so that no other daemon can."""

    def purge(self, room: RoomId, limit: int) -> bool:
        """Remove a part of a deleted room; True when nothing is left."""

    def forget(self, before: int, limit: int) -> bool:
        """Remove a part of what was sent under an id before ``before``; True when nothing is left."""

    def close(self) -> None:
        """Let go of the database."""


class Correspondent(Protocol):
    """Whom the results of several changes of a batch go to."""

    def hold(self) -> None:
        """A batch is about to be told: gather what is written until `release`, so that it is one write."""

    def release(self) -> None:
        """The batch has been told."""


class Waiter(Protocol):
    """What waits for the result of one request. ``size`` in bytes counts against what may be uncommitted."""

    @property
    def connection(self) -> Correspondent:
        """Whom the answer goes to."""

    @property
    def size(self) -> int:
        """What the request weighs."""

    def done(self, supply: Supply) -> None:
        """Take the result, or a `ChatError`. Between `hold` and `release`, if it comes with a batch."""


class _Unheard:
    """Waits for nothing: for changes whose result nobody wants to hear."""

    size = 0

    @property
    def connection(self) -> Correspondent:
        """Nobody's."""
        return self

    def hold(self) -> None:
        """There is nothing to gather."""

    def release(self) -> None:
        """Nor to send."""

    def done(self, supply: Supply) -> None:
        """Nobody wants to hear it."""


UNHEARD = _Unheard()


class _Batch:
    """Changes that are committed together, and what waits for each."""

    __slots__ = ("changes", "size", "waiters")

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.waiters: list[Waiter] = []
        self.size = 0


class ReactorThreads(IReactorTime, IReactorFromThreads):
    """What is used of a reactor here."""


class GroupCommit:
    """One FIFO of batches and one thread that commits them; all callbacks come on the reactor's thread.

    ``on_commit`` hears of every batch first; once ``when_delivered`` has made its call, what was committed is with
    its readers, and the waiter of each change hears of it, in order.
    """

    _log = Logger()

    def __init__(
        self,
        log: Log,
        reactor: ReactorThreads,
        limits: Limits,
        on_commit: Callable[[Sequence[Result]], None],
        when_delivered: Callable[[Callable[[], None]], None],
    ) -> None:
        self._store = log
        self._reactor = reactor
        self._limits = limits
        self._on_commit = on_commit
        self._when_delivered = when_delivered
        # The last one takes what is submitted; the others are full.
        self._gathering = deque([_Batch()])
        self._size = 0
        self._busy = False
        self._scheduled = False
        self._due = 0.0
        self._batches: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._purging: list[RoomId | ForgetSendings] = []
        self._stopped: Deferred[None] = Deferred()

    def start(self, unfinished: Sequence[RoomId] = ()) -> None:
        """Start the thread; ``unfinished`` are deleted rooms of which entries remain."""
        self._purging = list(unfinished)
        threading.Thread(target=self._run, name="log writer", daemon=True).start()

    def submit(self, change: Change, waiter: Waiter) -> None:
        """Put a change into the next batch; ``waiter`` is told what it gave, or a `ChatError`.

        When more is waiting than ``uncommitted_bytes``, that is ``busy``, at once.
        """
        if self._size > self._limits.uncommitted_bytes:
            waiter.done(
                ChatError(Code.BUSY, "The server is busy, and this was not sent. Please try again in a moment.")
            )
            return
        batch = self._gathering[-1]
        if len(batch.changes) == _BATCH_CHANGES:
            batch = _Batch()
            self._gathering.append(batch)
        size = waiter.size
        self._size += size
        batch.size += size
        batch.changes.append(change)
        batch.waiters.append(waiter)
        if not self._busy and not self._scheduled:
            self._schedule()

    def stop(self) -> Deferred[None]:
        """End the thread after what was submitted; fires when it has let go of the database."""
        while self._gathering[0].changes:
            self._batches.put(self._take())
        self._batches.put(None)
        return self._stopped

    def _schedule(self) -> None:
        """Have a batch sent, in the reactor's next turn at the soonest: all that arrived in this one shares it."""
        if self._gathering[0].changes and not self._busy and not self._scheduled:
            self._scheduled = True
            # The reactor's clock is the machine's: set back by an hour, it must not make anybody wait for an hour.
            pause = min(_BATCH_SECONDS, max(0.0, self._due - self._reactor.seconds()))
            self._reactor.callLater(pause, self._send)

    def _send(self) -> None:
        self._scheduled = False
        if self._gathering[0].changes and not self._busy:
            self._busy = True
            self._due = self._reactor.seconds() + _BATCH_SECONDS
            self._batches.put(self._take())

    def _take(self) -> _Batch:
        """Return the oldest batch, which is not empty."""
        batch = self._gathering.popleft()
        if not self._gathering:
            self._gathering.append(_Batch())
        return batch

    def _finished(self, batch: _Batch, outcome: Outcome) -> None:
        self._size -= batch.size
        correspondents = dict.fromkeys([waiter.connection for waiter in batch.waiters])
        for correspondent in correspondents:
            correspondent.hold()
        # What is committed is committed: a fault in telling one must not keep the others from hearing.
        try:
            self._on_commit([*outcome.late, *outcome.supplies])
        except Exception:
            self._log.failure("a committed batch could not be delivered")
        self._when_delivered(partial(self._tell, batch, outcome, correspondents))

    def _tell(self, batch: _Batch, outcome: Outcome, correspondents: Iterable[Correspondent]) -> None:
        """Tell those who wait for a batch that everybody has seen."""
        self._busy = False
        for waiter, supply in zip(batch.waiters, outcome.supplies, strict=True):
            try:
                waiter.done(supply)
            except Exception:
                self._log.failure("the author of a committed change could not be told")
        for correspondent in correspondents:
            try:
                correspondent.release()
            except Exception:
                self._log.failure("what was gathered for an author could not be sent")
        # Only now, and after another look at the sockets: what was just delivered is being answered. Sending the next
        # batch before the delivery would overlap the two, but under load it makes batches several times smaller.
        self._schedule()

    def _run(self) -> None:
        """The writer's thread."""
        try:
            self._store.open()
        except Exception as error:
            self._log.error("the database can't be held yet: {reason}", reason=_plain(error))
        while True:
            try:
                batch = self._batches.get(block=not self._purging)
            except queue.Empty:
                self._purge()
                continue
            if batch is None:
                break
            outcome = self._commit(batch.changes)
            settled = [*outcome.late, *outcome.supplies]
            self._purging += [change.room for change in settled if isinstance(change, Deleted)]
            self._purging += [change for change in settled if isinstance(change, ForgetSendings)]
            self._reactor.callFromThread(self._finished, batch, outcome)
        self._store.close()
        self._reactor.callFromThread(self._stopped.callback, None)

    def _commit(self, changes: list[Change]) -> Outcome:
        try:
            outcome = self._store.commit(changes)
        except Exception as error:
            self._log.failure("the log failed to commit")
            outcome = Outcome([_failure(error) for _ in changes], [])
        failed = [
            supply for supply in outcome.supplies if isinstance(supply, ChatError) and supply.code is Code.STORE_FAILED
        ]
        if failed:
            self._log.error(
                "{count} of {total} changes were not committed: {reason}",
                count=len(failed),
                total=len(changes),
                reason=_plain(failed[0].__cause__),
            )
        return outcome

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
            self._log.error("{what}: {reason}", what=what, reason=_plain(error))
            gone = True
        if gone:
            self._purging.remove(old)


def _failure(error: Exception) -> ChatError:
    failure = ChatError(Code.STORE_FAILED, "The server could not keep this, so nobody has seen it. Please try again.")
    failure.__cause__ = error
    return failure


def _plain(error: BaseException | None) -> str:
    """Return the database's own words, without SQLAlchemy's statement and advice around them, and in one line.

    PostgreSQL's details are left out: they show the row, and so what was said.
    """
    return " ".join(str(getattr(error, "orig", error)).partition("\nDETAIL:")[0].split())
