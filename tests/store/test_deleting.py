"""Deleting: what came before is written, what comes after finds no room, and the log goes away in parts."""

from __future__ import annotations

from tests.store.material import GARDEN, KITCHEN, Store, create, remove, say, told


def test_in_the_middle_of_a_batch(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    outcome = store.commit(
        say(GARDEN, "a"),
        say(KITCHEN, "b"),
        remove(GARDEN),
        say(GARDEN, "too late"),
        say(KITCHEN, "c"),
    )
    assert told(outcome.supplies) == [1, 1, "-garden", "no-such-room", 2]
    assert store.written(GARDEN) == [(1, "a")]
    assert store.written(KITCHEN) == [(1, "b"), (2, "c")]


def test_at_both_ends_of_a_batch(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    outcome = store.commit(remove(GARDEN), say(KITCHEN, "a"), say(GARDEN, "too late"), remove(KITCHEN))
    assert told(outcome.supplies) == ["-garden", 1, "no-such-room", "-kitchen"]


def test_twice_in_a_batch(store: Store) -> None:
    store.furnish(GARDEN)
    assert told(store.commit(remove(GARDEN), remove(GARDEN)).supplies) == ["-garden", "-garden"]
    assert store.rows(GARDEN) == 1


def test_a_head_stands_still_once_the_room_is_deleted(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "a"), remove(GARDEN))
    store.commit(say(GARDEN, "too late"), say(GARDEN, "much too late"))
    assert store.head(GARDEN) == 1
    assert store.written(GARDEN) == [(1, "a")]


def test_the_name_is_free_at_once(store: Store) -> None:
    store.furnish(GARDEN)
    outcome = store.commit(say(GARDEN, "old"), remove(GARDEN), create(77, "garden"), say(GARDEN, "late"))
    assert told(outcome.supplies) == [1, "-garden", "+garden", "no-such-room"]
    # A second deleted room may have no name either.
    assert told(store.commit(remove(KITCHEN), create(78, "garden"), create(79, "cellar")).supplies)[1] == "room-exists"


def test_the_log_is_purged_in_parts_and_the_room_with_the_last(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    store.commit(*(say(GARDEN, f"{n}") for n in range(1, 8)), say(KITCHEN, "stays"), remove(GARDEN))
    left = []
    while not store.writer.purge(GARDEN, 3):
        left.append([seq for seq, _ in store.written(GARDEN)])
        assert store.rows(GARDEN) == 1
    assert left == [[4, 5, 6, 7], [7], []]
    assert store.rows(GARDEN) == 0
    assert store.written(KITCHEN) == [(1, "stays")]


def test_purging_goes_between_batches(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    store.commit(*(say(GARDEN, f"{n}") for n in range(4)), remove(GARDEN))
    done = False
    for turn in range(1, 5):
        assert told(store.commit(say(KITCHEN, f"{turn}")).supplies) == [turn]
        done = store.writer.purge(GARDEN, 2)
    assert done
    assert store.written(GARDEN) == []


def test_a_living_room_outlives_a_purge_without_entries(store: Store) -> None:
    store.furnish(GARDEN)
    assert store.writer.purge(GARDEN, 3)
    assert store.rows(GARDEN) == 1
