"""Appending to the log: one transaction per batch, numbers taken inside it, and the truth after a failure."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from tcpchat.core.entries import Entry, Kind, RoomId, RoomRecord, Sent, Seq
from tcpchat.core.requests import (
    Append,
    Change,
    Committed,
    CreateRoom,
    Deleted,
    DeleteRoom,
    ForgetSendings,
    Recall,
    Result,
)
from tcpchat.errors import ChatError, Code
from tcpchat.store.changes import Removed, RowChange, apply, refused, result
from tcpchat.store.database import HeldElsewhere, hold, release
from tcpchat.store.driver import DriverStatement, driver_cursor
from tcpchat.store.order import forget_room
from tcpchat.store.positions import begin
from tcpchat.store.rooms import room_row
from tcpchat.store.schema import batches, entries, rooms
from tcpchat.store.sendings import Sendings, Sifted, forget, sendings_of

# Until several daemons share a log there is one node.
NODE = 1
# Pauses before trying a batch again after the server was lost; after the last the authors are told.
_RETRY_SECONDS = (0.1, 0.4, 1.0)

# What the database, its driver before it or the rules of accounts have against one change. A text with half a surrogate
# pair is the driver's.
_BAD_DATA = (IntegrityError, DataError, UnicodeError, OverflowError, ChatError)

# Looking a member up in its enumeration takes a while, and this is asked for every entry.
_TOPIC = Kind.TOPIC

Heads = dict[RoomId, int]

# Beside the heads in the row of a batch: the credentials that its changes removed, for each of those that do.
_REMOVED = "removed"


class Outcome(msgspec.Struct, frozen=True):
    """What became of a batch: one supply per change, in order.

    ``late`` holds changes of an earlier batch whose authors were told that its end isn't known;
    they turned out to be committed and come before these. ``failure`` is what the database failed with, if it did:
    not what it has against the data of a change.
    """

    supplies: list[Result]
    late: list[Committed]
    failure: Exception | None = None


class LogWriter:
    """The one writer of the log. Used from one thread; keeps one connection."""

    def __init__(self, engine: Engine, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._engine = engine
        self._sleep = sleep
        self._connection: Connection | None = None
        self._number = 0
        self._unresolved: Sequence[Change] = ()
        # What of the last batch only repeated something.
        self._sifted: Sifted | None = None
        self._advance = DriverStatement(
            update(rooms)
            .where(rooms.c.id == bindparam("room"), rooms.c.deleted.is_(None))
            .values(head=rooms.c.head + bindparam("count")),
            ("room", "count"),
            engine,
        )
        self._insert = DriverStatement(insert(entries), entries.c.keys(), engine)
        self._mark = DriverStatement(
            update(batches)
            .where(batches.c.node == bindparam("this_node"))
            .values(number=bindparam("this_number"), heads=bindparam("these_heads")),
            ("this_node", "this_number", "these_heads"),
            engine,
        )
        self._heads = cache(self._compile_heads)
        self._sendings = Sendings(engine)

    def commit(self, changes: Sequence[Change]) -> Outcome:
        """Commit ``changes`` in their order, in one transaction where a database allows it. Never raises.

        A change that is refused for its data gets a `ChatError` of its own and leaves the others
        untouched. Any other failure gives every change of its transaction ``store-failed``, with the
        database's error as the cause.
        """
        late: list[Committed] = []
        supplies: list[Result] = []
        failure: Exception | None = None
        try:
            for run in _runs(changes):
                self._commit_run(run, supplies, late)
        except (DBAPIError, HeldElsewhere) as error:
            # Nothing more is tried: what turned out later to be committed must not come before its elders,
            # and nobody waits for a lost server once per transaction.
            supplies += [_failed(change, error) for change in changes[len(supplies) :]]
            failure = error
        return Outcome(supplies, late, failure)

    def probe(self) -> Outcome:
        """Commit a batch of nothing, without a second try, to find out whether the database can. Never raises.

        What an earlier batch with an unknown end has committed comes to light with it, as ``late``, also if the
        database fails after that.
        """
        late: list[Committed] = []
        try:
            connection = self._connect()
            late += [change for change in self._resolve(connection) if not isinstance(change, ChatError | Sent)]
            self._unresolved = ()
            # A number that changes: what stays as it is would not be written at all.
            self._number += 1
            with connection.begin(), driver_cursor(connection) as cursor:
                self._mark.run(cursor, [(NODE, self._number, "{}")])
        except (DBAPIError, HeldElsewhere) as error:
            self._discard_connection()
            return Outcome([], late, error)
        return Outcome([], late)

    def open(self) -> None:
        """Connect, and hold the database against other daemons. Raises DBAPIError or `HeldElsewhere`."""
        self._connect()

    def purge(self, room: RoomId, limit: int) -> bool:
        """Remove up to ``limit`` entries of a deleted room; True when the room itself is gone too.

        Raises DBAPIError.
        """
        with self._purging() as connection:
            oldest = select(entries.c.seq).where(entries.c.room == room).order_by(entries.c.seq).limit(limit)
            numbers = connection.execute(oldest).scalars().all()
            if numbers:
                old = (entries.c.room == room) & (entries.c.seq <= numbers[-1])
                connection.execute(delete(entries).where(old))
            else:
                connection.execute(delete(rooms).where(rooms.c.id == room, rooms.c.deleted.is_not(None)))
        return not numbers

    def forget(self, before: int, limit: int) -> bool:
        """Remove some ``limit`` of what was sent before ``before``; True when that was all. Raises DBAPIError."""
        with self._purging() as connection:
            return forget(connection, before, limit)

    def close(self) -> None:
        """Give the database and the connection back."""
        if self._connection is not None:
            with suppress(DBAPIError):  # a lost connection holds nothing
                release(self._connection)
            self._connection.close()
            self._connection = None

    @contextmanager
    def _purging(self) -> Iterator[Connection]:
        try:
            with self._connect().begin() as transaction:
                yield transaction.connection
        except DBAPIError:
            # SQLAlchemy would open it anew by itself, without holding the database.
            self._discard_connection()
            raise

    def _commit_run(self, changes: Sequence[Change], supplies: list[Result], late: list[Committed]) -> None:
        """Commit one transaction's worth; a batch with bad data is halved until the bad change stands alone."""
        try:
            supplies += self._commit_whole(changes, late)
        except _BAD_DATA as error:
            if len(changes) == 1:
                supplies.append(_refused(changes[0], error))
                return
        else:
            return
        middle = len(changes) // 2
        self._commit_run(changes[:middle], supplies, late)
        self._commit_run(changes[middle:], supplies, late)

    def _commit_whole(self, changes: Sequence[Change], late: list[Committed]) -> list[Result]:
        """Commit all of ``changes`` or nothing; a lost server is tried again before that is an error."""
        for delay in (*_RETRY_SECONDS, None):
            connection: Connection | None = None
            try:
                connection = self._connect()
                settled = self._resolve(connection)
                if settled and self._unresolved is changes:  # committed, and the answer was lost
                    self._unresolved = ()
                    return settled
                late += [change for change in settled if not isinstance(change, ChatError | Sent)]
                self._number += 1
                self._unresolved = changes
                results = self._write(connection, changes)
            except _BAD_DATA:
                self._unresolved = ()
                raise
            except (DBAPIError, HeldElsewhere) as error:
                self._discard_connection()
                if delay is None or not self._is_lost(connection, error):
                    raise
                self._sleep(delay)
            else:
                self._unresolved = ()
                return results
        raise AssertionError("the last turn of the loop returns or raises")

    def _is_lost(self, connection: Connection | None, error: Exception) -> bool:
        """Whether it is the server that failed, which may come back; a file that can't be opened is no server."""
        if connection is None:
            return self._engine.dialect.name != "sqlite"
        return bool(getattr(error, "connection_invalidated", False))

    def _resolve(self, connection: Connection) -> list[Result]:
        """Return what the batch with an unknown end gave if it was committed, else nothing."""
        if not self._unresolved:
            return []
        row = connection.execute(select(batches.c.number, batches.c.heads).where(batches.c.node == NODE)).one()
        connection.rollback()
        if row.number != self._number:
            return []
        record = json.loads(row.heads)
        removed: list[Removed] = record.pop(_REMOVED, [])
        heads = {RoomId(int(room)): int(head) for room, head in record.items()}
        new = self._unresolved if self._sifted is None else self._sifted.new
        counts, *_ = _needs(new)
        results = _results(new, counts, heads, removed)
        return results if self._sifted is None else self._sifted.merge(results)

    def _write(self, connection: Connection, changes: Sequence[Change]) -> list[Result]:
        """Write one batch and commit it; return what each change gave."""
        with connection.begin():
            if isinstance(changes[0], DeleteRoom):
                self._delete(connection, changes[0])
            self._sifted = None
            counts, wanted, topics, concerning, sending = _needs(changes)
            if sending:
                with driver_cursor(connection) as cursor:
                    self._sifted = self._sendings.sift(cursor, changes, sendings_of(changes))
                changes = self._sifted.new
                counts, wanted, topics, concerning, _ = _needs(changes)
            if wanted:
                self._create(connection, wanted)
                for change in changes:
                    if isinstance(change, Append) and change.readers:
                        begin(connection, change.draft.room, change.readers)
            # Before the numbers are taken: nothing of them is shared with the log, and they may be refused.
            removed = apply(connection, concerning) if concerning else ()
            with driver_cursor(connection) as cursor:
                heads = self._take_numbers(cursor, counts) if counts else {}
                results = _results(changes, counts, heads, removed)
                rows = [_row(result) for result in results if type(result) is Entry]
                if rows:
                    self._insert.run(cursor, rows)
                if sending:
                    self._sendings.keep(cursor, changes, results)
                record = json.dumps({**heads, _REMOVED: removed} if removed else heads)
                self._mark.run(cursor, [(NODE, self._number, record)])
            for room, topic in topics.items():  # their rows are ours since the numbers were taken
                connection.execute(update(rooms).where(rooms.c.id == room).values(topic=topic))
        return results if self._sifted is None else self._sifted.merge(results)

    def _create(self, connection: Connection, wanted: dict[RoomId, RoomRecord]) -> None:
        """Insert the rooms that aren't there."""
        known = connection.execute(select(rooms.c.id).where(rooms.c.id.in_(sorted(wanted)))).scalars().all()
        absent = [room_row(record) for room, record in wanted.items() if room not in known]
        if absent:
            connection.execute(insert(rooms), absent)

    def _take_numbers(self, cursor: Any, counts: Counter[RoomId]) -> Heads:
        """Advance the heads of the rooms that are appended to, and return them; a deleted room has none.

        Rooms go in the order of their ids, so that nodes can't deadlock.
        """
        ids = sorted(counts)
        self._advance.run(cursor, [(room, counts[room]) for room in ids])
        places = 1 << (len(ids) - 1).bit_length()
        return dict(self._heads(places).fetch(cursor, ids + ids[-1:] * (places - len(ids))))

    def _compile_heads(self, places: int) -> DriverStatement:
        """Return what reads the heads of so many rooms. Only powers of two are asked for, so that there are few."""
        names = [f"room{place}" for place in range(places)]
        wanted = rooms.c.id.in_([bindparam(name) for name in names])
        return DriverStatement(
            select(rooms.c.id, rooms.c.head).where(wanted, rooms.c.deleted.is_(None)), names, self._engine
        )

    def _delete(self, connection: Connection, change: DeleteRoom) -> None:
        gone = update(rooms).where(rooms.c.id == change.room)
        connection.execute(gone, {"key": None, "deleted": change.at})
        forget_room(connection, change.room)

    def _connect(self) -> Connection:
        """Return the connection, opened and held when it is new. Raises DBAPIError or `HeldElsewhere`."""
        if self._connection is None:
            connection = self._engine.connect()
            try:
                if not hold(connection):
                    raise HeldElsewhere("another daemon is using the database")
                number = connection.execute(select(batches.c.number).where(batches.c.node == NODE)).scalar()
                if number is None:
                    connection.execute(insert(batches), {"node": NODE, "number": 0, "heads": "{}"})
                connection.commit()
            except BaseException:
                connection.invalidate()
                raise
            if not self._unresolved:
                self._number = number or 0
            self._connection = connection
        return self._connection

    def _discard_connection(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection = None


def _runs(changes: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """Split a batch so that each deletion stands alone: what comes before it must be written before it."""
    if DeleteRoom not in set(map(type, changes)):
        if changes:
            yield changes
        return
    start = 0
    for position, change in enumerate(changes):
        if isinstance(change, DeleteRoom):
            if start < position:
                yield changes[start:position]
            yield changes[position : position + 1]
            start = position + 1
    if start < len(changes):
        yield changes[start:]


def _needs(
    changes: Sequence[Change],
) -> tuple[Counter[RoomId], dict[RoomId, RoomRecord], dict[RoomId, str], list[RowChange], bool]:
    """Return how many entries go to each room, the rooms that must be there, the topics and the accounts that change,
    and whether anything is sent under an id.

    Several changes may bring the same room; the last of several topics is it.
    """
    sending = False
    appended: list[RoomId] = []
    wanted: dict[RoomId, RoomRecord] = {}
    topics: dict[RoomId, str] = {}
    concerning: list[RowChange] = []
    for change in changes:
        if type(change) is Append:
            appended.append(change.draft.room)
            if change.draft.kind is _TOPIC:
                topics[change.draft.room] = change.draft.text
            if change.opens is not None:
                wanted[change.opens.id] = change.opens
            if change.sending is not None:
                sending = True
        elif type(change) is Recall:
            sending = True
        elif type(change) is CreateRoom:
            wanted[change.record.id] = change.record
        elif isinstance(change, RowChange):
            concerning.append(change)
    return Counter(appended), wanted, topics, concerning, sending


def _results(
    changes: Sequence[Change], counts: Counter[RoomId], heads: Heads, removed: Sequence[Removed]
) -> list[Result]:
    """Return what each of the committed ``changes`` gave, counting up to ``heads``."""
    removals = iter(removed)
    last = {room: head - counts[room] for room, head in heads.items()}
    results: list[Result] = []
    for change in changes:
        if type(change) is Append:
            draft = change.draft
            if draft.room in last:
                last[draft.room] = seq = last[draft.room] + 1
                results.append(Entry(Seq(seq), draft))
            else:
                results.append(ChatError(Code.NO_SUCH_ROOM, "The room was deleted."))
        elif type(change) is CreateRoom:
            results.append(change.record)
        elif type(change) is DeleteRoom:
            results.append(Deleted(change.room, change.label))
        elif isinstance(change, RowChange):
            results.append(result(change, removals))
        elif type(change) is ForgetSendings:
            results.append(change)
    return results


def _row(entry: Entry) -> tuple[Any, ...]:
    """Return an entry as a row, its values in the order of the table's columns."""
    draft = entry.draft
    return draft.room, entry.seq, draft.at, draft.author, draft.name, draft.color, int(draft.kind), draft.text


def _refused(change: Change, error: Exception) -> ChatError:
    if isinstance(change, CreateRoom):
        name = change.record.name
        refusal = ChatError(Code.ROOM_EXISTS, f"There is a room called {name} already.", room=name)
    elif isinstance(change, RowChange):
        return refused(error)
    else:
        refusal = ChatError(Code.STORE_FAILED, "The server could not keep this text, so nobody has seen it.")
    refusal.__cause__ = error
    return refusal


def _failed(change: Change, error: Exception) -> ChatError:
    end = "so nothing has changed" if isinstance(change, RowChange) else "so nobody has seen it"
    if isinstance(change, Recall) or (isinstance(change, Append) and change.sending is not None):
        end = "and can't tell whether it was sent before"
    failure = ChatError(Code.STORE_FAILED, f"The server could not keep this just now, {end}. Please try again.")
    failure.__cause__ = error
    return failure
