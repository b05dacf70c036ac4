"""Reading: pages by number, trimmed at the right end and never with a hole; and the rooms at start."""

from __future__ import annotations

import pytest

from tcpchat.core.entries import LOBBY_ID, Kind
from tcpchat.store.reading import load_rooms
from tests.store.material import (
    GARDEN,
    KITCHEN,
    NAMES,
    NOW,
    Store,
    create,
    direct,
    remove,
    room,
    say,
    told,
)


@pytest.fixture
def talk(store: Store) -> Store:
    """Ten entries of ten letters each, and a neighbour's."""
    store.furnish(GARDEN, KITCHEN)
    store.commit(*(say(GARDEN, f"number {n:03}") for n in range(1, 11)), say(KITCHEN, "other"))
    return store


def numbers(store: Store, first: int, last: int, *, newest: bool = False, size: int = 1 << 20) -> list[int]:
    return [entry.seq for entry in store.read(GARDEN, first, last, newest=newest, size=size)]


@pytest.mark.parametrize("newest", [False, True])
def test_a_range(talk: Store, newest: bool) -> None:
    found = {
        (1, 10): range(1, 11),
        (3, 5): range(3, 6),
        (7, 7): range(7, 8),
        (9, 99): range(9, 11),
        (-5, 2): range(1, 3),
        (11, 20): range(0),
        (5, 4): range(0),
    }
    for (first, last), expected in found.items():
        assert numbers(talk, first, last, newest=newest) == list(expected)


def test_the_entries_are_the_rooms_own(talk: Store) -> None:
    (third,) = talk.read(GARDEN, 3, 3)
    assert third.draft == say(GARDEN, "number 003").draft
    assert third.draft.kind is Kind.MESSAGE


def test_a_room_without_entries(store: Store) -> None:
    store.furnish(GARDEN)
    assert store.read(GARDEN) == []


def test_a_page_is_trimmed_at_the_end_that_is_not_wanted(talk: Store) -> None:
    fitting = {100: 10, 99: 9, 30: 3, 29: 2, 10: 1}
    # One entry always fits, or nobody could ever read past it.
    fitting[1] = 1
    for size, count in fitting.items():
        assert numbers(talk, 1, 10, size=size) == list(range(1, count + 1))
        assert numbers(talk, 1, 10, newest=True, size=size) == list(range(11 - count, 11))


@pytest.mark.parametrize("newest", [False, True])
def test_a_small_entry_behind_a_large_one_is_not_taken_out_of_turn(store: Store, newest: bool) -> None:
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "s"), say(GARDEN, "large" * 20), say(GARDEN, "s"))
    assert numbers(store, 1, 3, newest=newest, size=50) == ([3] if newest else [1])


def test_the_size_of_a_page_is_in_bytes(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(*(say(GARDEN, "🦆" * 10) for _ in range(4)))
    assert numbers(store, 1, 4, size=80) == [1, 2]


def test_pages_laid_end_to_end_are_the_log(talk: Store) -> None:
    found: list[int] = []
    while page := numbers(talk, len(found) + 1, 10, size=25):
        found += page
    assert found == list(range(1, 11))


def test_the_lobby_is_created_once(store: Store) -> None:
    records, unfinished = load_rooms(store.reading, epoch=5, now=NOW)
    assert [(one.id, one.name, one.epoch, one.created) for one in records] == [(LOBBY_ID, "lobby", 5, NOW)]
    assert unfinished == []
    assert load_rooms(store.reading, epoch=6, now=NOW + 9) == (records, [])


def test_rooms_come_back_as_they_were_created(store: Store) -> None:
    load_rooms(store.reading, epoch=5, now=NOW)
    wanted = room(20, "Café🦆", epoch=2**53 - 1)
    store.commit(create(20, "Café🦆"), say(GARDEN, "nowhere"))
    (found,) = [one for one in load_rooms(store.reading, epoch=6, now=NOW)[0] if one.id != LOBBY_ID]
    assert (found.key, found.name, found.creator, found.created) == (wanted.key, "Café🦆", wanted.creator, NOW)
    store.commit(*(say(found.id, "word") for _ in range(3)))
    assert {one.id: one.head for one in load_rooms(store.reading, epoch=7, now=NOW)[0]} == {LOBBY_ID: 0, 20: 3}


def test_direct_rooms_are_not_among_the_public_ones(store: Store) -> None:
    load_rooms(store.reading, epoch=5, now=NOW)
    store.commit(say(direct(300).id, "psst", opens=direct(300)))
    records, unfinished = load_rooms(store.reading, epoch=5, now=NOW)
    assert [one.id for one in records] == [LOBBY_ID]
    assert unfinished == []


def test_deleted_rooms_are_to_be_finished_until_they_are_purged(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    store.commit(say(GARDEN, "a"), say(GARDEN, "b"), remove(GARDEN))
    records, unfinished = load_rooms(store.reading, epoch=5, now=NOW)
    assert {one.name for one in records} == {"lobby", NAMES[KITCHEN]}
    assert unfinished == [GARDEN]
    while not store.writer.purge(GARDEN, 1):
        assert load_rooms(store.reading, epoch=5, now=NOW)[1] == [GARDEN]
    assert load_rooms(store.reading, epoch=5, now=NOW)[1] == []
    assert told(store.commit(create(GARDEN, "garden")).supplies) == ["+garden"]
