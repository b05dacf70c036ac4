"""What can go wrong between a person and the chat: a stable code, a public sentence, and facts."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Code(StrEnum):
    """Stable names of everything the chat refuses; each wire spells them its own way."""

    ACCOUNT_NEEDED = "account-needed"
    ALREADY_LOGGED_IN = "already-logged-in"
    BAD_CREDENTIALS = "bad-credentials"
    BAD_FIELD = "bad-field"
    BAD_JSON = "bad-json"
    BAD_NAME = "bad-name"
    BAD_UTF8 = "bad-utf8"
    BANNED = "banned"
    BUSY = "busy"
    CLIENT_ID_REUSED = "client-id-reused"
    CREDENTIAL_EXISTS = "credential-exists"
    EMERGENCY = "emergency"
    FORBIDDEN_NAME = "forbidden-name"
    INTERNAL = "internal"
    INVITE_ONLY = "invite-only"
    KEY_NEEDED = "key-needed"
    KICKED = "kicked"
    LINE_TOO_LONG = "line-too-long"
    LOGIN_TIMEOUT = "login-timeout"
    LOW_SPACE = "low-space"
    MODERATED = "moderated"
    MUTED = "muted"
    NAME_REGISTERED = "name-registered"
    NAME_TAKEN = "name-taken"
    NO_SUCH_BAN = "no-such-ban"
    NO_SUCH_ENTRY = "no-such-entry"
    NO_SUCH_ROOM = "no-such-room"
    NO_SUCH_SESSION = "no-such-session"
    NO_SUCH_USER = "no-such-user"
    NO_SUCH_CREDENTIAL = "no-such-credential"
    NOT_ALLOWED = "not-allowed"
    NOT_IN_ROOM = "not-in-room"
    NOT_LOGGED_IN = "not-logged-in"
    NOTHING_PLANNED = "nothing-planned"
    PING_TIMEOUT = "ping-timeout"
    RATE_LIMITED = "rate-limited"
    READ_ONLY = "read-only"
    REPEATED = "repeated"
    ROOM_EXISTS = "room-exists"
    ROOM_FULL = "room-full"
    SHUTTING_DOWN = "shutting-down"
    SLOW_MODE = "slow-mode"
    SLOW_READER = "slow-reader"
    STORE_FAILED = "store-failed"
    SUSPENDED = "suspended"
    TEXT_EMPTY = "text-empty"
    TEXT_TOO_LONG = "text-too-long"
    TOO_MANY_ATTEMPTS = "too-many-attempts"
    TLS_REQUIRED = "tls-required"
    TOO_MANY_BANS = "too-many-bans"
    TOO_MANY_CONNECTIONS = "too-many-connections"
    TOO_MANY_CREDENTIALS = "too-many-credentials"
    TOO_MANY_IGNORED = "too-many-ignored"
    TOO_MANY_MEMBERS = "too-many-members"
    TOO_MANY_ROOMS = "too-many-rooms"
    RESUMED = "resumed"
    REVOKED = "revoked"
    UNKNOWN_COMMAND = "unknown-command"
    UNKNOWN_OP = "unknown-op"
    WEAK_PASSWORD = "weak-password"  # noqa: S105 (it is none)


Fact = str | int


class ChatError(Exception):
    """A refusal that its author may read: ``code`` for programs, ``text`` for people, ``facts`` for both.

    The text is one sentence or two, free of internals; details belong in the log.
    """

    def __init__(self, code: Code, text: str, **facts: Fact) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.facts = facts

    def detached(self) -> Self:
        """Return this without its traceback and without the exceptions that it arose from.

        The frames in these hold the request that is refused, and whoever keeps this as the request's answer closes a
        circle that the collector can't see through (structs with ``gc=False``): a connection would never be freed.
        """
        self.__cause__ = self.__context__ = None
        return self.with_traceback(None)


class StartError(Exception):
    """The daemon can't start; the text is one line for the operator."""
