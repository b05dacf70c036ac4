"""Accounts as they are stored, read by whatever thread asks, over a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from twisted.logger import Logger

from tcpchat.core.accounts import Account, Credential, CredentialKind
from tcpchat.core.entries import PersonId
from tcpchat.errors import ChatError, Code
from tcpchat.store.accounts import find_token, read_account, read_credentials
from tcpchat.store.connections import ThreadConnections

Found = TypeVar("Found")


class StoredAccounts:
    """Reads accounts and credentials. Everything blocks, and raises ``store-failed`` after a second try."""

    _log = Logger()

    def __init__(self, engine: Engine) -> None:
        self._connections = ThreadConnections(engine)

    def open(self) -> None:
        """Connect this thread: later there may be no file left to open."""
        try:
            self._connections.open()
        except DBAPIError as error:
            self._log.error("the database can't be read yet: {reason}", reason=str(error.orig))

    def account(self, ident: PersonId) -> Account | None:
        """Return an account."""
        return self._read(lambda connection: read_account(connection, ident))

    def credentials(self, account: PersonId, kinds: Sequence[CredentialKind]) -> Sequence[Credential]:
        """Return an account's credentials of these kinds, the oldest first, those that have expired too."""
        return self._read(lambda connection: read_credentials(connection, account, kinds))

    def token(self, data: str) -> Credential | None:
        """Return the token of which ``data`` is kept, even if it has expired."""
        return self._read(lambda connection: find_token(connection, data))

    def _read(self, read: Callable[[Connection], Found]) -> Found:
        reported = self._connections.failing  # many log in: the log is told once
        try:
            return self._connections.read(read)
        except DBAPIError as error:
            if not reported:
                self._log.error("an account could not be read: {reason}", reason=str(error.orig))
        raise ChatError(Code.STORE_FAILED, "The accounts can't be read just now. Please try again.")
