"""The truth after a failure: nothing lost that was acknowledged, nothing twice, no number skipped."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

from tcpchat.core.entries import Entry, RoomId
from tcpchat.core.requests import Change, Deleted
from tcpchat.errors import StartError
from tcpchat.store.database import prepare
from tcpchat.store.log import Outcome
from tests.store.material import (
    CELLAR,
    GARDEN,
    KITCHEN,
    ON_SERVERS,
    SERVER_AWAY,
    Store,
    create,
    direct,
    remove,
    say,
    told,
    unfit,
)

FAILED = "store-failed"


def shown(*outcomes: Outcome) -> list[int | str]:
    """Return what is published of the batches, in its order."""
    return [one for outcome in outcomes for one in told([*outcome.late, *outcome.supplies]) if one != FAILED]


def cut(store: Store) -> Callable[..., None]:
    return lambda *_: store.database.cut()


def lose_the_answer(store: Store) -> Callable[[Connection], None]:
    """Let the database commit, and the answer never arrive."""

    def commit_and_lose(connection: Connection) -> None:
        dbapi: Any = connection.connection.dbapi_connection
        dbapi.commit()
        if store.database.server is None:
            # A file's connection isn't lost, but what is known after an input/output error is no more.
            raise OperationalError("COMMIT", None, sqlite3.OperationalError("disk I/O error"))
        # The driver must believe that there is something to commit, or it would not even ask the server.
        dbapi.cursor().execute("SELECT 1")
        store.database.cut()

    return commit_and_lose


def lose_everything(store: Store, elsewhere: ExitStack) -> Callable[[Connection], None]:
    """Commit and lose the answer; nobody can ask again until ``elsewhere`` is closed."""
    lose = lose_the_answer(store)

    def commit_and_lose(connection: Connection) -> None:
        lose(connection)
        elsewhere.enter_context(store.database.held())

    return commit_and_lose


@ON_SERVERS
def test_a_connection_lost_between_batches_is_not_noticed(store: Store) -> None:
    store.furnish(GARDEN)
    assert told(store.commit(say(GARDEN, "a")).supplies) == [1]
    store.database.cut()
    assert told(store.commit(say(GARDEN, "b"), say(GARDEN, "c")).supplies) == [2, 3]
    assert store.written(GARDEN) == [(1, "a"), (2, "b"), (3, "c")]
    assert len(store.pauses) == 1


@ON_SERVERS
@pytest.mark.parametrize("moment", ["UPDATE rooms", "INSERT INTO entries", "UPDATE batches", "COMMIT"])
def test_a_connection_lost_before_the_commit_costs_a_retry(store: Store, moment: str) -> None:
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "a"))
    if moment == "COMMIT":
        store.at_next_commit(cut(store))
    else:
        store.at_next(moment, cut(store))
    assert store.commit(*(say(GARDEN, words) for words in "bc")).late == []
    assert store.pauses
    after = store.commit(say(GARDEN, "d"))
    assert (told(after.supplies), after.late) == ([4], [])
    assert store.written(GARDEN) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


@ON_SERVERS
def test_an_answer_lost_after_the_commit_is_read_back(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    store.commit(say(GARDEN, "a"))
    store.at_next_commit(lose_the_answer(store))
    outcome = store.commit(say(GARDEN, "b"), say(KITCHEN, "x"), say(CELLAR, "nowhere"), say(GARDEN, "c"))
    assert told(outcome.supplies) == [2, 1, "no-such-room", 3]
    assert outcome.late == []
    assert len(store.pauses) == 1
    assert store.written(GARDEN) == [(1, "a"), (2, "b"), (3, "c")]
    assert store.written(KITCHEN) == [(1, "x")]


@ON_SERVERS
def test_a_batch_that_was_read_back_is_not_told_again_with_the_next(store: Store) -> None:
    store.furnish(GARDEN)
    store.at_next_commit(lose_the_answer(store))
    first = store.commit(say(GARDEN, "a"))
    second, third = store.commit(say(GARDEN, "b")), store.commit(say(GARDEN, "c"))
    assert shown(first, second, third) == [1, 2, 3]
    assert store.written(GARDEN) == [(1, "a"), (2, "b"), (3, "c")]


@ON_SERVERS
def test_rooms_and_deletions_are_read_back_too(store: Store) -> None:
    store.furnish(GARDEN)
    store.at_next_commit(lose_the_answer(store))
    talk = direct(300)
    created = store.commit(create(KITCHEN, "kitchen"), say(talk.id, "psst", opens=talk))
    assert told(created.supplies) == ["+kitchen", 1]
    store.at_next_commit(lose_the_answer(store))
    assert told(store.commit(remove(GARDEN)).supplies) == ["-garden"]
    assert told(store.commit(say(GARDEN, "late"), say(talk.id, "psst", opens=talk)).supplies) == ["no-such-room", 2]
    assert store.rows(talk.id) == 1


@ON_SERVERS
def test_the_answer_of_a_half_is_read_back(store: Store) -> None:
    store.furnish(GARDEN)
    store.at_next_commit(lose_the_answer(store))
    outcome = store.commit(say(GARDEN, "a"), say(GARDEN, "b"), unfit(GARDEN), say(GARDEN, "c"))
    assert told(outcome.supplies) == [1, 2, FAILED, 3]
    assert outcome.late == []
    assert store.written(GARDEN) == [(1, "a"), (2, "b"), (3, "c")]


def test_an_end_that_nobody_knows_comes_to_light_with_the_next_batch(store: Store) -> None:
    """The authors were told that it failed; when it turns out to be there, everybody is shown it first."""
    store.furnish(GARDEN, KITCHEN)
    said: list[Change] = [say(GARDEN, "a"), say(CELLAR, "nowhere"), say(GARDEN, "b"), create(77, "attic")]
    with ExitStack() as elsewhere:
        store.at_next_commit(lose_everything(store, elsewhere))
        unknown = store.commit(*said)
        assert told(unknown.supplies) == [FAILED] * 4
        assert unknown.late == []
    store.database.wait_until_left()
    found = store.commit(say(GARDEN, "c"))
    assert told(found.late) == [1, 2, "+attic"]
    assert told(found.supplies) == [3]
    after = store.commit(say(GARDEN, "d"))
    assert (after.late, told(after.supplies)) == ([], [4])
    assert store.written(GARDEN) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def test_a_deletion_comes_to_light_late(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    with ExitStack() as elsewhere:
        store.at_next_commit(lose_everything(store, elsewhere))
        assert told(store.commit(remove(GARDEN)).supplies) == [FAILED]
    store.database.wait_until_left()
    assert store.commit(say(KITCHEN, "a")).late == [Deleted(GARDEN, "garden")]


def test_what_came_to_light_is_told_once_though_its_finder_has_trouble_too(store: Store) -> None:
    store.furnish(GARDEN)
    with ExitStack() as elsewhere:
        store.at_next_commit(lose_everything(store, elsewhere))
        first = store.commit(say(GARDEN, "a"))
    store.database.wait_until_left()
    if store.database.server is not None:
        store.at_next("INSERT INTO entries", cut(store))
    second = store.commit(say(GARDEN, "b"), unfit(GARDEN), say(GARDEN, "c"))
    assert shown(first, second, store.commit(say(GARDEN, "d"))) == [1, 2, 3, 4]
    assert store.written(GARDEN) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


@ON_SERVERS
def test_an_end_that_nobody_knows_and_that_was_none_leaves_nothing(store: Store) -> None:
    store.furnish(GARDEN)
    with ExitStack() as elsewhere:

        def lose(connection: Connection) -> None:
            store.database.cut()
            elsewhere.enter_context(store.database.held())

        store.at_next_commit(lose)
        assert told(store.commit(say(GARDEN, "a"), say(GARDEN, "b")).supplies) == [FAILED] * 2
    store.database.wait_until_left()
    after = store.commit(say(GARDEN, "c"))
    assert (after.late, told(after.supplies)) == ([], [1])
    assert store.written(GARDEN) == [(1, "c")]


@pytest.mark.parametrize("lost", [1, 2, 3, 4, 5])
def test_what_is_shown_is_shown_in_the_order_of_its_numbers(store: Store, lost: int) -> None:
    """A batch of several transactions, of which one ends unknown: what comes to light belongs before the rest."""
    store.furnish(GARDEN, KITCHEN, CELLAR)
    with ExitStack() as elsewhere:
        commits: list[Connection] = []

        def one_of_them(connection: Connection) -> None:
            commits.append(connection)
            if len(commits) == lost:
                lose_everything(store, elsewhere)(connection)

        # A lost server is back, and free to be held again, after the last pause.
        store.in_a_pause = lambda: None if len(store.pauses) < 3 else _give_back(store, elsewhere)
        event.listen(store.writing, "commit", one_of_them)
        first = store.commit(
            say(GARDEN, "a"), remove(KITCHEN), say(GARDEN, "b"), say(GARDEN, "c"), remove(CELLAR), say(GARDEN, "d")
        )
    event.remove(store.writing, "commit", one_of_them)
    store.close()
    store.database.wait_until_left()
    second = store.commit(say(GARDEN, "e"))
    outcomes = [*first.late, *first.supplies, *second.late, *second.supplies]
    entries = [one for one in outcomes if isinstance(one, Entry)]
    assert [(entry.seq, entry.draft.text) for entry in entries] == store.written(GARDEN)


def _give_back(store: Store, elsewhere: ExitStack) -> None:
    elsewhere.close()
    store.database.wait_until_left()


@ON_SERVERS
@SERVER_AWAY
@pytest.mark.usefixtures("forgotten_sockets")
@pytest.mark.parametrize("moment", ["before", "INSERT INTO entries"])
def test_a_server_that_stays_away_fails_the_batch_and_is_used_when_it_is_back(store: Store, moment: str) -> None:
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "a"))
    if moment == "before":
        store.database.host.crash()
    else:
        store.at_next(moment, store.database.host.crash)
    lost = store.commit(say(GARDEN, "b"), say(GARDEN, "c"))
    assert told(lost.supplies) == [FAILED] * 2
    assert all(supply.__cause__ is not None for supply in lost.supplies if isinstance(supply, Exception))
    assert len(store.pauses) == 3
    assert told(store.commit(say(GARDEN, "d")).supplies) == [FAILED]
    store.database.host.start()
    after = store.commit(say(GARDEN, "e"))
    assert (after.late, told(after.supplies)) == ([], [2])
    assert store.written(GARDEN) == [(1, "a"), (2, "e")]


@ON_SERVERS
@SERVER_AWAY
@pytest.mark.usefixtures("forgotten_sockets")
def test_a_lost_server_is_waited_for_once_however_many_transactions_a_batch_has(store: Store) -> None:
    """The whole batch fails: its authors are not to wait for every deletion in it."""
    store.furnish(GARDEN, KITCHEN)
    store.database.host.crash()
    batch: list[Change] = [say(GARDEN, "a"), remove(KITCHEN), say(GARDEN, "b"), remove(KITCHEN), say(GARDEN, "c")]
    assert told(store.commit(*batch).supplies) == [FAILED] * 5
    assert len(store.pauses) == 3
    store.database.host.start()
    assert told(store.commit(say(GARDEN, "d")).supplies) == [1]


@ON_SERVERS
@SERVER_AWAY
@pytest.mark.usefixtures("forgotten_sockets")
@pytest.mark.parametrize("committed", [False, True])
def test_a_server_that_restarts_within_the_pauses_is_not_noticed(store: Store, committed: bool) -> None:
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "a"))
    server = store.database.host

    def crash(connection: Connection) -> None:
        if committed:
            dbapi: Any = connection.connection.dbapi_connection
            dbapi.commit()
            dbapi.cursor().execute("SELECT 1")
        server.crash()

    store.at_next_commit(crash)
    store.in_a_pause = lambda: server.start() if len(store.pauses) == 2 else None
    outcome = store.commit(say(GARDEN, "b"), say(GARDEN, "c"))
    assert (outcome.late, told(outcome.supplies)) == ([], [2, 3])
    after = store.commit(say(GARDEN, "d"))
    assert (after.late, told(after.supplies)) == ([], [4])
    assert store.written(GARDEN) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]


def impatient(dbapi: Any, record: Any) -> None:
    """Let a new connection wait for a lock only shortly."""
    statement = {
        "sqlite3": "PRAGMA busy_timeout = 20",
        "psycopg": "SET lock_timeout = '20ms'",
        "pymysql": "SET SESSION innodb_lock_wait_timeout = 1",
    }
    cursor = dbapi.cursor()
    cursor.execute(statement[type(dbapi).__module__.split(".")[0]])
    cursor.close()
    dbapi.commit()


def test_a_lock_fails_the_whole_batch_and_leaves_no_hole(store: Store) -> None:
    event.listen(store.writing, "connect", impatient)
    store.furnish(GARDEN, KITCHEN)
    store.commit(say(GARDEN, "a"), say(KITCHEN, "x"))
    with store.database.open(writer=True).connect() as other, other.begin():
        other.execute(text("UPDATE rooms SET topic = 'held' WHERE id = :room"), {"room": GARDEN})
        outcome = store.commit(say(KITCHEN, "y"), say(GARDEN, "b"), create(77, "attic"), say(KITCHEN, "z"))
        assert told(outcome.supplies) == [FAILED] * 4
        assert all(
            isinstance(supply.__cause__, DBAPIError) for supply in outcome.supplies if isinstance(supply, Exception)
        )
    after = store.commit(say(GARDEN, "c"), say(KITCHEN, "w"))
    assert (after.late, told(after.supplies)) == ([], [2, 2])
    assert store.written(GARDEN) == [(1, "a"), (2, "c")]
    assert store.written(KITCHEN) == [(1, "x"), (2, "w")]
    assert store.rows(RoomId(77)) == 0
    assert store.pauses == []


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_full_disk_fails_the_whole_batch_and_leaves_no_hole(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "a"))

    def shrink(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    event.listen(store.writing, "begin", shrink)
    outcome = store.commit(say(GARDEN, "b"), say(GARDEN, "c" * 100_000), say(GARDEN, "d"))
    assert told(outcome.supplies) == [FAILED] * 3
    assert "full" in str(outcome.supplies[0].__cause__)  # type: ignore[union-attr]
    event.remove(store.writing, "begin", shrink)
    assert told(store.commit(say(GARDEN, "e")).supplies) == [2]
    assert store.written(GARDEN) == [(1, "a"), (2, "e")]


@ON_SERVERS
def test_while_another_holds_the_database_nothing_is_written(store: Store) -> None:
    store.furnish(GARDEN)
    store.close()
    store.database.wait_until_left()
    with store.database.held():
        assert told(store.commit(say(GARDEN, "a")).supplies) == [FAILED]
        assert len(store.pauses) == 3
    store.database.wait_until_left()
    assert told(store.commit(say(GARDEN, "b")).supplies) == [1]
    assert store.written(GARDEN) == [(1, "b")]


@ON_SERVERS
def test_a_connection_lost_while_purging_is_opened_anew_and_held(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    store.commit(say(GARDEN, "a"), say(GARDEN, "b"), remove(GARDEN))
    store.database.cut()
    with pytest.raises(DBAPIError):
        store.writer.purge(GARDEN, 1)
    assert told(store.commit(say(KITCHEN, "x")).supplies) == [1]
    with pytest.raises(StartError, match="another daemon"):
        prepare(store.database.open())
    assert not store.writer.purge(GARDEN, 9)
    assert store.writer.purge(GARDEN, 9)


@ON_SERVERS
def test_what_was_acknowledged_outlives_a_crash_of_the_server(store: Store) -> None:
    store.furnish(GARDEN)
    for number in range(1, 31):
        assert told(store.commit(say(GARDEN, f"{number}")).supplies) == [number]
    store.database.host.crash()
    store.database.host.start()
    assert store.written(GARDEN) == [(number, f"{number}") for number in range(1, 31)]


def test_a_probe_commits_a_batch_of_nothing(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "a"))
    commits: list[Connection] = []
    event.listen(store.writing, "commit", commits.append)
    probed = store.writer.probe()
    assert (probed.supplies, probed.late, probed.failure) == ([], [], None)
    assert len(commits) == 1
    assert told(store.commit(say(GARDEN, "b")).supplies) == [2]
    assert store.written(GARDEN) == [(1, "a"), (2, "b")]


def test_an_end_that_nobody_knows_comes_to_light_with_a_probe(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    with ExitStack() as elsewhere:
        store.at_next_commit(lose_everything(store, elsewhere))
        unknown = store.commit(say(GARDEN, "a"), say(CELLAR, "nowhere"), say(GARDEN, "b"))
        assert isinstance(unknown.failure, Exception)
    store.database.wait_until_left()
    assert told(store.writer.probe().late) == [1, 2]
    again = store.writer.probe()
    assert (again.late, again.failure) == ([], None)
    after = store.commit(say(GARDEN, "c"))
    assert (after.late, told(after.supplies)) == ([], [3])
    assert store.written(GARDEN) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_probe_of_a_database_that_is_held_fails_at_once(store: Store) -> None:
    event.listen(store.writing, "connect", impatient)
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "a"))
    with store.database.open(writer=True).connect() as other, other.begin():
        other.execute(text("UPDATE batches SET number = number + 100"))
        assert store.writer.probe().failure is not None
        assert store.pauses == []
        other.rollback()
    # A server notices late that the failed one's connection is closed, and who holds the database is one only.
    store.database.wait_until_left()
    assert store.writer.probe().failure is None
    assert told(store.commit(say(GARDEN, "b")).supplies) == [2]
