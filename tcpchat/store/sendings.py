"""What was sent under a client's id: found before anything is appended, kept in the transaction that appends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, and_, bindparam, delete, insert, select

from tcpchat.core.entries import Draft, Entry, RoomId, Sent, Seq
from tcpchat.core.requests import Append, Change, Recall, Result
from tcpchat.store.driver import DriverStatement
from tcpchat.store.schema import rooms, sendings


class Known(NamedTuple):
    """What was sent under a key. ``there`` is its room, unless that is deleted."""

    key: str
    room: RoomId
    seq: Seq
    digest: int
    at: int
    there: RoomId | None


class _Twin(msgspec.Struct, frozen=True):
    """A change that repeats the one at ``place`` among the new ones of its batch."""

    change: Append | Recall
    place: int


class Sifted(msgspec.Struct, frozen=True):
    """A batch, taken apart: the ``new`` changes are to be written, the others only repeat something.

    ``answers`` has a place for each change of the batch; None stands for the next of the new ones.
    """

    new: Sequence[Change]
    answers: Sequence[Result | _Twin | None]

    def merge(self, results: Sequence[Result]) -> list[Result]:
        """Return what each change of the batch gave, when the new ones gave ``results``."""
        merged: list[Result] = []
        fresh = iter(results)
        for answer in self.answers:
            if answer is None:
                merged.append(next(fresh))
            elif isinstance(answer, _Twin):
                merged.append(_shared(answer.change, self.new[answer.place], results[answer.place]))
            else:
                merged.append(answer)
        return merged


class Sendings:
    """The table of what was sent. Its statements run in the caller's transaction, and raise what the driver raises."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert = DriverStatement(insert(sendings), sendings.c.keys(), engine)
        self._find = cache(self._compile_find)

    def sift(self, cursor: Any, changes: Sequence[Change], keys: Sequence[str]) -> Sifted:
        """Return ``changes`` without what was sent before, by one query for all their ``keys``."""
        places = 1 << (len(keys) - 1).bit_length()
        found = self._find(places).fetch(cursor, [*keys, *[keys[-1]] * (places - len(keys))])
        return _sift(changes, {row[0]: Known(*row) for row in found})

    def keep(self, cursor: Any, changes: Iterable[Change], results: Iterable[Result]) -> None:
        """Keep what the ``changes`` sent, now that their entries have numbers."""
        rows = [
            (change.sending.key, result.draft.room, result.seq, change.sending.digest, result.draft.at)
            for change, result in zip(changes, results, strict=True)
            if type(change) is Append and change.sending is not None and type(result) is Entry
        ]
        if rows:
            self._insert.run(cursor, rows)

    def _compile_find(self, places: int) -> DriverStatement:
        """Return what finds so many keys. Only powers of two are asked for, so that there are few."""
        names = [f"key{place}" for place in range(places)]
        there = and_(rooms.c.id == sendings.c.room, rooms.c.deleted.is_(None))
        statement = (
            select(
                sendings.c.key,
                sendings.c.room,
                sendings.c.seq,
                sendings.c.digest,
                sendings.c.at,
                rooms.c.id.label("there"),
            )
            .select_from(sendings.outerjoin(rooms, there))
            .where(sendings.c.key.in_([bindparam(name) for name in names]))
        )
        return DriverStatement(statement, names, self._engine)


def sendings_of(changes: Iterable[Change]) -> list[str]:
    """Return the keys under which something is sent, or looked for."""
    sent = [change.sending for change in changes if isinstance(change, Append | Recall)]
    return [sending.key for sending in sent if sending is not None]


def forget(connection: Connection, before: int, limit: int) -> bool:
    """Remove some ``limit`` of what was sent before ``before``, the oldest; True when that was all of it."""
    oldest = select(sendings.c.at).where(sendings.c.at < before).order_by(sendings.c.at).limit(limit)
    times = connection.execute(oldest).scalars().all()
    if times:
        connection.execute(delete(sendings).where(sendings.c.at <= times[-1]))
    return len(times) < limit


def _sift(changes: Sequence[Change], known: Mapping[str, Known]) -> Sifted:
    new: list[Change] = []
    answers: list[Result | _Twin | None] = []
    first: dict[str, int] = {}
    for change in changes:
        answer: Result | _Twin | None = None
        if isinstance(change, Append | Recall) and change.sending is not None:
            key = change.sending.key
            if (found := known.get(key)) is not None:
                answer = _sent_before(change, found)
            elif key in first:
                answer = _Twin(change, first[key])
            elif isinstance(change, Recall):
                answer = change.refusal
            else:
                first[key] = len(new)
        answers.append(answer)
        if answer is None:
            new.append(change)
    return Sifted(new, answers)


def _sent_before(again: Append | Recall, known: Known) -> Sent:
    same = again.sending is not None and again.sending.digest == known.digest
    return Sent(known.room, known.seq, known.at, same, known.there is None, _spared(again))


def _shared(again: Append | Recall, first: Change, result: Result) -> Result:
    """Return what is told of a change that repeats the ``first`` of its batch, which gave ``result``."""
    if isinstance(result, Entry):
        assert isinstance(first, Append)
        same = first.sending is not None and first.sending == again.sending
        return Sent(result.draft.room, result.seq, result.draft.at, same, False, _spared(again))
    return again.refusal if isinstance(again, Recall) else result


def _spared(again: Append | Recall) -> Draft | None:
    return again.draft if isinstance(again, Append) else None
