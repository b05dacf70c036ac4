"""Bans: who may not come in, to a room or to the whole server."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NewType

import msgspec

from tcpchat.core.addresses import IPV6_PREFIX, parse_network
from tcpchat.core.entries import PersonId, RoomId
from tcpchat.core.names import fold
from tcpchat.errors import ChatError, Code

BanId = NewType("BanId", int)

SERVER = RoomId(0)
"""In the place of a room: the whole server."""


class Subject(IntEnum):
    """What a ban goes by. The numbers are in the database and never change."""

    PERSON = 1
    NAME = 2
    ADDRESS = 3
    # It keeps nobody out: a guest of this name may not speak.
    SILENCE = 4


class Ban(msgspec.Struct, frozen=True, gc=False):
    """One ban: ``data`` is an id in decimal, a folded name, or a network; ``name`` what people call it.

    ``by`` is the name of who did it; ``at`` and ``until`` are in ms since 1970, UTC, ``until`` 0 for ever. ``kick``:
    somebody was only put out for a moment, too short to be stored or to count.
    """

    id: BanId
    room: RoomId
    subject: Subject
    data: str
    name: str
    reason: str
    by: str
    at: int
    until: int
    kick: bool = False

    def is_over(self, now: int) -> bool:
        """Return whether the ban has ended by ``now``."""
        return 0 < self.until <= now


class Bans:
    """All bans, in memory, found by room and whom they are against. Those that are over are as good as gone."""

    def __init__(self) -> None:
        self._exact: dict[tuple[RoomId, Subject, str], Ban] = {}
        self._rooms: dict[RoomId, int] = {}
        self._networks: dict[RoomId, dict[BanId, tuple[IPv4Network | IPv6Network, Ban]]] = {}

    def __iter__(self) -> Iterator[Ban]:
        return iter(list(self._exact.values()))

    def count(self, room: RoomId) -> int:
        """Return how many bans there are in all of a room, or the `SERVER`: 0 if nobody is kept out."""
        return self._rooms.get(room, 0)

    def lasting(self, room: RoomId, now: int) -> int:
        """Return how many of them count, and are in force."""
        return sum(ban.room == room and not ban.kick and not ban.is_over(now) for ban in self._exact.values())

    def of(self, room: RoomId, now: int) -> list[Ban]:
        """Return what keeps people out of a room now, the oldest first."""
        return [
            ban
            for ban in self._exact.values()
            if ban.room == room and ban.subject is not Subject.SILENCE and not ban.is_over(now)
        ]

    def get(self, room: RoomId, subject: Subject, data: str) -> Ban | None:
        """Return the very ban that one of ``data`` would take the place of."""
        return self._exact.get((room, subject, data))

    def silence(self, room: RoomId, name: str, now: int) -> Ban | None:
        """Return why a guest called ``name`` may not speak in a room."""
        found = self._exact.get((room, Subject.SILENCE, fold(name))) if room in self._rooms else None
        return None if found is None or found.is_over(now) else found

    def add(self, ban: Ban) -> Ban | None:
        """Put a ban into force; return the one against the same that it replaces."""
        key = (ban.room, ban.subject, ban.data)
        old = self._exact.get(key)
        if old is not None:
            self.remove(old)
        self._exact[key] = ban
        self._rooms[ban.room] = self._rooms.get(ban.room, 0) + 1
        if ban.subject is Subject.ADDRESS:
            self._networks.setdefault(ban.room, {})[ban.id] = (ip_network(ban.data), ban)
        return old

    def remove(self, ban: Ban) -> None:
        """Lift a ban."""
        if self._exact.pop((ban.room, ban.subject, ban.data), None) is None:
            return
        self._rooms[ban.room] -= 1
        if not self._rooms[ban.room]:
            del self._rooms[ban.room]
        if ban.subject is Subject.ADDRESS:
            networks = self._networks[ban.room]
            del networks[ban.id]
            if not networks:
                del self._networks[ban.room]

    def forget(self, room: RoomId) -> None:
        """Lift all bans of a room that is gone."""
        if room in self._rooms:
            for ban in [ban for ban in self._exact.values() if ban.room == room]:
                self.remove(ban)

    def expire(self, now: int) -> list[Ban]:
        """Lift the bans that are over, and return them."""
        over = [ban for ban in self._exact.values() if ban.is_over(now)]
        for ban in over:
            self.remove(ban)
        return over

    def find(self, room: RoomId, person: PersonId | None, name: str, address: str, now: int) -> Ban | None:
        """Return a ban in force against somebody of this id, name and address; what is not known is empty."""
        if room not in self._rooms:
            return None
        found = self._exact.get((room, Subject.PERSON, str(person)))
        if found is None or found.is_over(now):
            found = self._exact.get((room, Subject.NAME, fold(name))) if name else None
        if found is None or found.is_over(now):
            found = self._by_address(room, address, now)
        return found

    def _by_address(self, room: RoomId, address: str, now: int) -> Ban | None:
        networks = self._networks.get(room)
        if not networks or not address:
            return None
        try:
            place = ip_address(address)
        except ValueError:  # a socket's path
            return None
        mapped = getattr(place, "ipv4_mapped", None) or place
        return next((ban for net, ban in networks.values() if mapped in net and not ban.is_over(now)), None)


def is_network(text: str) -> bool:
    """Return whether ``text`` is a network as `network_of` returns it; no name is like that."""
    return "/" in text


def network_of(text: str) -> str:
    """Return what a ban of an address or a network is of: at the least one customer's network. Raises ``bad-field``."""
    try:
        network = parse_network(text.strip(), strict=False)
    except ValueError:
        shown = text[:64]
        raise ChatError(
            Code.BAD_FIELD, f"{shown} is no address: it looks like 192.0.2.7, 192.0.2.0/24 or 2001:db8::/64.",
            field="address",
        ) from None  # fmt: skip
    if isinstance(network, IPv6Network) and network.prefixlen > IPV6_PREFIX:
        network = network.supernet(new_prefix=IPV6_PREFIX)
    return str(network)
