"""Many readers while the writer commits: whole batches or nothing, in order, without holes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier, Event

import pytest
from sqlalchemy import Connection

from tests.store.material import GARDEN, KITCHEN, Store, read, say, told

READERS = 6
BATCHES = 60
LINES = 7
"""Entries per batch: a page that ends elsewhere than at its end has seen what was not committed."""


def test_readers_see_whole_batches_and_never_a_hole(store: Store) -> None:
    store.furnish(GARDEN, KITCHEN)
    ready, over = Barrier(READERS + 1), Event()
    acknowledged = [0]

    def follow(reader: int) -> int:
        """Read whole logs and their newest parts until the writer is done; return how often something was new."""
        ends = [0]
        with store.reading.connect() as connection:
            ready.wait(10)
            while ends[-1] < BATCHES * LINES:
                last = over.is_set()
                promised = acknowledged[0]
                ends.append(check_whole(connection, ends[-1]) if reader % 2 else check_newest(connection, ends[-1]))
                assert ends[-1] >= promised, "what was acknowledged is there for everybody"
                if last:
                    break
        assert ends[-1] == BATCHES * LINES
        return sum(before < after for before, after in pairwise(ends))

    with ThreadPoolExecutor(READERS) as threads:
        following = [threads.submit(follow, reader) for reader in range(READERS)]
        ready.wait(10)
        try:
            for batch in range(BATCHES):
                start = batch * LINES
                # Two rooms, so that a batch has more than one statement of each kind.
                said = [say(place, f"{start + n}") for n in range(1, LINES + 1) for place in (GARDEN, KITCHEN)]
                outcome = store.commit(*said)
                assert told(outcome.supplies) == [start + n for n in range(1, LINES + 1) for _ in (GARDEN, KITCHEN)]
                acknowledged[0] = start + LINES
        finally:
            over.set()
        progress = [thread.result(30) for thread in following]
    # Every reader has looked in between, or nothing was tried.
    assert min(progress) > 3


def check_whole(connection: Connection, known: int) -> int:
    page = read(connection, GARDEN).entries
    assert [entry.seq for entry in page] == list(range(1, len(page) + 1))
    assert [entry.draft.text for entry in page] == [f"{entry.seq}" for entry in page]
    assert len(page) >= known
    assert len(page) % LINES == 0
    return len(page)


def check_newest(connection: Connection, known: int) -> int:
    """Read what is new since ``known``, from its newest end."""
    page = read(connection, KITCHEN, first=known + 1, newest=True).entries
    assert [entry.seq for entry in page] == list(range(known + 1, known + 1 + len(page)))
    assert len(page) % LINES == 0
    return known + len(page)


def test_what_is_written_and_not_yet_committed_is_seen_by_nobody(store: Store) -> None:
    store.furnish(GARDEN)
    store.commit(say(GARDEN, "a"))
    seen: list[tuple[int, int]] = []
    store.at_next("UPDATE batches", lambda: seen.append((store.head(GARDEN), len(store.read(GARDEN)))))
    store.commit(say(GARDEN, "b"), say(GARDEN, "c"))
    assert seen == [(1, 1)]
    assert len(store.read(GARDEN)) == 3


@pytest.mark.parametrize("newest", [False, True])
def test_a_reader_that_is_trimmed_leaves_nothing_behind(store: Store, newest: bool) -> None:
    """A page that ends early must not hold on to what it didn't take: the writer goes on, the reader sees it."""
    store.furnish(GARDEN)
    with store.reading.connect() as connection:
        for turn in range(1, 20):
            assert told(store.commit(say(GARDEN, "word" * 50)).supplies) == [turn]
            page = read(connection, GARDEN, newest=newest, size=500).entries
            assert [entry.seq for entry in page] == list(range(1, turn + 1))[-2:] if newest else [1, 2][:turn]
            assert len(read(connection, GARDEN).entries) == turn
