"""Checking proofs, and making what passwords are checked against: all of it blocks, in threads of the `Prover`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from tcpchat.auth.keys import is_signed
from tcpchat.auth.passwords import check_password, prepare
from tcpchat.auth.scram import make_verifier
from tcpchat.auth.tokens import digest, is_token
from tcpchat.core.accounts import Account, Credential, CredentialKind, State
from tcpchat.core.entries import PersonId
from tcpchat.core.permissions import key_needed
from tcpchat.core.proofs import CertificateProof, PasswordProof, SignatureProof, TokenProof
from tcpchat.core.requests import (
    ChangeCredentials,
    CredentialList,
    Invite,
    Invited,
    ListCredentials,
    Protect,
    Protected,
    Prove,
    Proven,
    Recognise,
    Recognised,
    Unlock,
    Unlocked,
)
from tcpchat.core.resumption import no_session
from tcpchat.errors import ChatError, Code

# An id that nobody has: ids are not negative.
_NOBODY = PersonId(-1)

# One for each kind of proof, whatever is wrong: it must not tell which names have accounts.
WRONG_PASSWORD = "The name or the password is wrong."  # noqa: S105
_WRONG_TOKEN = "The token is not valid: it was mistyped, or it has been revoked."  # noqa: S105
_EXPIRED_TOKEN = "The token has expired. Please make a new one."  # noqa: S105
_WRONG_KEY = "The name is wrong, or the signature is by none of its account's keys."
_WRONG_SESSION = no_session().text
_WRONG_CODE = "That is no invitation code."
_WRONG_CERTIFICATE = "The name is wrong, or its account doesn't know your certificate."


class AccountReader(Protocol):
    """What reads accounts, blocking, from several threads; `tcpchat.server.reader.StoredAccounts` is the real one.

    All but `open` raise ``store-failed``.
    """

    def open(self) -> None:
        """Connect this thread."""

    def account(self, ident: PersonId) -> Account | None:
        """Return an account."""

    def credentials(self, account: PersonId, kinds: Sequence[CredentialKind]) -> Sequence[Credential]:
        """Return an account's credentials of these kinds, the oldest first, those that have expired too."""

    def token(self, data: str) -> Credential | None:
        """Return the token of which ``data`` is kept, even if it has expired."""


class Hashing(Protocol):
    """What hashes passwords; `tcpchat.auth.passwords.Hasher` is the real one."""

    @property
    def decoy(self) -> str:
        """A hash that no password is known for."""

    def hash(self, secret: bytes) -> str:
        """Return the hash of a prepared password."""

    def verify(self, data: str, secret: bytes) -> bool:
        """Return whether ``data`` is the hash of a prepared password."""

    def needs_rehash(self, data: str) -> bool:
        """Return whether ``data`` was made at another cost."""


class WrongProof(ChatError):
    """What was shown proves nothing: it may have been a guess."""


class Valid(msgspec.Struct, frozen=True, gc=False):
    """A proof holds: whose it is, and the credential that it was checked against."""

    proven: Proven
    credential: Credential


class Checks:
    """The checks. ``now`` gives ms since 1970, UTC; ``scram_iterations`` 0: no verifiers for SCRAM are made."""

    def __init__(
        self, reader: AccountReader, hasher: Hashing, now: Callable[[], int], scram_iterations: int = 0
    ) -> None:
        self._reader = reader
        self._hasher = hasher
        self._now = now
        self._scram_iterations = scram_iterations

    def prove(self, request: Prove) -> Valid:
        """Check a proof. Raises ``bad-credentials``, as a `WrongProof` if it may be a guess, or ``store-failed``.

        A suspended or banned account proves who it is like any other: the hub decides what it may, and only who has
        proved it hears why. A deleted one is nobody's.
        """
        match request.proof:
            case PasswordProof(password):
                return self._password(request.account, password)
            case TokenProof(token):
                return self._token(request.account, token)
            case SignatureProof(signature, message):
                return self._signature(request.account, signature, message)
            case CertificateProof(fingerprint):
                return self._certificate(request.account, fingerprint)

    def invite(self, request: Invite) -> Invited:
        """Return that a code is right, or raise ``not-allowed``."""
        if not request.right:
            raise WrongProof(Code.NOT_ALLOWED, _WRONG_CODE, field="code")
        return Invited()

    def unlock(self, request: Unlock) -> Unlocked:
        """Return that a key is right, or raise ``key-needed``."""
        if not request.right:
            refused = key_needed(request.label, shown=True)
            raise WrongProof(refused.code, refused.text, **refused.facts)
        return Unlocked()

    def recognise(self, request: Recognise) -> Recognised:
        """Return that the code of a session is right, or raise ``no-such-session``; doesn't block."""
        if not request.right:
            raise WrongProof(Code.NO_SUCH_SESSION, _WRONG_SESSION)
        return Recognised()

    def protect(self, request: Protect) -> Protected:
        """Return what a new password is checked against. Raises ``weak-password`` or ``bad-field``."""
        secret = check_password(request.password, request.name)
        data = [(CredentialKind.PASSWORD, self._hasher.hash(secret))]
        if self._scram_iterations:
            data.append((CredentialKind.SCRAM, make_verifier(secret, self._scram_iterations)))
        return Protected(tuple(data))

    def renew(self, credential: Credential, password: str) -> ChangeCredentials | None:
        """Return the change that hashes a right password at today's cost; None if it is so already, at no cost."""
        secret = prepare(password)
        if secret is None or not self.is_old(credential):
            return None
        fresh = msgspec.structs.replace(credential, data=self._hasher.hash(secret))
        return ChangeCredentials(credential.account, add=(fresh,), ids=(credential.id,), if_present=True)

    def is_old(self, credential: Credential) -> bool:
        """Return whether a password is hashed at another cost than they are now; doesn't block."""
        return self._hasher.needs_rehash(credential.data)

    def list(self, request: ListCredentials) -> CredentialList:
        """Return the credentials of an account. Raises ``store-failed``."""
        return CredentialList(request.account, tuple(self._reader.credentials(request.account, (request.kind,))))

    def _password(self, account: PersonId | None, password: str) -> Valid:
        """Check a password, at the same cost for whom there isn't: two look-ups and one argon2id."""
        ident = _NOBODY if account is None else account
        secret = prepare(password)
        owner = self._owner(ident)
        known = self._current(ident, CredentialKind.PASSWORD)
        credential = known[-1] if known and owner else None
        data = credential.data if credential else self._hasher.decoy
        matches = self._hasher.verify(data, b"" if secret is None else secret)
        if owner is None or credential is None or secret is None or not matches:
            raise WrongProof(Code.BAD_CREDENTIALS, WRONG_PASSWORD)
        return _valid(owner, credential)

    def _token(self, account: PersonId | None, token: str) -> Valid:
        credential = self._reader.token(digest(token)) if is_token(token) else None
        owner = self._owner(credential.account) if credential else None
        if credential is None or owner is None or account not in (None, owner.id):
            raise WrongProof(Code.BAD_CREDENTIALS, _WRONG_TOKEN)
        if self._expired(credential):
            raise refusal(_EXPIRED_TOKEN)
        return _valid(owner, credential)

    def _signature(self, account: PersonId | None, signature: bytes, message: bytes) -> Valid:
        owner = None if account is None else self._owner(account)
        if owner is not None:
            for credential in self._current(owner.id, CredentialKind.KEY):
                if is_signed(credential.data, signature, message):
                    return _valid(owner, credential)
        raise WrongProof(Code.BAD_CREDENTIALS, _WRONG_KEY)

    def _certificate(self, account: PersonId | None, fingerprint: str) -> Valid:
        owner = None if account is None else self._owner(account)
        if owner is not None:
            for credential in self._current(owner.id, CredentialKind.CERTIFICATE):
                if credential.data == fingerprint:
                    return _valid(owner, credential)
        raise WrongProof(Code.BAD_CREDENTIALS, _WRONG_CERTIFICATE)

    def _owner(self, ident: PersonId) -> Account | None:
        account = self._reader.account(ident)
        return None if account is None or account.state is State.DELETED else account

    def _current(self, account: PersonId, kind: CredentialKind) -> Sequence[Credential]:
        found = self._reader.credentials(account, (kind,))
        return [credential for credential in found if not self._expired(credential)]

    def _expired(self, credential: Credential) -> bool:
        return credential.expires is not None and credential.expires <= self._now()


def refusal(text: str) -> ChatError:
    """Return the refusal of a proof that was right once, and so is no guess."""
    return ChatError(Code.BAD_CREDENTIALS, text)


def _valid(account: Account, credential: Credential) -> Valid:
    return Valid(Proven(account, credential.id, credential.expires, credential.kind), credential)
