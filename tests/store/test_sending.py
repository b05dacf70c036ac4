"""What has an id is written once: in one batch, in several, after failures and restarts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from zlib import crc32

import msgspec
import pytest
from sqlalchemy import event, select

from tcpchat.core.entries import RoomId, RoomRecord, Sending, Sent
from tcpchat.core.requests import Append, Change, ForgetSendings, Recall, Result
from tcpchat.errors import ChatError, Code
from tcpchat.store.schema import sendings
from tests.store.material import (
    CELLAR,
    GARDEN,
    KITCHEN,
    NOW,
    ON_SERVERS,
    SERVER_AWAY,
    Store,
    direct,
    remove,
    say,
    told,
    unfit,
)
from tests.store.test_failures import FAILED, lose_everything, lose_the_answer

MUTED = ChatError(Code.MUTED, "You are muted.")


def send(where: RoomId, words: str, key: str, *, opens: RoomRecord | None = None, at: int = NOW) -> Append:
    """Return an entry that is to be appended once."""
    draft = msgspec.structs.replace(say(where, words).draft, at=at)
    return Append(draft, opens, Sending(key, crc32(words.encode())))


def recall(key: str, words: str) -> Recall:
    """Return the question what was sent under a key, by who would be refused now."""
    return Recall(Sending(key, crc32(words.encode())), MUTED)


def heard(results: Sequence[Result]) -> list[int | str]:
    """Return what authors are told; the number of what was sent before follows ``=``, that of something else ``!``."""
    words: list[int | str] = []
    for one in results:
        if isinstance(one, Sent):
            words.append(("=" if one.same else "!") + ("gone" if one.gone else str(one.seq)))
        else:
            words += told([one])
    return words


def kept(store: Store) -> list[str]:
    """Return the keys that are remembered."""
    with store.reading.connect() as connection:
        return list(connection.execute(select(sendings.c.key).order_by(sendings.c.key)).scalars())


def reopened(store: Store) -> Store:
    """Return the store after a restart."""
    store.close()
    store.database.wait_until_left()
    return Store(store.database)


def test_a_repeat_gets_the_first_number(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    assert heard(store.commit(say(GARDEN, "x"), send(GARDEN, "a", "1"), say(GARDEN, "y")).supplies) == [1, 2, 3]
    again = store.commit(say(GARDEN, "z"), send(GARDEN, "a", "1", at=NOW + 5), send(GARDEN, "b", "2"))
    assert heard(again.supplies) == [4, "=2", 5]
    (sent,) = [one for one in again.supplies if isinstance(one, Sent)]
    assert (sent.room, sent.at) == (GARDEN, NOW)
    assert sent.spared is not None
    assert sent.spared.at == NOW + 5
    assert store.written(GARDEN) == [(1, "x"), (2, "a"), (3, "y"), (4, "z"), (5, "b")]


def test_a_repeat_in_the_same_batch_joins_the_first(store: Store) -> None:
    store.furnish(GARDEN)
    append = send(GARDEN, "a", "1")
    outcome = store.commit(append, say(GARDEN, "b"), append, recall("1", "a"), send(GARDEN, "other", "1"))
    assert heard(outcome.supplies) == [1, 2, "=1", "=1", "!1"]
    assert store.written(GARDEN) == [(1, "a"), (2, "b")]


def test_a_batch_of_repeats_only(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(*(send(GARDEN, f"{number}", f"{number}") for number in range(5)))
    outcome = store.commit(*(send(GARDEN, f"{number}", f"{number}") for number in range(5)), recall("none", "a"))
    assert heard(outcome.supplies) == ["=1", "=2", "=3", "=4", "=5", "muted"]
    assert heard(store.commit(say(GARDEN, "b")).supplies) == [6]


def test_a_full_batch_of_ids(store: Store) -> None:
    store.furnish(GARDEN)
    batch = [send(GARDEN, f"{number}", f"id-{number}") for number in range(1000)]
    assert heard(store.commit(*batch).supplies) == list(range(1, 1001))
    assert heard(store.commit(*batch).supplies) == [f"={number}" for number in range(1, 1001)]


def test_ids_outlive_a_restart(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(send(GARDEN, "a", "1"))
    again = reopened(store)
    assert heard(again.commit(send(GARDEN, "a", "1"), send(GARDEN, "b", "1")).supplies) == ["=1", "!1"]
    again.close()


def test_keys_that_look_alike_are_different(store: Store) -> None:
    store.furnish(GARDEN)
    keys = ["1f5<a>", "1f5<A>", "1f5<a >", "1f5< a>", "1f5<%>", "1f5<_>", "1f5<'>", '1f5<">', "1f5<\\>", "f51<a>"]
    batch = [send(GARDEN, key, key) for key in keys]
    assert heard(store.commit(*batch).supplies) == list(range(1, 11))
    assert heard(store.commit(*batch).supplies) == [f"={number}" for number in range(1, 11)]


def test_a_refused_one_asks_in_its_turn(store: Store) -> None:
    store.furnish(GARDEN)
    outcome = store.commit(recall("1", "a"), send(GARDEN, "a", "1"), recall("1", "a"), recall("2", "b"))
    assert heard(outcome.supplies) == ["muted", 1, "=1", "muted"]


def test_bad_data_leaves_no_id_behind(store: Store) -> None:
    store.furnish(GARDEN)
    bad = Append(unfit(GARDEN).draft, None, Sending("1", 5))
    batch = [send(GARDEN, "a", "2"), bad, send(GARDEN, "a", "2"), bad, say(GARDEN, "b"), send(GARDEN, "c", "3")]
    assert heard(store.commit(*batch).supplies) == [1, FAILED, "=1", FAILED, 2, 3]
    assert kept(store) == ["2", "3"]
    assert heard(store.commit(send(GARDEN, "fit now", "1")).supplies) == [4]


def test_the_room_of_a_repeat_is_not_opened(store: Store) -> None:
    store.furnish(GARDEN)
    first, second = direct(300), direct(301)
    assert heard(store.commit(send(first.id, "psst", "1", opens=first)).supplies) == [1]
    assert heard(store.commit(send(second.id, "psst", "1", opens=second)).supplies) == ["=1"]
    assert (store.rows(first.id), store.rows(second.id)) == (1, 0)


def test_what_was_said_in_a_deleted_room_is_gone(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    batch: list[Change] = [
        send(GARDEN, "a", "1"),
        remove(GARDEN),
        send(GARDEN, "a", "1"),
        send(KITCHEN, "a", "1"),
        recall("1", "a"),
    ]
    assert heard(store.commit(*batch).supplies) == [1, "-garden", "=gone", "=gone", "=gone"]
    while not store.writer.purge(GARDEN, 10):
        pass
    assert heard(store.commit(send(KITCHEN, "a", "1")).supplies) == ["=gone"]
    assert store.written(KITCHEN) == []


def test_in_a_room_that_is_not_there_nothing_is_kept(store: Store) -> None:
    store.furnish(GARDEN)
    assert heard(store.commit(send(CELLAR, "a", "1"), send(CELLAR, "a", "1"), recall("1", "a")).supplies) == [
        "no-such-room",
        "no-such-room",
        "muted",
    ]
    assert kept(store) == []


@pytest.mark.parametrize("moment", ["SELECT sendings", "INSERT INTO sendings", "UPDATE batches", "COMMIT"])
@ON_SERVERS
def test_a_connection_lost_before_the_commit_says_nothing_twice(store: Store, moment: str) -> None:
    store.furnish(GARDEN)
    store.commit(send(GARDEN, "a", "1"))
    if moment == "COMMIT":
        store.at_next_commit(lambda _: store.database.cut())
    else:
        store.at_next(moment, store.database.cut)
    batch: list[Change] = [send(GARDEN, "a", "1"), send(GARDEN, "b", "2"), send(GARDEN, "b", "2")]
    assert heard(store.commit(*batch).supplies) == ["=1", 2, "=2"]
    assert store.pauses
    assert store.written(GARDEN) == [(1, "a"), (2, "b")]


@ON_SERVERS
def test_an_answer_lost_after_the_commit_is_read_back(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    store.commit(send(GARDEN, "a", "1"))
    store.at_next_commit(lose_the_answer(store))
    batch: list[Change] = [
        *(send(GARDEN, "a", "1"), send(KITCHEN, "b", "2"), say(GARDEN, "c"), send(KITCHEN, "b", "2")),
        *(recall("2", "b"), recall("3", "x"), send(CELLAR, "nowhere", "4"), send(GARDEN, "d", "5")),
    ]
    outcome = store.commit(*batch)
    assert (heard(outcome.supplies), outcome.late) == (["=1", 1, 2, "=1", "=1", "muted", "no-such-room", 3], [])
    assert len(store.pauses) == 1
    store.at_next_commit(lose_the_answer(store))
    assert heard(store.commit(send(GARDEN, "a", "1"), send(GARDEN, "d", "5")).supplies) == ["=1", "=3"]
    assert heard(store.commit(say(GARDEN, "e")).supplies) == [4]


def test_who_tries_again_after_an_unknown_end_gets_what_was_committed(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(send(GARDEN, "0", "0"))
    with ExitStack() as elsewhere:
        store.at_next_commit(lose_everything(store, elsewhere))
        unknown = store.commit(send(GARDEN, "0", "0"), send(GARDEN, "a", "1"), send(GARDEN, "a", "1"))
        assert heard(unknown.supplies) == [FAILED] * 3
    store.database.wait_until_left()
    again = store.commit(send(GARDEN, "a", "1"), send(GARDEN, "b", "2"))
    assert (heard(again.late), heard(again.supplies)) == ([2], ["=2", 3])
    assert store.written(GARDEN) == [(1, "0"), (2, "a"), (3, "b")]


@ON_SERVERS
@SERVER_AWAY
@pytest.mark.usefixtures("forgotten_sockets")
def test_who_tries_again_after_a_crash_of_the_server_says_it_once(store: Store) -> None:
    store.furnish(GARDEN)
    store.at_next("INSERT INTO sendings", store.database.host.crash)
    lost = store.commit(send(GARDEN, "a", "1"))
    assert heard(lost.supplies) == [FAILED]
    assert "whether it was sent" in str(lost.supplies[0])
    store.database.host.start()
    assert heard(store.commit(send(GARDEN, "a", "1")).supplies) == [1]
    assert heard(store.commit(send(GARDEN, "a", "1")).supplies) == ["=1"]


def test_old_ones_are_forgotten_bit_by_bit(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(*(send(GARDEN, f"{day}", f"{day}", at=NOW + day) for day in range(10)))
    assert heard(store.commit(ForgetSendings(NOW + 7)).supplies) == []
    assert not store.writer.forget(NOW + 7, 3)
    assert kept(store) == ["3", "4", "5", "6", "7", "8", "9"]
    assert not store.writer.forget(NOW + 7, 3)
    assert store.writer.forget(NOW + 7, 3)
    assert kept(store) == ["7", "8", "9"]
    assert store.writer.forget(NOW + 7, 3)
    assert heard(store.commit(send(GARDEN, "0", "0"), send(GARDEN, "9", "9")).supplies) == [11, "=10"]


def test_a_batch_without_ids_asks_and_writes_nothing_more(store: Store) -> None:
    store.furnish(GARDEN)
    statements: list[str] = []
    event.listen(store.writing, "before_cursor_execute", lambda *execution: statements.append(execution[2]))
    store.at_next("SELECT sendings", lambda: statements.append("SELECT sendings"))
    store.at_next("INSERT INTO sendings", lambda: statements.append("INSERT INTO sendings"))
    store.commit(say(GARDEN, "a"), say(GARDEN, "b"))
    assert [statement for statement in statements if "sendings" in statement] == []
    store.commit(send(GARDEN, "c", "1"))
    assert [statement for statement in statements if "sendings" in statement] != []
