"""The recent tail of each busy room, kept in memory so that most reading needs no database."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from itertools import islice
from sys import getsizeof

from tcpchat.core.entries import Entry, RoomId, Seq, redacted
from tcpchat.core.limits import Limits

# What an entry costs besides its text: the objects around it.
_OVERHEAD_BYTES = 300


class _Tail:
    """The last entries of one room, without holes."""

    __slots__ = ("entries", "size")

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque()
        self.size = 0


class Tails:
    """The tails of all rooms, bounded per room and in total; the room that spoke longest ago goes first."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tails: OrderedDict[RoomId, _Tail] = OrderedDict()
        self._size = 0

    def extend(self, room: RoomId, entries: Sequence[Entry]) -> None:
        """Append newly committed entries of a room, in the order of their numbers."""
        tail = self._tails.get(room)
        if tail is None or tail.entries[-1].seq + 1 != entries[0].seq:  # what came between was not seen here
            self.forget(room)
            tail = self._tails[room] = _Tail()
        else:
            self._tails.move_to_end(room)
        before = tail.size
        kept = tail.entries
        kept.extend(entries)
        tail.size += _cost(entries)
        if (excess := len(kept) - self._limits.tail_entries) > 0:
            tail.size -= _cost([kept.popleft() for _ in range(excess)])
        # The last entry always stays: it is what tells whether the next one follows.
        while tail.size > self._limits.tail_bytes and len(kept) > 1:
            tail.size -= _cost([kept.popleft()])
        self._size += tail.size - before
        while self._size > self._limits.tails_bytes:
            self._size -= self._tails.popitem(last=False)[1].size

    def page(self, room: RoomId, first: int, last: int) -> list[Entry] | None:
        """Return the entries ``first`` to ``last``, or None unless all of them are kept here."""
        tail = self._tails.get(room)
        if tail is None:
            return None
        start = tail.entries[0].seq
        if first < start or last > tail.entries[-1].seq:
            return None
        return list(islice(tail.entries, first - start, last - start + 1))

    def redact(self, room: RoomId, seq: Seq, text: str = "") -> None:
        """Remove the text of an entry, wherever it is kept, but for what is left of it."""
        tail = self._tails.get(room)
        if tail is None or not tail.entries[0].seq <= seq <= tail.entries[-1].seq:
            return
        place = seq - tail.entries[0].seq
        entry = tail.entries[place]
        tail.entries[place] = redacted(entry, text)
        freed = _cost([entry]) - _cost([tail.entries[place]])
        tail.size -= freed
        self._size -= freed

    def forget(self, room: RoomId) -> None:
        """Drop the tail of a room that is gone."""
        tail = self._tails.pop(room, None)
        if tail is not None:
            self._size -= tail.size


def _cost(entries: Sequence[Entry]) -> int:
    return sum(map(getsizeof, [entry.draft.text for entry in entries])) + _OVERHEAD_BYTES * len(entries)
