#!/usr/bin/env python3
"""What checking passwords does to the reactor, to others, and what its time gives away. Prints its figures.

Run with tcpchat's own Python. It takes about a minute; other work on the machine shows in the pauses.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred

from tcpchat.auth.passwords import Hasher
from tcpchat.core.accounts import Account, Credential, CredentialId, CredentialKind, State
from tcpchat.core.entries import PersonId
from tcpchat.core.limits import Limits
from tcpchat.core.proofs import PasswordProof
from tcpchat.core.requests import Protect, Protected, Prove, Supply
from tcpchat.server.prover import Prover

_NINA = PersonId(1)
_TICK_S = 0.001
_AT_ONCE = 20
_ADDRESS = "192.0.2.1"


class OneAccount:
    """Nina, in memory."""

    def __init__(self, data: str) -> None:
        self._account = Account(_NINA, "nina", "Nina", None, State.GOOD, "", 0, 0)
        self._password = Credential(CredentialId(1), _NINA, CredentialKind.PASSWORD, data, "", 0)

    def open(self) -> None:
        """There is nothing to open."""

    def account(self, ident: PersonId) -> Account | None:
        """Return Nina."""
        return self._account if ident == _NINA else None

    def credentials(self, account: PersonId, kinds: Sequence[CredentialKind]) -> Sequence[Credential]:
        """Return Nina's password."""
        return [self._password] if account == _NINA and CredentialKind.PASSWORD in kinds else []

    def token(self, data: str) -> Credential | None:
        """There are none."""
        return None


class Pauses:
    """How late the reactor is for a call that is due each millisecond."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._due = time.perf_counter() + _TICK_S
        self._call = reactor.callLater(_TICK_S, self._tick)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.worst = max(self.worst, now - self._due)
        self._due = now + _TICK_S
        self._call = reactor.callLater(_TICK_S, self._tick)

    def stop(self) -> float:
        """Return the longest pause, in seconds."""
        self._call.cancel()
        return self.worst


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="how often twenty are checked at once")
    parser.add_argument("--samples", type=int, default=300, help="logins of each kind that are timed")
    arguments = parser.parse_args()
    hasher = Hasher()
    prover = Prover(
        OneAccount(hasher.hash(b"a right password")),
        reactor,  # type: ignore[arg-type]  # the real one has threads
        # Failures make the next login wait, whoever it is for: that would hide what the checks themselves take.
        Limits(failure_seconds=0.0, failure_seconds_most=0.0),
        lambda change: None,
        lambda: time.time_ns() // 1_000_000,
    )
    prover.start()
    failures: list[object] = []

    async def run() -> None:
        try:
            await _measure(prover, arguments.rounds, arguments.samples)
        finally:
            prover.stop()
            reactor.stop()

    reactor.callWhenRunning(lambda: ensureDeferred(run()).addErrback(failures.append))
    reactor.run()
    if failures:
        sys.exit(str(failures[0]))


async def _measure(prover: Prover, rounds: int, samples: int) -> None:
    await _login(prover, _NINA)
    single = [await _timed(prover, _NINA) for _ in range(20)]
    print(f"one check: {_ms(statistics.median(single))} (median of {len(single)})")

    pauses = Pauses()
    await _sleep(2)
    print(f"worst pause of the idle reactor in 2 s: {_ms(pauses.stop())}")
    for what, begin in (("checks", _check), ("new passwords", _protect)):
        worst, took = [], []
        for _ in range(rounds):
            pauses, began = Pauses(), time.perf_counter()
            for done in [begin(prover, f"192.0.2.{n}") for n in range(_AT_ONCE)]:
                await done
            took.append(time.perf_counter() - began)
            worst.append(pauses.stop())
        print(
            f"{_AT_ONCE} {what} at once, {rounds} times: worst pause {_ms(max(worst))}, "
            f"median of the rounds' worst {_ms(statistics.median(worst))}, {_ms(statistics.median(took))} for all"
        )
    await _flood(prover, rounds)
    await _compare(prover, samples)


async def _flood(prover: Prover, rounds: int) -> None:
    """Time logins from one address while another one has as many checks waiting as it may."""
    flooding = True
    refused = 0

    def again(supply: Supply) -> None:
        nonlocal refused
        if flooding:
            prover.perform(Prove(None, PasswordProof("x" * 8)), "198.51.100.1", again)

    for _ in range(Limits().checks_per_address):
        again(Protected(()))
    waits = [await _timed(prover, _NINA) for _ in range(rounds * 5)]
    flooding = False
    print(
        f"a login during a flood from another address: median {_ms(statistics.median(waits))}, worst {_ms(max(waits))}"
    )
    await _sleep(1)


async def _compare(prover: Prover, samples: int) -> None:
    """Time logins with an unknown name and with a wrong password, in random order, and compare."""
    times: dict[PersonId | None, list[float]] = {None: [], _NINA: []}
    order: list[PersonId | None] = [None, _NINA] * samples
    random.shuffle(order)
    for account in order:
        times[account].append(await _timed(prover, account, "a wrong password"))
    unknown, wrong = times[None], times[_NINA]
    for name, values in (("unknown name", unknown), ("wrong password", wrong)):
        print(
            f"{name}: median {_ms(statistics.median(values))}, mean {_ms(statistics.mean(values))}, "
            f"deviation {_ms(statistics.stdev(values))}, {len(values)} samples"
        )
    # The Mann-Whitney statistic as a probability: 0.5 says that one tells nothing about the other.
    above = sum((a > b) + (a == b) / 2 for a in unknown for b in wrong) / (len(unknown) * len(wrong))
    error = ((len(unknown) + len(wrong) + 1) / (12 * len(unknown) * len(wrong))) ** 0.5
    print(f"an unknown name takes longer than a wrong password with probability {above:.3f} (0.5 ± {2 * error:.3f})")


def _check(prover: Prover, address: str) -> Deferred[list[Supply]]:
    return _login(prover, _NINA, address=address)


def _protect(prover: Prover, address: str) -> Deferred[list[Supply]]:
    done: Deferred[list[Supply]] = Deferred()
    prover.perform(Protect("four words for nina", "Nina"), address, _told(done))
    return done


def _login(
    prover: Prover, account: PersonId | None, password: str = "a right password", address: str = _ADDRESS
) -> Deferred[list[Supply]]:
    done: Deferred[list[Supply]] = Deferred()
    prover.perform(Prove(account, PasswordProof(password)), address, _told(done))
    return done


def _told(done: Deferred[list[Supply]]) -> Callable[[Supply], None]:
    """Return what fires a deferred, with a refusal too, which is a result like others here."""
    return lambda supply: done.callback([supply])


async def _timed(prover: Prover, account: PersonId | None, password: str = "a right password") -> float:
    began = time.perf_counter()
    await _login(prover, account, password)
    return time.perf_counter() - began


def _sleep(seconds: float) -> Deferred[None]:
    done: Deferred[None] = Deferred()
    reactor.callLater(seconds, done.callback, None)
    return done


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


if __name__ == "__main__":
    main()
