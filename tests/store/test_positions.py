"""How far accounts have read: kept with what they read, found again at the next login."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tcpchat.core.entries import Draft, Kind, PersonId, RoomId, RoomRecord, Seq
from tcpchat.core.positions import Marker, Markers
from tcpchat.core.requests import (
    Append,
    Enact,
    ReadDirect,
    ReadDirects,
    ReadNews,
    SaveAccount,
    StoredDirect,
    StoredDirects,
    StoredNews,
)
from tcpchat.store.positions import load_positions, read_direct, read_directs, read_news
from tcpchat.store.schema import positions
from tests.store.material import ANNA, GARDEN, KITCHEN, NOW, Store, remove, say, told
from tests.store.test_accounts import account, deleted

BOB, CARL = PersonId(2**63 - 1), PersonId(503)
FIRST, SECOND = RoomId(101), RoomId(102)


def tell(where: RoomId, other: PersonId, words: str, *, at: int = NOW, by: PersonId = ANNA) -> Append:
    """Return what anna, or somebody else, says to somebody with an account."""
    record = RoomRecord(where, f"{by}+{other}", f"@{where:016x}", True, Seq(0), 7, "", ANNA, NOW)
    return Append(Draft(where, at, by, "anna", None, Kind.MESSAGE, words), record, readers=(by, other))


def keep(*kept: Marker, gone: tuple[tuple[PersonId, RoomId], ...] = ()) -> Enact:
    return Enact(None, (Markers(kept, gone),))


def news(store: Store, whose: PersonId, limit: int = 10) -> StoredNews:
    with store.reading.connect() as connection:
        return read_news(connection, ReadNews(whose, limit))


def direct(store: Store, where: RoomId, whose: PersonId) -> StoredDirect:
    with store.reading.connect() as connection:
        return read_direct(connection, ReadDirect(where, whose))


def new(store: Store, whose: PersonId, limit: int = 10) -> list[tuple[RoomId, int, int]]:
    found = news(store, whose, limit)
    return [(one.room, one.record.head if one.record else 0, one.seq or 0) for one in found.directs]


def places(store: Store) -> set[tuple[int, int]]:
    with store.reading.connect() as connection:
        return {(row.account, row.room) for row in connection.execute(select(positions))}


def test_markers_come_back_as_they_were(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    first = Marker(ANNA, GARDEN, Seq(2**62), (Seq(2**62 + 1), Seq(2**62 + 5)))
    second = Marker(BOB, GARDEN, Seq(0))
    assert told(store.commit(keep(first, second)).supplies) == []
    assert sorted(load_positions(store.reading), key=lambda one: one.account) == [first, second]
    moved = Marker(ANNA, GARDEN, Seq(2**62 + 3), (Seq(2**62 + 5),))
    other = Marker(ANNA, KITCHEN, Seq(4))
    store.commit(keep(moved, other, gone=((BOB, GARDEN), (CARL, KITCHEN))))
    assert sorted(load_positions(store.reading), key=lambda one: one.room) == [moved, other]
    store.close()


def test_many_markers_are_stored_at_once(store: Store) -> None:
    store.furnish(GARDEN)
    many = [Marker(PersonId(number), GARDEN, Seq(number)) for number in range(1, 501)]
    for _ in range(2):
        store.commit(keep(*many))
    assert sorted(load_positions(store.reading), key=lambda one: one.account) == many
    store.close()


def test_a_deleted_room_takes_its_markers_along(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    store.commit(keep(Marker(ANNA, GARDEN, Seq(1)), Marker(ANNA, KITCHEN, Seq(1))))
    store.commit(remove(GARDEN))
    assert places(store) == {(ANNA, KITCHEN)}
    store.commit(keep(Marker(BOB, GARDEN, Seq(1))))  # it was under way
    assert [one.room for one in load_positions(store.reading)] == [KITCHEN]
    store.close()


def test_a_deleted_account_takes_its_markers_along(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(SaveAccount(account(ANNA, "anna")), SaveAccount(account(CARL, "carl")))
    store.commit(keep(Marker(ANNA, GARDEN, Seq(1)), Marker(CARL, GARDEN, Seq(1))))
    store.commit(deleted(account(ANNA, "anna"), NOW + 1))
    assert places(store) == {(CARL, GARDEN)}
    store.close()


def test_what_is_said_waits_with_its_first_word(store: Store) -> None:
    assert told(store.commit(tell(FIRST, BOB, "one"), tell(FIRST, BOB, "two")).supplies) == [1, 2]
    assert new(store, BOB) == [(FIRST, 2, 0)]
    store.commit(keep(Marker(BOB, FIRST, Seq(1))))
    # Whoever does not know that it is stored says so again: the marker stays.
    assert told(store.commit(tell(FIRST, BOB, "three")).supplies) == [3]
    assert new(store, BOB) == [(FIRST, 3, 1)]
    store.commit(keep(Marker(BOB, FIRST, Seq(3))))
    assert new(store, BOB) == []
    assert load_positions(store.reading) == []  # only public rooms are asked for at start
    store.close()


def test_the_latest_conversations_are_told_first(store: Store) -> None:
    store.commit(tell(FIRST, BOB, "one", at=NOW), tell(SECOND, BOB, "two", at=NOW + 1, by=CARL))
    store.commit(tell(RoomId(103), CARL, "to another", at=NOW + 2), say(FIRST, "three"))
    found = news(store, BOB, 1)
    assert ([one.room for one in found.directs], found.more) == ([SECOND], True)
    assert (len(news(store, BOB, 2).directs), news(store, BOB, 2).more) == (2, False)
    store.close()


def test_a_conversation_is_found_with_one_s_own_marker(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(tell(FIRST, BOB, "one"), keep(Marker(ANNA, FIRST, Seq(1))))
    found = direct(store, FIRST, ANNA)
    assert found.record is not None
    assert (found.record.key, found.record.head, found.seq) == (f"{ANNA}+{BOB}", 1, 1)
    assert direct(store, FIRST, BOB).seq == 0
    assert direct(store, FIRST, CARL).seq is None
    for missing in (GARDEN, RoomId(104)):
        assert direct(store, missing, ANNA) == StoredDirect(missing, None)
    store.close()


def test_several_conversations_are_found_at_once(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(tell(FIRST, BOB, "one"), tell(SECOND, BOB, "two", by=CARL), keep(Marker(BOB, FIRST, Seq(1))))
    with store.reading.connect() as connection:
        found = read_directs(connection, ReadDirects((FIRST, SECOND, GARDEN, RoomId(104)), BOB)).directs
        assert {(one.room, one.seq) for one in found} == {(FIRST, 1), (SECOND, 0)}
        assert read_directs(connection, ReadDirects((RoomId(104),), BOB)) == StoredDirects(())
    store.close()


@pytest.mark.parametrize("readers", [(), (ANNA, BOB)])
def test_only_accounts_have_markers(store: Store, readers: tuple[PersonId, ...]) -> None:
    begun = tell(FIRST, BOB, "one")
    store.commit(Append(begun.draft, begun.opens, readers=readers))
    assert places(store) == {(reader, FIRST) for reader in readers}
    store.close()
