"""Accounts: people who come back, what proves who they are, and the names that are kept for them."""

from __future__ import annotations

from collections.abc import Iterator, KeysView, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import NewType

import msgspec

from tcpchat.core.confusables import skeleton
from tcpchat.core.entries import PersonId
from tcpchat.core.names import Key, fold
from tcpchat.core.roles import ServerRole
from tcpchat.errors import ChatError, Code

CredentialId = NewType("CredentialId", int)


class State(IntEnum):
    """Whether an account may be used. The numbers are in the database and never change."""

    GOOD = 0
    SUSPENDED = 1
    BANNED = 2
    DELETED = 3


class CredentialKind(IntEnum):
    """What proves who somebody is. The numbers are in the database and never change."""

    PASSWORD = 1
    TOKEN = 2
    KEY = 3
    CERTIFICATE = 4
    SCRAM = 5


class Account(msgspec.Struct, frozen=True, gc=False):
    """Somebody who comes back. The id is that of the person: what a guest said stays said by the account it became.

    ``until`` is when a suspension or a ban ends, in ms since 1970, UTC, 0 for never; of a deleted account, until when
    its name is kept. ``reason`` is for the person to read.
    """

    id: PersonId
    key: str
    name: str
    color: str | None
    state: State
    reason: str
    until: int
    created: int
    role: ServerRole = ServerRole.USER


class Credential(msgspec.Struct, frozen=True, gc=False):
    """One proof of an account: ``data`` is what it is checked against, never the secret itself.

    A password's is its argon2id hash, a token's its SHA-256 in hexadecimal, a key's the Ed25519 public key in
    base64, a certificate's the SHA-256 of its DER in hexadecimal. Times in ms since 1970, UTC.
    """

    id: CredentialId
    account: PersonId
    kind: CredentialKind
    data: str
    label: str
    created: int
    expires: int | None = None
    used: int | None = None

    def __repr__(self) -> str:
        return f"Credential({self.kind.name}, {self.id}, {self.label!r})"


class ClaimedName(msgspec.Struct, frozen=True, gc=False):
    """An account that is being stored, and what its name looks like: nobody else may take that meanwhile."""

    account: Account
    look: str


class Accounts:
    """The names of all accounts, in memory: about 400 bytes each."""

    def __init__(self) -> None:
        self._named: dict[Key, Account] = {}
        self._looks: dict[str, Account] = {}
        self._ids: dict[PersonId, Account] = {}
        self._owners: set[PersonId] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Account]:
        return iter(self._ids.values())

    @property
    def usable(self) -> bool:
        """Whether there is one that isn't deleted."""
        return any(account.state is not State.DELETED for account in self._ids.values())

    def is_only_owner(self, account: Account) -> bool:
        """Return whether ``account`` owns the server and nobody else does."""
        return self._owners == {account.id}

    def get(self, name: str) -> Account | None:
        """Return the account called ``name``, in whatever spelling; also a deleted one whose name is kept."""
        return self._named.get(fold(name))

    def by_id(self, ident: PersonId) -> Account | None:
        """Return the account with this id."""
        return self._ids.get(ident)

    @property
    def keys(self) -> KeysView[str]:
        """The folded names of all."""
        return self._named.keys()

    def among(self, words: Sequence[str]) -> list[Account]:
        """Return the accounts whose folded names are among ``words``."""
        return [self._named[key] for word in dict.fromkeys(words) if (key := Key(word)) in self._named]

    def alike(self, name: str, now: int) -> Account | None:
        """Return the account for which a name that can't be told from ``name`` by the eye is kept."""
        account = self._looks.get(skeleton(name))
        return None if account is None or is_free(account, now) else account

    def holder(self, name: str, now: int, besides: PersonId | None = None) -> Account | None:
        """Return the account that keeps others but ``besides`` from taking ``name``: there may be two of them."""
        for account in (self.get(name), self.alike(name, now)):
            if account is not None and account.id != besides and not is_free(account, now):
                return account
        return None

    def put(self, account: Account) -> None:
        """Register a new account, or one that has changed."""
        if (old := self._ids.get(account.id)) is not None:
            # Somebody else may have the name by now.
            if self._named.get(fold(old.name)) is old:
                del self._named[fold(old.name)]
            if self._looks.get(skeleton(old.name)) is old:
                del self._looks[skeleton(old.name)]
        self._ids[account.id] = account
        if account.role is ServerRole.OWNER and account.state is not State.DELETED:
            self._owners.add(account.id)
        else:
            self._owners.discard(account.id)
        key, look = fold(account.name), skeleton(account.name)
        if not _yields(account, self._named.get(key)):
            self._named[key] = account
        if not _yields(account, self._looks.get(look)):
            self._looks[look] = account


def _yields(account: Account, holder: Account | None) -> bool:
    """Whether a deleted account leaves its name to ``holder``, who has it by now or for longer."""
    if account.state is not State.DELETED or holder is None or holder.id == account.id:
        return False
    return holder.state is not State.DELETED or holder.until > account.until


def too_many_credentials(most: int) -> ChatError:
    """Return the refusal of a credential of an account that has as many of its kind as it may."""
    text = f"You have {most} of them, as many as one can: remove one first."
    return ChatError(Code.TOO_MANY_CREDENTIALS, text, max=most)


def is_free(account: Account, now: int) -> bool:
    """Return whether the name of a deleted account is kept no longer."""
    return account.state is State.DELETED and account.until <= now


def is_barred(account: Account, now: int) -> bool:
    """Return whether an account may not be used at ``now``; a suspension or a ban may be over."""
    return account.state is State.DELETED or (account.state is not State.GOOD and not 0 < account.until <= now)


def farewell(account: Account) -> str:
    """Return what is said of the name of a deleted account, which is kept until a day of UTC."""
    day = datetime.fromtimestamp(account.until / 1000, UTC)
    return f"The account {account.name} was deleted; its name is kept until {day.day} {day:%B %Y}."
