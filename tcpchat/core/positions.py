"""How far accounts have read, and what mentions them after that: what stays when they log out."""

from __future__ import annotations

from collections.abc import KeysView, Mapping

import msgspec

from tcpchat.core.entries import PersonId, RoomId, Seq

# More mentions than these are no longer counted: who has missed so many reads anyway.
_MENTIONS_KEPT = 100

Place = tuple[PersonId, RoomId]


class Position(msgspec.Struct, gc=False):
    """The number of the last entry read, and those of the later ones that mention the reader, the last hundred."""

    seq: Seq
    mentions: tuple[Seq, ...] = ()

    def move(self, seq: Seq) -> bool:
        """Move on to ``seq``, never back; return whether that changes anything."""
        if seq <= self.seq:
            return False
        self.seq = seq
        if self.mentions:
            self.mentions = tuple(mention for mention in self.mentions if mention > seq)
        return True


class Marker(msgspec.Struct, frozen=True, gc=False):
    """A position as it is stored."""

    account: PersonId
    room: RoomId
    seq: Seq
    mentions: tuple[Seq, ...] = ()


class Markers(msgspec.Struct, frozen=True, gc=False):
    """Positions to be stored, and the places that nobody reads at any more."""

    kept: tuple[Marker, ...]
    gone: tuple[Place, ...] = ()


_NOWHERE: Mapping[RoomId, Position] = {}


class Positions:
    """Where accounts read: in the rooms they follow, of all accounts, and in conversations while these are open.

    A room that is followed takes about 150 bytes for each account. What has changed is kept until `saved` says that
    it is stored; it is stored together, some time later.
    """

    def __init__(self) -> None:
        # Of each account the room that it joined last is the last one.
        self._followed: dict[PersonId, dict[RoomId, Position]] = {}
        self._changed: dict[Place, Position | None] = {}
        self._sent_at: int | None = None

    def restore(self, marker: Marker) -> None:
        """Take back a position in a room, as it was stored."""
        self._followed.setdefault(marker.account, {})[marker.room] = Position(marker.seq, marker.mentions)

    @property
    def followers(self) -> KeysView[PersonId]:
        """The accounts that follow any room."""
        return self._followed.keys()

    def of(self, account: PersonId) -> Mapping[RoomId, Position]:
        """Return the rooms that an account follows."""
        return self._followed.get(account, _NOWHERE)

    def follow(self, account: PersonId, room: RoomId, head: Seq, most: int) -> Position:
        """Return the position of an account in a room, which it follows from here on if it didn't before.

        Of more than ``most`` rooms the one that was joined longest ago is forgotten.
        """
        rooms = self._followed.setdefault(account, {})
        position = rooms.pop(room, None)
        if position is None:
            position = Position(head)
            self.note(account, room, position)
        rooms[room] = position
        while len(rooms) > most:
            self.unfollow(account, next(iter(rooms)))
        return position

    def unfollow(self, account: PersonId, room: RoomId) -> None:
        """Forget the position of an account in a room."""
        rooms = self._followed.get(account)
        if rooms is None or rooms.pop(room, None) is None:
            return
        if not rooms:
            del self._followed[account]
        self._changed[account, room] = None

    def forget_account(self, account: PersonId) -> None:
        """Forget where an account that is deleted has read."""
        for room in list(self.of(account)):
            self.unfollow(account, room)
        for place in [place for place in self._changed if place[0] == account]:
            self._changed[place] = None

    def forget_room(self, room: RoomId) -> None:
        """Forget who has read a room that is deleted."""
        for account in [account for account, rooms in self._followed.items() if room in rooms]:
            self.unfollow(account, room)

    def note(self, account: PersonId, room: RoomId, position: Position) -> None:
        """Have a position stored that has changed."""
        self._changed[account, room] = position

    def said(self, author: PersonId, room: RoomId, seq: Seq) -> None:
        """Whoever says something in a room has read what was said before."""
        rooms = self._followed.get(author)
        if rooms is not None and (position := rooms.get(room)) is not None and position.move(seq):
            self._changed[author, room] = position

    def mention(self, account: PersonId, room: RoomId, seq: Seq) -> None:
        """The entry ``seq`` of a room mentions an account, which counts if that follows the room."""
        position = self.of(account).get(room)
        if position is not None and seq > position.seq:
            position.mentions = (*position.mentions, seq)[-_MENTIONS_KEPT:]
            self._changed[account, room] = position

    def unsaved(self, account: PersonId, room: RoomId) -> Position | None:
        """Return a position that is not stored yet as it is."""
        return self._changed.get((account, room))

    def take(self, most: int) -> Markers | None:
        """Return what is to be stored next, at most so many positions; None if nothing has changed."""
        if not self._changed:
            return None
        places = [place for place, _ in zip(self._changed, range(most), strict=False)]
        changed = {place: self._changed[place] for place in places}
        kept = (
            Marker(*place, position.seq, position.mentions)
            for place, position in changed.items()
            if position is not None
        )
        return Markers(tuple(kept), tuple(place for place, position in changed.items() if position is None))

    def due(self, now: int, again_ms: int, most: int) -> Markers | None:
        """Return what `take` does unless the last of it is still being stored; after ``again_ms`` it has failed."""
        if self._sent_at is not None and now - self._sent_at < again_ms:
            return None
        markers = self.take(most)
        self._sent_at = now if markers is not None else None
        return markers

    def saved(self, markers: Markers) -> None:
        """These are stored; what has changed since then stays to be stored."""
        self._sent_at = None
        for marker in markers.kept:
            position = self._changed.get((marker.account, marker.room))
            if position is not None and (position.seq, position.mentions) == (marker.seq, marker.mentions):
                del self._changed[marker.account, marker.room]
        for place in markers.gone:
            if place in self._changed and self._changed[place] is None:
                del self._changed[place]
