"""Proofs in their threads: a hasher that works when the test says so, accounts in memory, a reactor that is a queue."""

from __future__ import annotations

import io
import queue
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec
import pytest
from argon2 import PasswordHasher, extract_parameters
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogLevel, eventAsText, globalLogPublisher
from zope.interface import implementer

from tcpchat.auth.passwords import Cost, Hasher
from tcpchat.auth.tokens import digest, new_token
from tcpchat.core.accounts import Account, Credential, CredentialId, CredentialKind, State
from tcpchat.core.entries import PersonId
from tcpchat.core.limits import Limits
from tcpchat.core.proofs import CertificateProof, PasswordProof, Proof, SignatureProof, TokenProof
from tcpchat.core.requests import (
    Change,
    ChangeCredentials,
    CredentialList,
    CredentialsChanged,
    Invite,
    Invited,
    ListCredentials,
    NoteUse,
    Protect,
    Protected,
    Prove,
    Proven,
    Recognise,
    Recognised,
    Request,
    Supply,
    Unlock,
    Unlocked,
)
from tcpchat.errors import ChatError, Code
from tcpchat.server.checks import WrongProof
from tcpchat.server.prover import Prover

PATIENCE = 10.0
NINA = PersonId(1)
OTTO = PersonId(2)
SECRET = "planted horse battery"
KEY = Ed25519PrivateKey.generate()
FINGERPRINT = "ab" * 32
HOME = "192.0.2.1"
CHEAP = Cost(passes=1, memory_kib=8)


class ManualHasher:
    """Says that a hash is ``hash of`` its password. Each call waits until the test lets it go."""

    decoy = "decoy"

    def __init__(self) -> None:
        self.begun: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.go = threading.Semaphore(0)
        self.error: Exception | None = None
        self.old = False

    def hash(self, secret: bytes) -> str:
        self._wait("hash", secret)
        return f"hash of {secret.decode()}"

    def verify(self, data: str, secret: bytes) -> bool:
        self._wait(data, secret)
        return data == f"hash of {secret.decode()}"

    def needs_rehash(self, data: str) -> bool:
        return self.old

    def _wait(self, what: str, secret: bytes) -> None:
        self.begun.put((what, secret))
        assert self.go.acquire(timeout=PATIENCE)
        if self.error is not None:
            raise self.error


class FakeAccounts:
    """Accounts in memory."""

    def __init__(self) -> None:
        self.accounts: dict[PersonId, Account] = {}
        self.kept: list[Credential] = []
        self.opened: set[int] = set()
        self.asked: list[object] = []
        self.failing = False
        # Keys are given when this lets one go.
        self.hold: threading.Semaphore | None = None

    def open(self) -> None:
        self.opened.add(threading.get_ident())

    def account(self, ident: PersonId) -> Account | None:
        self.asked.append("account")
        if self.failing:
            raise ChatError(Code.STORE_FAILED, "The accounts can't be read just now.")
        return self.accounts.get(ident)

    def credentials(self, account: PersonId, kinds: Sequence[CredentialKind]) -> Sequence[Credential]:
        self.asked.append(tuple(kinds))
        if self.hold is not None and CredentialKind.KEY in kinds:
            assert self.hold.acquire(timeout=PATIENCE)
        return [kept for kept in self.kept if kept.account == account and kept.kind in kinds]

    def token(self, data: str) -> Credential | None:
        self.asked.append(data)
        found = [kept for kept in self.kept if kept.kind is CredentialKind.TOKEN and kept.data == data]
        return found[0] if found else None

    def add(self, ident: PersonId, state: State = State.GOOD) -> Account:
        account = self.accounts[ident] = Account(ident, f"p{ident}", f"P{ident}", None, state, "", 0, 0)
        return account

    def attach(self, kind: CredentialKind, data: str, owner: PersonId = NINA, expires: int | None = None) -> Credential:
        ident = CredentialId(len(self.kept) + 1)
        self.kept.append(Credential(ident, owner, kind, data, "label", 0, expires))
        return self.kept[-1]


class House:
    """A prover with everything around it."""

    def __init__(self, limits: Limits, hasher: Any = None, threads: int = 1, scram_iterations: int = 0) -> None:
        self.hasher = ManualHasher()
        self.accounts = FakeAccounts()
        self.changes: list[Change] = []
        self.now = 1_000_000
        self.clock = Clock()
        self.seconds, self.callLater = self.clock.seconds, self.clock.callLater
        self._calls: queue.Queue[Callable[[], object]] = queue.Queue()
        self.prover = Prover(
            self.accounts,
            self,  # type: ignore[arg-type]
            limits,
            self.changes.append,
            lambda: self.now,
            hasher=hasher or self.hasher,
            threads=threads,
            scram_iterations=scram_iterations,
        )
        self.accounts.add(NINA)
        self.accounts.add(OTTO)

    def callFromThread(self, call: Callable[..., object], *args: Any) -> None:
        self._calls.put(lambda: call(*args))

    def turn(self) -> None:
        """Make the next call from a thread."""
        self._calls.get(timeout=PATIENCE)()

    def ask(self, request: Request, address: str = HOME) -> list[Supply]:
        """Ask for something; its result will be in the list."""
        told: list[Supply] = []
        self.prover.perform(request, address, told.append)
        return told

    def let_go(self) -> None:
        """Let the check in hand end, and tell the reactor."""
        self.hasher.go.release()
        self.turn()

    def begun(self) -> tuple[str, bytes]:
        """Return what the next check that begins is of."""
        return self.hasher.begun.get(timeout=PATIENCE)

    def answer(self, request: Request, checks: int = 0) -> Supply:
        """Return what a request comes to, when nothing else is in hand and nobody has failed just before."""
        self.clock.advance(60)
        told = self.ask(request)
        for _ in range(checks):
            self.hasher.go.release()
        self.turn()
        assert len(told) == 1
        return told[0]

    def prove(self, proof: Proof, account: PersonId | None = NINA) -> Supply:
        return self.answer(Prove(account, proof), checks=isinstance(proof, PasswordProof))


HouseMaker = Callable[..., House]


@pytest.fixture
def build() -> Iterator[HouseMaker]:
    houses: list[House] = []

    def build(limits: Limits | None = None, **settings: Any) -> House:
        houses.append(House(limits or Limits(), **settings))
        return houses[-1]

    yield build
    for house in houses:
        house.prover.stop()
        for _ in range(100):
            house.hasher.go.release()


@pytest.fixture
def house(build: HouseMaker) -> House:
    return build()


@implementer(ILogObserver)
class Everything:
    """Keeps all that is logged at any level, as text and as it is."""

    def __init__(self) -> None:
        self.out = io.StringIO()

    def __call__(self, event: Any) -> None:
        self.out.write(eventAsText(event) + repr(event) + "\n")


@pytest.fixture
def logged() -> Iterator[Everything]:
    everything = Everything()
    globalLogPublisher.addObserver(everything)
    yield everything
    globalLogPublisher.removeObserver(everything)


def guess(account: PersonId | None = NINA, password: str = SECRET) -> Prove:
    return Prove(account, PasswordProof(password))


def refused(supply: Supply) -> str:
    assert isinstance(supply, ChatError)
    assert supply.code is Code.BAD_CREDENTIALS
    assert not supply.facts
    return supply.text


def proven(supply: Supply) -> CredentialId:
    assert isinstance(supply, Proven)
    assert supply.account.id == NINA
    return supply.credential


# Passwords


def test_a_right_password_proves_who_somebody_is(house: House) -> None:
    kept = house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    assert proven(house.prove(PasswordProof(SECRET))) == kept.id
    assert house.changes == [], "nobody asks when a password was last used"


def test_a_password_is_compared_as_it_is_prepared(house: House) -> None:
    house.accounts.attach(CredentialKind.PASSWORD, "hash of caf\u00e9 au lait")
    proven(house.prove(PasswordProof("cafe\u0301 au lait")))


def test_whoever_is_refused_is_told_the_same_after_the_same_work(house: House) -> None:
    house.accounts.attach(CredentialKind.PASSWORD, "hash of another", NINA)
    house.accounts.add(PersonId(3), State.DELETED)
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}", PersonId(3))
    house.accounts.add(PersonId(4))
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}", PersonId(4), expires=house.now)
    told, work = [], []
    for account in (NINA, OTTO, None, PersonId(3), PersonId(4), PersonId(5)):
        house.accounts.asked.clear()
        told.append(refused(house.prove(PasswordProof(SECRET), account)))
        work.append((house.begun()[1], house.hasher.begun.qsize(), list(house.accounts.asked)))
    assert set(told) == {"The name or the password is wrong."}
    assert work == [(SECRET.encode(), 0, ["account", (CredentialKind.PASSWORD,)])] * 6


def test_what_can_be_no_password_is_checked_like_any_other(house: House) -> None:
    house.accounts.attach(CredentialKind.PASSWORD, "hash of ")
    for password in ("", "a\tb", "x" * 2000, "\ud800"):
        refused(house.prove(PasswordProof(password)))
        assert house.begun() == ("hash of ", b"")


def test_an_unknown_name_costs_argon2_the_same_parameters_as_a_wrong_password(
    build: HouseMaker,
) -> None:
    hasher = Hasher(CHEAP)
    house = build(hasher=hasher)
    house.accounts.attach(CredentialKind.PASSWORD, hasher.hash(b"another"))
    checked: list[str] = []

    class Spy(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
            checked.append(f"{extract_parameters(str(hash))} {len(hash)} {len(password)}")
            return super().verify(hash, password)

    hasher._argon2 = Spy()
    for account in (NINA, None, OTTO):
        refused(house.prove(PasswordProof(SECRET), account))
    assert len(checked) == 3
    assert len(set(checked)) == 1
    assert "time_cost=1, memory_cost=8, parallelism=1" in checked[0]


@pytest.mark.parametrize("state", [State.GOOD, State.SUSPENDED, State.BANNED])
def test_the_state_of_an_account_is_for_the_hub_to_judge(house: House, state: State) -> None:
    account = house.accounts.add(NINA, state)
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    supply = house.prove(PasswordProof(SECRET))
    assert isinstance(supply, Proven)
    assert supply.account == account


def test_a_password_that_was_changed_during_the_check_proves_nothing(house: House) -> None:
    old = house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    told = house.ask(guess())
    house.begun()
    house.prover.changed(CredentialsChanged(NINA, (old.id,), ()))
    house.let_go()
    assert "changed or revoked" in refused(told[0])


def test_a_password_that_was_hashed_anew_during_the_check_still_holds(house: House) -> None:
    old = house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    told = house.ask(guess())
    house.begun()
    house.prover.changed(CredentialsChanged(NINA, (old.id,), (old,)))
    house.let_go()
    proven(told[0])


# Turns


def test_a_flood_delays_another_address_by_the_check_in_hand_and_no_more(house: House) -> None:
    for account, password in ((NINA, "flood"), (OTTO, SECRET)):
        house.accounts.attach(CredentialKind.PASSWORD, f"hash of {password}", account)
    flood = [house.ask(guess(NINA, "flood"), "198.51.100.1") for _ in range(20)]
    assert house.begun()[1] == b"flood"
    told = house.ask(guess(OTTO), HOME)
    assert told == []
    house.let_go()
    assert house.begun()[1] == SECRET.encode(), "the flood has four waiting, and another comes first"
    house.let_go()
    assert isinstance(told[0], Proven)
    assert house.begun()[1] == b"flood"
    assert sum(isinstance(answers[0], ChatError) for answers in flood if answers) == 15


def test_with_two_threads_a_flood_has_one_and_the_other_is_free_at_once(build: HouseMaker) -> None:
    house = build(threads=2)
    for _ in range(5):
        house.ask(guess(password="flood"), "198.51.100.1")
    assert house.begun()[1] == b"flood"
    house.ask(guess(), HOME)
    assert house.begun()[1] == SECRET.encode()


def test_too_many_for_one_address_are_refused_at_once_and_told_when_to_try_again(build: HouseMaker) -> None:
    house = build(Limits(checks_per_address=2, checks=10))
    for _ in range(3):
        assert house.ask(guess(), "2001:db8::1") == []
    for request in (guess(), guess(None), Protect("four words for nina", "Nina")):
        (refusal,) = house.ask(request, "2001:db8::2")
        assert isinstance(refusal, ChatError)
        assert refusal.code is Code.TOO_MANY_ATTEMPTS
        assert refusal.facts == {"retry_after": 1}
        assert "try again in 1 second." in refusal.text
    assert house.ask(guess(), "2001:db8:0:1::1") == []
    for _ in range(2):  # the other network's comes in between
        house.begun()
        house.let_go()
    house.clock.advance(0.5)  # the one before it was wrong
    assert house.ask(guess(), "2001:db8::1") == []


def test_other_bounds_count_for_who_comes_from_then_on(build: HouseMaker) -> None:
    limits = Limits(checks_per_address=1)
    house = build(limits)
    assert house.ask(guess()) == house.ask(guess()) == []
    assert len(house.ask(guess())) == 1
    limits.become(Limits(checks_per_address=2))
    assert house.ask(guess()) == []


def test_what_waits_in_all_is_bounded_too(build: HouseMaker) -> None:
    house = build(Limits(checks=30))
    told = [house.ask(guess(), f"192.0.2.{n}") for n in range(33)]
    assert [bool(answers) for answers in told] == [False] * 31 + [True] * 2
    refusal = told[-1][0]
    assert isinstance(refusal, ChatError)
    assert refusal.facts == {"retry_after": 3}


def test_what_costs_no_argon2_waits_for_none(house: House) -> None:
    token = new_token()
    house.accounts.attach(CredentialKind.TOKEN, digest(token))
    for _ in range(10):
        house.ask(guess())
    house.begun()
    proven(house.answer(Prove(None, TokenProof(token))))
    assert isinstance(house.answer(ListCredentials(NINA, CredentialKind.TOKEN)), CredentialList)


# Making and re-making


def test_a_new_password_is_protected(house: House) -> None:
    supply = house.answer(Protect("four words for nina", "Nina"), checks=1)
    assert supply == Protected(((CredentialKind.PASSWORD, "hash of four words for nina"),))


def test_a_verifier_for_scram_is_made_if_that_is_set(build: HouseMaker) -> None:
    supply = build(scram_iterations=4096).answer(Protect("four words for nina", "Nina"), checks=1)
    assert isinstance(supply, Protected)
    assert [kind for kind, _ in supply.data] == [CredentialKind.PASSWORD, CredentialKind.SCRAM]
    assert supply.data[1][1].startswith("SCRAM-SHA-256$4096:")


def test_a_weak_password_is_refused_without_work(house: House) -> None:
    supply = house.answer(Protect("Wilhelmina", "wilhelmina"))
    assert isinstance(supply, ChatError)
    assert supply.code is Code.WEAK_PASSWORD
    assert house.hasher.begun.empty()


def test_a_right_password_is_hashed_anew_when_the_cost_has_changed(house: House) -> None:
    old = house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    house.hasher.old = True
    told = house.ask(guess())
    house.begun()
    other = house.ask(guess(OTTO), "198.51.100.1")
    house.let_go()
    assert proven(told[0]) == old.id, "who logs in doesn't wait for it"
    assert house.begun()[0] == "decoy", "and nobody else does"
    house.let_go()
    refused(other[0])
    assert house.begun() == ("hash", SECRET.encode())
    house.let_go()
    fresh = msgspec.structs.replace(old, data=f"hash of {SECRET}")
    assert house.changes == [ChangeCredentials(NINA, add=(fresh,), ids=(old.id,), if_present=True)]


def test_a_wrong_password_is_not_hashed_anew(house: House) -> None:
    house.accounts.attach(CredentialKind.PASSWORD, "hash of another")
    house.hasher.old = True
    refused(house.prove(PasswordProof(SECRET)))
    house.begun()
    refused(house.prove(PasswordProof("guess"), None))
    assert house.begun() == ("decoy", b"guess"), "nothing else came in between"
    assert house.changes == []


def test_no_renewal_takes_a_place_that_its_address_has_not(build: HouseMaker) -> None:
    house = build(Limits(checks_per_address=1))
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    house.hasher.old = True
    house.ask(guess())
    house.ask(guess(OTTO))
    house.begun()
    house.let_go()
    assert house.begun()[0] == "decoy"
    house.let_go()
    assert house.hasher.begun.empty()
    assert house.changes == []


# Tokens, keys, certificates


def test_a_token_tells_whose_it_is_and_its_use_is_noted_once_a_minute(house: House) -> None:
    token, other = new_token(), new_token()
    ids = [house.accounts.attach(CredentialKind.TOKEN, digest(each)).id for each in (token, other)]
    proof = TokenProof(token)
    assert proven(house.prove(proof, None)) == ids[0]
    house.now += 59_999
    assert proven(house.prove(proof, NINA)) == ids[0]
    assert proven(house.prove(TokenProof(other), None)) == ids[1]
    house.now += 1
    proven(house.prove(proof))
    proven(house.prove(TokenProof(other), None))
    assert house.changes == [NoteUse(ids[0], 1_000_000), NoteUse(ids[1], 1_059_999), NoteUse(ids[0], 1_060_000)]
    assert house.hasher.begun.empty()
    house.now -= 3_600_000  # the machine's clock is set back
    proven(house.prove(proof))
    assert house.changes[-1] == NoteUse(ids[0], house.now)


def test_tokens_that_prove_nothing(house: House) -> None:
    revoked, expired, others, deleted = (new_token() for _ in range(4))
    house.accounts.attach(CredentialKind.TOKEN, digest(expired), expires=house.now)
    house.accounts.attach(CredentialKind.TOKEN, digest(others), OTTO)
    house.accounts.add(PersonId(3), State.DELETED)
    house.accounts.attach(CredentialKind.TOKEN, digest(deleted), PersonId(3))
    not_valid = "The token is not valid: it was mistyped, or it has been revoked."
    assert refused(house.prove(TokenProof(revoked), None)) == not_valid
    assert refused(house.prove(TokenProof(others), NINA)) == not_valid
    assert refused(house.prove(TokenProof(deleted), None)) == not_valid
    assert refused(house.prove(TokenProof(expired), None)) == "The token has expired. Please make a new one."
    house.accounts.asked.clear()
    assert refused(house.prove(TokenProof(revoked[:-1] + "!"), None)) == not_valid
    assert house.accounts.asked == [], "what has not the shape of a token is not looked up"
    assert house.changes == []


def test_a_token_revoked_during_its_check_proves_nothing(house: House) -> None:
    token = new_token()
    kept = house.accounts.attach(CredentialKind.TOKEN, digest(token))
    told = house.ask(Prove(None, TokenProof(token)))
    house.prover.changed(CredentialsChanged(NINA, (kept.id,), ()))
    house.turn()
    refused(told[0])
    assert house.changes == []


def test_any_key_of_the_account_that_has_not_expired_may_sign(house: House) -> None:
    public = b64encode(KEY.public_key().public_bytes_raw()).decode()
    stranger = b64encode(Ed25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
    proof = SignatureProof(KEY.sign(b"message"), b"message")
    house.accounts.attach(CredentialKind.KEY, stranger)
    house.accounts.attach(CredentialKind.KEY, public, expires=house.now)
    wrong = {refused(house.prove(proof, account)) for account in (NINA, OTTO, None)}
    kept = house.accounts.attach(CredentialKind.KEY, public)
    assert proven(house.prove(proof)) == kept.id
    wrong |= {refused(house.prove(SignatureProof(proof.signature, b"another"))), refused(house.prove(proof, OTTO))}
    wrong |= {refused(house.prove(SignatureProof(b"short", b"message")))}
    assert len(wrong) == 1
    assert house.changes == [NoteUse(kept.id, house.now)]


def test_a_certificate_of_the_account(house: House) -> None:
    house.accounts.attach(CredentialKind.CERTIFICATE, FINGERPRINT, expires=house.now)
    house.accounts.attach(CredentialKind.TOKEN, FINGERPRINT)
    wrong = {refused(house.prove(CertificateProof(FINGERPRINT), account)) for account in (NINA, OTTO, None)}
    kept = house.accounts.attach(CredentialKind.CERTIFICATE, FINGERPRINT)
    assert proven(house.prove(CertificateProof(FINGERPRINT))) == kept.id
    wrong |= {refused(house.prove(CertificateProof("cd" * 32)))}
    assert len(wrong) == 1
    assert house.changes == [NoteUse(kept.id, house.now)]


def test_listing_gives_one_kind_with_what_has_expired(house: House) -> None:
    first = house.accounts.attach(CredentialKind.TOKEN, "a", expires=1)
    house.accounts.attach(CredentialKind.PASSWORD, "b")
    house.accounts.attach(CredentialKind.TOKEN, "c", OTTO)
    second = house.accounts.attach(CredentialKind.TOKEN, "d")
    supply = house.answer(ListCredentials(NINA, CredentialKind.TOKEN))
    assert supply == CredentialList(NINA, (first, second))


def test_who_keeps_all_places_taken_keeps_nobody_else_out(build: HouseMaker) -> None:
    house = build(Limits(checks=4, checks_per_address=4))
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    flood = [house.ask(guess(password="wrong"), "198.51.100.1") for _ in range(5)]
    house.begun()
    told = house.ask(guess())
    assert told == []
    (last,) = flood[-1]
    assert isinstance(last, ChatError)
    assert last.code is Code.TOO_MANY_ATTEMPTS
    assert "retry_after" in last.facts
    for _ in range(2):
        house.let_go()
    proven(told[0])
    assert [len(answers) for answers in flood] == [1, 0, 0, 0, 1]


def test_signatures_leave_a_thread_to_the_others_and_take_turns(house: House) -> None:
    token = new_token()
    house.accounts.attach(CredentialKind.TOKEN, digest(token))
    house.accounts.hold = threading.Semaphore(0)
    proof = SignatureProof(b"wrong", b"message")
    flood = [house.ask(Prove(NINA, proof), "198.51.100.1") for _ in range(10)]
    told = house.ask(Prove(None, TokenProof(token)))
    house.turn()
    proven(told[0])
    other = house.ask(Prove(NINA, proof))
    for _ in range(2):
        house.accounts.hold.release()
        house.turn()
    refused(other[0])
    assert sum(len(answers) for answers in flood) == 1
    for wait in (0.5, 1, 2, 4):
        house.clock.advance(wait)
        house.accounts.hold.release()
        house.turn()
    assert all(flood), "after five failures the others are refused"


def test_accounts_at_home_have_one_turn_together_in_their_network(house: House) -> None:
    office = "198.51.100.1"
    accounts = [PersonId(number) for number in range(10, 14)]
    for account in accounts:
        house.accounts.add(account)
        house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}", account)
        house.ask(guess(account), office)
        house.let_go()
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    flood = [house.ask(guess(account), office) for account in accounts]
    told = house.ask(guess())
    for _ in range(2):
        house.let_go()
    proven(told[0])
    assert [len(answers) for answers in flood] == [1, 0, 0, 0]


def test_a_guesser_who_takes_all_places_of_a_network_leaves_one_to_who_is_at_home(house: House) -> None:
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    proven(house.prove(PasswordProof(SECRET)))
    house.begun()
    house.ask(guess(OTTO, "a wrong guess"))
    house.begun()
    house.let_go()
    wrong = [house.ask(guess(OTTO, "a wrong guess")) for _ in range(5)]
    told = house.ask(guess())
    house.begun()
    house.let_go()
    proven(told[0])
    assert [len(answers) for answers in wrong] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    "request_", [Invite(right=False), Prove(None, TokenProof("tcpchat_no")), Prove(OTTO, CertificateProof("ab"))]
)
def test_of_many_guesses_at_once_one_is_looked_up_before_its_failure_counts(house: House, request_: Request) -> None:
    told = [house.ask(request_) for _ in range(20)]
    for wait in (0.5, 1.0, 2.0, 4.0, 8.0):
        house.turn()
        house.clock.advance(wait - 0.1)
        assert house._calls.empty()
        house.clock.advance(0.2)
    codes = [answers[0].code for answers in told if isinstance(answers[0], ChatError)]
    assert (len(codes), codes.count(Code.TOO_MANY_ATTEMPTS)) == (20, 15)


# Beginning, ending, faults


def test_every_thread_connects_at_the_start(build: HouseMaker) -> None:
    house = build(threads=3)
    house.prover.start()
    deadline = threading.Event()
    for _ in range(1000):
        if len(house.accounts.opened) == 5 or deadline.wait(0.01):
            break
    assert len(house.accounts.opened) == 5


def test_after_the_end_nothing_is_begun(house: House) -> None:
    told, waiting = house.ask(guess()), house.ask(guess())
    house.begun()
    house.prover.stop()
    house.let_go()
    refused(told[0])
    assert waiting == []
    assert house.hasher.begun.empty()
    (late,) = house.ask(ListCredentials(NINA, CredentialKind.TOKEN))
    assert isinstance(late, ChatError)
    assert late.code is Code.SHUTTING_DOWN


def test_a_store_that_fails_is_told_and_the_next_check_is_done(house: House) -> None:
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    house.accounts.failing = True
    told = house.ask(guess())
    house.turn()
    assert isinstance(told[0], ChatError)
    assert told[0].code is Code.STORE_FAILED
    assert told[0].__traceback__ is None, "its frames hold the password"
    house.accounts.failing = False
    proven(house.prove(PasswordProof(SECRET)))


def test_requests_that_others_perform_are_refused(house: House) -> None:
    with pytest.raises(TypeError, match="NoteUse"):
        house.ask(NoteUse(CredentialId(1), 0))


def test_secrets_are_in_no_log_and_no_repr(house: House, logged: Everything) -> None:
    token = new_token()
    password = house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    house.accounts.attach(CredentialKind.TOKEN, digest(token))
    shown = []
    requests = (guess(), guess(None), guess(OTTO), Prove(None, TokenProof(token)), Protect(SECRET, "Nina"))
    for request in (*requests, Protect("\t" + SECRET), Prove(NINA, TokenProof(token[:-1]))):
        supply = house.answer(request, checks=1)
        shown += [repr(request), str(request), repr(supply), repr(getattr(supply, "__dict__", ""))]
    # What fails shows the most.
    house.hasher.error = ValueError(f"can't hash {SECRET}")
    supply = house.answer(guess(), checks=9)
    assert isinstance(supply, ChatError)
    assert supply.code is Code.INTERNAL
    shown += [repr(supply), repr(supply.__context__), repr(password), repr(CredentialList(NINA, (password,)))]
    shown.append(repr(ChangeCredentials(NINA, add=(password,))))
    text = logged.out.getvalue() + "\n".join(shown)
    assert "a proof could not be checked: ValueError" in text
    assert "test_prover.py" in text, "the place is told"
    for secret in (SECRET, token, token[8:-1], "hash of", digest(token)):
        assert secret not in text
    assert LogLevel.error.name in text


def test_a_refused_request_is_freed_with_its_secret(house: House) -> None:
    told = house.ask(guess())
    house.begun()
    house.let_go()
    refused(told[0])
    error = told[0]
    assert isinstance(error, ChatError)
    assert [error.__traceback__, error.__context__, error.__cause__] == [None] * 3
    assert not house.prover._jobs


# Failures.


def fail(house: House, times: int, address: str = HOME) -> None:
    """Let passwords be wrong, each as soon as it may be tried."""
    for _ in range(times):
        house.clock.advance(60)
        told = house.ask(guess(password="a wrong guess"), address)
        house.begun()
        house.let_go()
        assert isinstance(told[0], WrongProof)


def test_a_short_wait_after_a_failure_is_waited_and_others_do_not_wait(house: House) -> None:
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    fail(house, 1)
    told = house.ask(guess())
    house.clock.advance(0.4)
    elsewhere = house.ask(guess(), "198.51.100.1")
    house.begun()
    house.let_go()
    assert isinstance(elsewhere[0], Proven)
    assert len(house.prover._turns) == 1
    house.clock.advance(0.2)
    house.begun()
    house.let_go()
    assert isinstance(told[0], Proven)


def test_a_long_wait_is_a_refusal_that_checks_nothing_and_counts_as_no_failure(house: House) -> None:
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    fail(house, 5)
    for _ in range(20):
        (refusal,) = house.ask(guess())
        assert isinstance(refusal, ChatError)
        assert (refusal.code, refusal.facts) == (Code.TOO_MANY_ATTEMPTS, {"retry_after": 8})
        assert refusal.text == "Too many logins from your network have failed. Please try again in 8 seconds."
    assert house.hasher.begun.empty()
    house.clock.advance(8)
    told = house.ask(guess())
    house.begun()
    house.let_go()
    assert isinstance(told[0], Proven)


def test_what_waits_behind_a_failure_waits_longer_or_is_refused(house: House) -> None:
    fail(house, 3)
    house.clock.advance(60)
    wrong = [house.ask(guess(password=f"wrong guess {number}")) for number in range(4)]
    house.begun()
    house.let_go()
    house.clock.advance(3.9)
    assert len(house.prover._turns) == 3
    house.clock.advance(0.2)
    assert len(house.prover._turns) == 2
    house.begun()
    house.let_go()
    assert [isinstance(told[0], WrongProof) for told in wrong] == [True, True, False, False]
    assert {told[0].code for told in wrong[2:] if isinstance(told[0], ChatError)} == {Code.TOO_MANY_ATTEMPTS}
    assert len(house.prover._turns) == 0


def test_every_kind_of_proof_counts_and_waits_with_the_others(house: House) -> None:
    wrong = (
        Prove(None, TokenProof(new_token())),
        Prove(NINA, SignatureProof(b"x" * 64, b"message")),
        Prove(NINA, CertificateProof("ab" * 32)),
        Invite(right=False),
    )
    for request in wrong:
        told = house.ask(request)
        house.clock.advance(5)  # what has to wait is begun by then
        house.turn()
        assert isinstance(told[0], WrongProof)
    house.clock.advance(60)
    told = house.ask(Invite(right=True))
    house.turn()
    assert isinstance(told[0], Invited)
    fail(house, 1)
    assert [type(house.ask(request)[0]) for request in (*wrong, Invite(right=True))] == [ChatError] * 5


def test_a_guess_at_a_session_counts_and_waits_like_any_proof(house: House) -> None:
    assert isinstance(house.ask(Recognise(right=True))[0], Recognised)
    for number in range(5):
        told = house.ask(Recognise(right=False))
        if number:  # the first is answered at once, and the others have to wait
            house.clock.advance(5)
            house.turn()
        assert isinstance(told[0], WrongProof)
    told = house.ask(Recognise(right=False))
    assert [one.code for one in told if isinstance(one, ChatError)] == [Code.TOO_MANY_ATTEMPTS]


def test_a_code_that_is_right_waits_for_nobody_s_guesses(house: House) -> None:
    for number in range(5):
        assert isinstance(house.ask(Recognise(right=True))[0], Recognised)
        house.ask(Recognise(right=False))
        if number:
            house.clock.advance(5)
            house.turn()
    assert isinstance(house.ask(Recognise(right=True))[0], Recognised)
    assert isinstance(house.ask(Recognise(right=False))[0], ChatError)


def test_who_was_there_before_is_not_kept_out_by_a_guesser_behind_the_same_router(house: House) -> None:
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    assert isinstance(house.prove(PasswordProof(SECRET)), Proven)
    for _ in range(7):
        house.clock.advance(60)
        told = house.ask(guess(OTTO, "a wrong guess"))
        house.begun()
        house.let_go()
        assert isinstance(told[0], WrongProof)
    assert isinstance(house.ask(guess(OTTO))[0], ChatError)
    told = house.ask(guess())
    house.begun()
    house.let_go()
    assert isinstance(told[0], Proven)


def test_who_was_made_there_is_not_kept_out_either(house: House) -> None:
    house.accounts.attach(CredentialKind.PASSWORD, f"hash of {SECRET}")
    house.prover.registered(NINA, HOME)
    house.ask(guess(OTTO, "a wrong guess"))
    house.begun()
    house.let_go()
    told = house.ask(guess())
    house.begun()
    house.let_go()
    assert isinstance(told[0], Proven)


def test_a_wrong_key_of_a_room_waits_like_any_other_guess(house: House) -> None:
    told = [house.ask(Unlock("tea", right, None)) for right in (False, True)]
    house.turn()
    (wrong,) = told[0]
    assert isinstance(wrong, ChatError)
    assert (wrong.code, wrong.text) == (Code.KEY_NEEDED, "tea has a key, and that was not it.")
    assert not told[1]
    house.clock.advance(0.5)
    house.turn()
    assert isinstance(told[1][0], Unlocked)


def test_an_expired_token_is_no_guess(house: House) -> None:
    token = new_token()
    house.accounts.attach(CredentialKind.TOKEN, digest(token), expires=1)
    for _ in range(20):
        told = house.ask(Prove(None, TokenProof(token)))
        house.turn()
        assert isinstance(told[0], ChatError)
        assert told[0].code is Code.BAD_CREDENTIALS


def test_nothing_is_left_of_those_that_wait_when_it_stops(house: House) -> None:
    fail(house, 1)
    house.ask(guess())
    assert house.clock.getDelayedCalls()
    house.prover.stop()
    assert not house.clock.getDelayedCalls()
