"""Proofs are checked in threads, so that the reactor never waits for argon2id or for a disk."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from tcpchat.auth.keys import parse_public_key
from tcpchat.auth.passwords import Hasher
from tcpchat.auth.tokens import digest, new_token
from tcpchat.core.accounts import Credential, CredentialId, CredentialKind
from tcpchat.core.addresses import neighbourhood
from tcpchat.core.entries import PersonId
from tcpchat.core.limits import Limits
from tcpchat.core.proofs import PasswordProof, SignatureProof
from tcpchat.core.requests import (
    Change,
    ChangeCredentials,
    CredentialsChanged,
    Invite,
    IssuedToken,
    IssueToken,
    KeyRead,
    ListCredentials,
    NoteUse,
    Protect,
    Prove,
    ReadKey,
    Recognise,
    Recognised,
    Request,
    Supply,
    Unlock,
)
from tcpchat.core.waits import refuse_for
from tcpchat.errors import ChatError, Code
from tcpchat.server.attempts import Attempts, too_many
from tcpchat.server.checks import AccountReader, Checks, Hashing, Valid, WrongProof, refusal
from tcpchat.server.commits import ReactorThreads
from tcpchat.server.turns import Turns

# Enough to keep one core busy while another look-up waits for the disk; all but one also check signatures, 0.1 ms for
# each key of the account.
_LOOKUP_THREADS = 2
# Guesses that are only looked up and given to the threads at a time, so that these need not wait for the reactor.
_LOOKUPS_AT_ONCE = 8
# One check for each core, but no more: each takes 19 MiB while it runs.
_MOST_THREADS = 8
# A check at the usual cost, rounded up: how long to wait is only an estimate.
_CHECK_SECONDS = 0.1
# The time of the last use is for people, who ask whether it was today.
_NOTE_MS = 60_000


class _Renew(Request, frozen=True):
    """A password was right, and is to be hashed at today's cost."""

    credential: Credential
    password: str

    def __repr__(self) -> str:
        return "_Renew(…)"


class _Job:
    """A request in hand, of a ``network``, which has its turn among ``turns``, and waits with those of its ``queue``.

    ``removed`` are the credentials that were removed since it came.
    """

    __slots__ = ("done", "network", "queue", "removed", "request", "turns")

    def __init__(
        self, request: Request, done: Callable[[Supply], None], network: str, queue: str, turns: Turns[_Job] | None
    ) -> None:
        self.request = request
        self.turns = turns
        self.done = done
        self.network = network
        self.queue = queue
        self.removed: set[CredentialId] = set()


class Prover:
    """Performs `Prove`, `Protect` and `ListCredentials` in threads. Its methods are called on the reactor's thread.

    Passwords cost a core's time: they wait in turns, a bounded number for each network, and one is checked for each
    core (``threads``). All else is only looked up, one request for each connection. What may be a guess has its turns,
    too, so that of each kind a network has one in hand, and its failure counts for the next. Signatures are compared
    with all keys of an account, which takes more than a look-up: they leave a thread to the others. After a failure the
    next proof that waits with it waits longer, whatever its kind (`Attempts`), and takes no thread meanwhile; where an
    account is at home, that is its own affair, but its turns are still those of its network.
    ``submit`` takes the changes that follow from a login, whose results nobody waits for; ``now`` gives ms since 1970,
    UTC.
    """

    _log = Logger()

    def __init__(
        self,
        reader: AccountReader,
        reactor: ReactorThreads,
        limits: Limits,
        submit: Callable[[Change], None],
        now: Callable[[], int],
        *,
        hasher: Hashing | None = None,
        scram_iterations: int = 0,
        threads: int | None = None,
    ) -> None:
        threads = threads or min(_cores(), _MOST_THREADS)
        self._reader = reader
        self._reactor = reactor
        self._submit = submit
        self._now = now
        self._threads = threads
        self._checks = Checks(reader, hasher or Hasher(), now, scram_iterations)
        self._limits = limits
        self._turns: Turns[_Job] = Turns(threads, limits.checks_per_address, limits.checks)
        self._signatures: Turns[_Job] = Turns(_LOOKUP_THREADS - 1, sys.maxsize, sys.maxsize)
        self._lookups: Turns[_Job] = Turns(_LOOKUPS_AT_ONCE, sys.maxsize, sys.maxsize)
        self._hashers = ThreadPoolExecutor(threads, thread_name_prefix="password check")
        self._readers = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="account reader")
        self._attempts = Attempts(reactor.seconds, limits)
        # What wakes the queues that rest.
        self._resting: dict[str, IDelayedCall] = {}
        self._jobs: set[_Job] = set()
        # When the use of a credential was last noted, the oldest first.
        self._noted: dict[CredentialId, int] = {}
        self._stopped = False

    def start(self) -> None:
        """Start the threads and connect: later there may be no file left to open."""
        for pool, threads in ((self._hashers, self._threads), (self._readers, _LOOKUP_THREADS)):
            everyone = threading.Barrier(threads, timeout=1)
            for _ in range(threads):
                pool.submit(self._begin, everyone)

    def perform(self, request: Request, address: str, done: Callable[[Supply], None]) -> None:
        """Perform a request of a connection from ``address``; ``done`` is given the result or a `ChatError`.

        It is called on the reactor's thread: at once with ``too-many-attempts`` if too many passwords wait already, or
        too many proofs have failed, whose fact ``retry_after`` says in how many seconds to try again; else later.
        Requests that others perform raise TypeError.
        """
        if isinstance(request, IssueToken | ReadKey):  # these take no time
            done(_at_once(request))
            return
        if not isinstance(request, Prove | Invite | Recognise | Unlock | Protect | ListCredentials):
            raise TypeError(f"{type(request).__name__} is not performed here")
        if self._stopped:
            done(ChatError(Code.SHUTTING_DOWN, "The server is shutting down."))
            return
        if isinstance(request, Recognise) and request.right:  # 80 bits are no guess, whoever else has guessed
            done(Recognised())
            return
        network = neighbourhood(address)
        account = request.account if isinstance(request, Prove | Unlock) else None
        job = _Job(request, done, network, self._attempts.queue(network, account), self._turns_of(request))
        wait = self._attempts.wait(job.queue) if _is_guess(request) else 0.0
        if wait > self._limits.wait_seconds:
            done(too_many(wait))
            return
        if wait and job.queue not in self._resting:
            self._rest(job, wait)
        if not wait and isinstance(request, Recognise):
            self._recognise(job, request)
        elif job.turns is None:
            self._jobs.add(job)
            self._readers.submit(self._work, job)
        else:
            self._queue(job, job.turns)

    def changed(self, change: CredentialsChanged) -> None:
        """Credentials were removed: a proof that was checked against one of them just before holds no more."""
        removed = set(change.removed).difference(credential.id for credential in change.added)
        for job in self._jobs:
            job.removed |= removed

    def registered(self, account: PersonId, address: str) -> None:
        """An account was made from ``address``: it is at home there."""
        self._attempts.proved(neighbourhood(address), account)

    def stop(self) -> None:
        """End the threads after the checks in hand; who waits hears nothing more."""
        self._stopped = True
        for waking in self._resting.values():
            waking.cancel()
        self._resting.clear()
        self._hashers.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)

    @property
    def _all_turns(self) -> tuple[Turns[_Job], ...]:
        return self._turns, self._signatures, self._lookups

    def _turns_of(self, request: Request) -> Turns[_Job] | None:
        """Return the turns in which a request waits, if it does."""
        match request:
            case Protect() | Prove(proof=PasswordProof()):
                return self._turns
            case Prove(proof=SignatureProof()):
                return self._signatures
        return self._lookups if _is_guess(request) else None

    def _recognise(self, job: _Job, request: Recognise) -> None:
        """Answer at once: it is known already that the code is wrong."""
        try:
            outcome: Supply = self._checks.recognise(request)
        except WrongProof as error:
            self._failed(job)
            outcome = error.detached()
        job.done(outcome)

    def _queue(self, job: _Job, turns: Turns[_Job]) -> None:
        self._turns.for_each, self._turns.total = self._limits.checks_per_address, self._limits.checks
        ousted = turns.make_place(job.network, job.queue)
        if turns.add(job.network, job.queue, job):
            self._jobs.add(job)
            self._next()
        else:
            self._refuse(job)
        if ousted is not None:  # last: its author may ask again at once, and would take the place
            self._jobs.discard(ousted)
            self._refuse(ousted)

    def _refuse(self, job: _Job) -> None:
        wait = len(self._turns) * _CHECK_SECONDS / self._threads
        job.done(refuse_for(wait, Code.TOO_MANY_ATTEMPTS, "Too many passwords are waiting to be checked."))

    def _rest(self, job: _Job, seconds: float) -> None:
        """Let what waits in the queue of a job wait for some time more."""
        for turns in self._all_turns:
            turns.rest(job.network, job.queue)
        self._resting[job.queue] = self._reactor.callLater(seconds, self._wake, job.network, job.queue)

    def _wake(self, network: str, queue: str) -> None:
        del self._resting[queue]
        for turns in self._all_turns:
            turns.wake(network, queue)
        self._next()

    def _next(self) -> None:
        """Give the threads what they can take."""
        for turns in self._all_turns:
            pool = self._hashers if turns is self._turns else self._readers
            while not self._stopped and (turn := turns.take()) is not None:
                pool.submit(self._work, turn[1])

    def _begin(self, everyone: threading.Barrier) -> None:
        with suppress(threading.BrokenBarrierError):  # we are stopping already
            everyone.wait()  # so that each thread does this once
        self._reader.open()

    def _work(self, job: _Job) -> None:
        """Do a job, in a thread."""
        try:
            outcome = self._outcome(job.request)
        except ChatError as error:
            outcome = error.detached()
        except Exception as error:
            # The words of an exception may show what was being checked; its kind and its place don't.
            where = "".join(traceback.format_tb(error.__traceback__))
            self._log.error("a proof could not be checked: {kind}\n{where}", kind=type(error).__name__, where=where)
            outcome = ChatError(Code.INTERNAL, "Something went wrong on the server; it has been noted there.")
        self._reactor.callFromThread(self._finished, job, outcome)

    def _outcome(self, request: Request) -> Supply | Valid | ChangeCredentials | None:
        match request:
            case Prove():
                return self._checks.prove(request)
            case Invite():
                return self._checks.invite(request)
            case Recognise():
                return self._checks.recognise(request)
            case Unlock():
                return self._checks.unlock(request)
            case Protect():
                return self._checks.protect(request)
            case ListCredentials():
                return self._checks.list(request)
            case _Renew(credential, password):
                return self._checks.renew(credential, password)
        raise TypeError(type(request).__name__)

    def _finished(self, job: _Job, outcome: Supply | Valid | ChangeCredentials | None) -> None:
        self._jobs.discard(job)
        if isinstance(outcome, WrongProof):
            self._failed(job)
        if job.turns is not None:
            job.turns.done(job.network)
        if isinstance(outcome, Valid):
            outcome = self._settle(job, outcome)
        self._next()
        if isinstance(outcome, ChangeCredentials):
            self._submit(outcome)
        elif outcome is not None:
            job.done(outcome)

    def _failed(self, job: _Job) -> None:
        """A proof was wrong: let those that wait with it wait longer, or refuse them."""
        network, queue = job.network, job.queue
        wait = self._attempts.failed(queue)
        if (waking := self._resting.pop(queue, None)) is not None:
            waking.cancel()
            for turns in self._all_turns:
                turns.wake(network, queue)
        if wait > self._limits.wait_seconds:
            for waiting in [one for turns in self._all_turns for one in turns.clear(network, queue)]:
                self._jobs.discard(waiting)
                waiting.done(too_many(wait))
        elif any(turns.is_waiting(network, queue) for turns in self._all_turns):
            self._rest(job, wait)

    def _settle(self, job: _Job, valid: Valid) -> Supply:
        """Return what a proof that held is answered with, and see to what follows from it."""
        self._attempts.proved(job.network, valid.proven.account.id)
        credential = valid.credential
        if credential.id in job.removed:
            return refusal("What you have logged in with has just been changed or revoked.")
        if credential.kind is not CredentialKind.PASSWORD:
            self._note(credential.id)
        elif self._checks.is_old(credential):
            assert isinstance(job.request, Prove)
            assert isinstance(job.request.proof, PasswordProof)
            renewed = _Renew(credential, job.request.proof.password)
            renewal = _Job(renewed, _nobody, job.network, job.queue, self._turns)
            if self._turns.add(job.network, job.queue, renewal):  # else with the next login
                self._jobs.add(renewal)
        return valid.proven

    def _note(self, credential: CredentialId) -> None:
        """Have the use of a credential noted, once a minute at most."""
        now = self._now()
        while self._noted and abs(now - next(iter(self._noted.values()))) >= _NOTE_MS:
            del self._noted[next(iter(self._noted))]
        if credential not in self._noted:
            self._noted[credential] = now
            self._submit(NoteUse(credential, now))


def _is_guess(request: Request) -> bool:
    """Return whether what is asked may be a guess at a secret."""
    return isinstance(request, Prove | Invite | Recognise | Unlock)


def _at_once(request: IssueToken | ReadKey) -> Supply:
    try:
        if isinstance(request, ReadKey):
            return KeyRead(parse_public_key(request.text))
        token = new_token()
        return IssuedToken(token, digest(token))
    except ChatError as error:
        return error.detached()


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _nobody(supply: Supply) -> None:
    """Nobody waits for this."""


__all__ = ["AccountReader", "Prover"]
