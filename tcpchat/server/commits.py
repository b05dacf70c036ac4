"""Group commits: while one batch is being committed by the writer's thread, the next one gathers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tcpchat.core.entries import RoomId
from tcpchat.core.health import not_kept
from tcpchat.core.limits import Limits
from tcpchat.core.requests import Change, Result, Supply
from tcpchat.errors import ChatError, Code
from tcpchat.server.writer import Log, WriterThread, plain
from tcpchat.store.log import Outcome

# One transaction is short enough to be undone and halved, and its loops on the reactor's thread take a few ms.
_BATCH_CHANGES = 1_000
# The shortest time from one batch to the next under load. The first goes at once; the ones after it grow a little,
# so that a commit, an encoding and a send() to each reader are shared by more messages.
_BATCH_SECONDS = 0.003
# How often the time that a commit takes is looked at.
_GLANCE_SECONDS = 1.0


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
    """Waits for nothing: for changes whose result nobody wants to hear, but perhaps that they were ``refused``."""

    __slots__ = ("_refused",)
    size = 0

    def __init__(self, refused: Callable[[], None] | None = None) -> None:
        self._refused = refused

    @property
    def connection(self) -> Correspondent:
        """Nobody's."""
        return UNHEARD

    def hold(self) -> None:
        """There is nothing to gather."""

    def release(self) -> None:
        """Nor to send."""

    def done(self, supply: Supply) -> None:
        """Nobody wants to hear a good end."""
        if self._refused is not None and isinstance(supply, ChatError):
            self._refused()


UNHEARD = _Unheard()


def unheard(refused: Callable[[], None] | None) -> Waiter:
    """Return what waits for nothing but to call ``refused`` if that is so."""
    return UNHEARD if refused is None else _Unheard(refused)


class _Batch:
    """Changes that are committed together, and what waits for each; ``glances`` at it in the writer's hand."""

    __slots__ = ("changes", "glances", "size", "waiters")

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.waiters: list[Waiter] = []
        self.size = 0
        self.glances = 0


class ReactorThreads(IReactorTime, IReactorFromThreads):
    """What is used of a reactor here."""


class GroupCommit:
    """One FIFO of batches and one thread that commits them; all callbacks come on the reactor's thread.

    ``on_commit`` hears of every batch first; once ``when_delivered`` has made its call, what was committed is with
    its readers, and the waiter of each change hears of it, in order.

    While the database fails, all that waits and all that comes is refused at once. ``on_failure`` hears how it fails,
    in words for admins, and an empty text once it works again. A commit that takes ``commit_seconds`` is a failure,
    too: its authors are told that nobody knows its end, and if that is a good one, everybody is shown it then.
    """

    _log = Logger()

    def __init__(
        self,
        log: Log,
        reactor: ReactorThreads,
        limits: Limits,
        on_commit: Callable[[Sequence[Result]], None],
        when_delivered: Callable[[Callable[[], None]], None],
        on_failure: Callable[[str], None] = lambda words: None,
    ) -> None:
        self._reactor = reactor
        self._limits = limits
        self._on_commit = on_commit
        self._when_delivered = when_delivered
        self._on_failure = on_failure
        # The last one takes what is submitted; the others are full.
        self._gathering = deque([_Batch()])
        self._size = 0
        self._busy = False
        self._scheduled = False
        self._due = 0.0
        self._stopped: Deferred[None] = Deferred()
        self._thread = WriterThread[_Batch](log, reactor, self._finished, self._probed, self._stopped.callback)
        # What the thread has, unless nobody waits for it any more.
        self._in_hand: _Batch | None = None
        self._failing = False
        self._looking = LoopingCall(self._glance)
        self._looking.clock = reactor

    def start(self, unfinished: Sequence[RoomId] = ()) -> None:
        """Start the thread; ``unfinished`` are deleted rooms of which entries remain."""
        self._thread.start(unfinished)
        self._looking.start(_GLANCE_SECONDS, now=False)

    def submit(self, change: Change, waiter: Waiter) -> None:
        """Put a change into the next batch; ``waiter`` is told what it gave, or a `ChatError`.

        When more is waiting than ``uncommitted_bytes``, that is ``busy``, at once; while the database fails it is
        ``store-failed``.
        """
        if self._failing:
            waiter.done(not_kept())
            return
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
        if self._looking.running:
            self._looking.stop()
        while self._gathering[0].changes:
            self._thread.commit(self._take())
        self._thread.stop()
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
            self._in_hand = batch = self._take()
            self._thread.commit(batch)

    def _take(self) -> _Batch:
        """Return the oldest batch, which is not empty."""
        batch = self._gathering.popleft()
        if not self._gathering:
            self._gathering.append(_Batch())
        return batch

    def _finished(self, batch: _Batch, outcome: Outcome) -> None:
        self._in_hand = None
        self._size -= batch.size
        if outcome.failure is not None or self._failing:
            self._note(batch, outcome)
        correspondents = _held(batch)
        self._deliver([*outcome.late, *outcome.supplies])
        self._when_delivered(partial(self._tell, batch, outcome, correspondents))

    def _deliver(self, results: Sequence[Result]) -> None:
        # What is committed is committed: a fault in telling one must not keep the others from hearing.
        try:
            self._on_commit(results)
        except Exception:
            self._log.failure("a committed batch could not be delivered")

    def _tell(self, batch: _Batch, outcome: Outcome, correspondents: Iterable[Correspondent]) -> None:
        """Tell those who wait for a batch that everybody has seen."""
        self._busy = False
        self._answer(zip(batch.waiters, outcome.supplies, strict=True), correspondents)
        if self._failing:
            self._refuse_gathered()
        # Only now, and after another look at the sockets: what was just delivered is being answered. Sending the next
        # batch before the delivery would overlap the two, but under load it makes batches several times smaller.
        self._schedule()

    def _note(self, batch: _Batch, outcome: Outcome) -> None:
        """Note that the database fails, or that it works again."""
        if outcome.failure is None:
            self._recover()
            return
        failed = sum(isinstance(supply, ChatError) for supply in outcome.supplies)
        self._fail(f"{failed} of {len(batch.changes)} changes were not committed", plain(outcome.failure))

    def _fail(self, what: str, reason: str) -> None:
        """Refuse what comes from now on. Only the first failure is logged: a flood is refused without a word there."""
        if not self._failing:
            self._log.error("{what}: {reason}; until that is over all are refused", what=what, reason=reason)
        self._failing = True
        self._on_failure(reason)

    def _recover(self) -> None:
        self._failing = False
        self._log.warn("the database works again")
        self._on_failure("")

    def _probed(self, outcome: Outcome) -> None:
        """The thread has tried whether the database works again."""
        if outcome.late:
            self._deliver(outcome.late)
        if outcome.failure is not None:
            self._fail("the database fails", plain(outcome.failure))
        elif self._failing:
            self._recover()

    def _glance(self) -> None:
        """Look whether a commit takes too long, by counting: the reactor's clock may be set meanwhile."""
        batch = self._in_hand
        if batch is None:
            return
        batch.glances += 1
        # The first one came some time within the first second.
        seconds = (batch.glances - 1) * _GLANCE_SECONDS
        if seconds >= self._limits.commit_seconds:
            self._in_hand = None
            changes = len(batch.changes)
            self._fail(f"the end of {changes} changes is not known", f"no answer for {seconds:.0f} seconds")
            self._abandon(batch, partial(_unknown, seconds))
            self._refuse_gathered()

    def _refuse_gathered(self) -> None:
        """Refuse what has gathered while the database failed: nobody is to wait for its next failure."""
        while self._gathering[0].changes:
            self._abandon(self._take(), not_kept)

    def _abandon(self, batch: _Batch, refusal: Callable[[], ChatError]) -> None:
        """Tell those who wait for a batch that they need not."""
        correspondents = _held(batch)
        waiters, batch.waiters = batch.waiters, [UNHEARD] * len(batch.waiters)
        self._size -= batch.size
        batch.size = 0
        self._answer([(waiter, refusal()) for waiter in waiters], correspondents)

    def _answer(self, results: Iterable[tuple[Waiter, Result]], correspondents: Iterable[Correspondent]) -> None:
        """Tell the authors, each in one write."""
        for waiter, supply in results:
            try:
                waiter.done(supply)
            except Exception:
                self._log.failure("the author of a change could not be told")
        for correspondent in correspondents:
            try:
                correspondent.release()
            except Exception:
                self._log.failure("what was gathered for an author could not be sent")


def _held(batch: _Batch) -> Iterable[Correspondent]:
    """Return whom the results of a batch go to, after telling them that these are about to come."""
    correspondents = dict.fromkeys([waiter.connection for waiter in batch.waiters])
    for correspondent in correspondents:
        correspondent.hold()
    return correspondents


def _unknown(seconds: float) -> ChatError:
    text = (
        f"The server can't say whether this was kept: its database has not answered for {seconds:.0f} seconds. "
        "If it was, everybody will see it."
    )
    return ChatError(Code.STORE_FAILED, text, rule="store")
