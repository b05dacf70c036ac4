"""How a room is: who sees it, who may enter, who may speak."""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest

import msgspec

from tcpchat.core.entries import RoomId


class RoomSettings(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The settings of one room, as they are stored too. ``key`` is a hash, which opens nothing by itself.

    ``slow`` are the seconds between two messages of one person, ``limit`` the people it takes; 0 is no bound.
    """

    unlisted: bool = False
    invite_only: bool = False
    moderated: bool = False
    read_only: bool = False
    slow: int = 0
    limit: int = 0
    key: str = ""

    @property
    def shown(self) -> dict[str, bool | int]:
        """The settings as anybody may know them, all of them."""
        fields = msgspec.structs.asdict(self)
        return {**fields, "key": bool(self.key)}


OPEN = RoomSettings()
"""A room for everybody."""


def hash_key(room: RoomId, key: str) -> str:
    """Return what is kept of a room's key. It is a word that many know, and guards no more than one room."""
    return blake2b(key.encode(), digest_size=16, salt=room.to_bytes(8, "big")).hexdigest()


def opens(settings: RoomSettings, room: RoomId, key: str) -> bool:
    """Return whether ``key`` is that of the room, if it has one; the time this takes doesn't tell."""
    return not settings.key or compare_digest(hash_key(room, key), settings.key)


def encode(settings: RoomSettings) -> str:
    """Return the settings as they are stored."""
    return msgspec.json.encode(settings).decode()


def differences(before: RoomSettings, after: RoomSettings) -> dict[str, bool | int | str]:
    """Return the settings of ``after`` that ``before`` has not."""
    known = msgspec.structs.asdict(before)
    return {name: value for name, value in msgspec.structs.asdict(after).items() if value != known[name]}


def decode(text: str) -> RoomSettings:
    """Return the settings that were stored. Raises msgspec.ValidationError."""
    return msgspec.json.decode(text, type=RoomSettings) if text != "{}" else OPEN
