from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tcpchat.core.entries import Draft, Entry, Kind, PersonId, RoomId, Seq
from tcpchat.core.limits import Limits
from tcpchat.core.tails import Tails

SMALL = replace(Limits(), tail_entries=8, tail_bytes=10_000, tails_bytes=12_000)


def entry(room: int, seq: int, size: int = 5) -> Entry:
    return Entry(Seq(seq), Draft(RoomId(room), 0, PersonId(1), "nina", None, Kind.MESSAGE, "x" * size))


def test_what_is_kept_is_read_from_memory_and_only_whole() -> None:
    tails = Tails(SMALL)
    tails.extend(RoomId(1), [entry(1, seq) for seq in range(1, 13)])
    assert [found.seq for found in tails.page(RoomId(1), 7, 9) or []] == [7, 8, 9]
    assert tails.page(RoomId(1), 4, 9) is None
    assert tails.page(RoomId(1), 9, 13) is None
    assert tails.page(RoomId(2), 1, 1) is None


def test_a_tail_begins_anew_after_a_gap() -> None:
    tails = Tails(SMALL)
    tails.extend(RoomId(1), [entry(1, 1), entry(1, 2)])
    tails.extend(RoomId(1), [entry(1, 4)])
    assert tails.page(RoomId(1), 2, 4) is None
    assert [found.seq for found in tails.page(RoomId(1), 4, 4) or []] == [4]


def test_a_forgotten_room_is_gone() -> None:
    tails = Tails(SMALL)
    tails.extend(RoomId(1), [entry(1, 1)])
    tails.forget(RoomId(1))
    assert tails.page(RoomId(1), 1, 1) is None


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6_000)), max_size=200))
def test_memory_is_bounded_and_tails_have_no_holes(said: list[tuple[int, int]]) -> None:
    tails = Tails(SMALL)
    heads: dict[int, int] = {}
    for room, size in said:
        heads[room] = heads.get(room, 0) + 1
        tails.extend(RoomId(room), [entry(room, heads[room], size)])
        kept = 0
        for other, head in heads.items():
            count = 0
            while count < head and (page := tails.page(RoomId(other), head - count, head)) is not None:
                assert [found.seq for found in page] == list(range(head - count, head + 1))
                count += 1
            assert count <= SMALL.tail_entries
            page = tails.page(RoomId(other), head - count + 1, head) if count else []
            kept += sum(len(found.draft.text) + 300 for found in page or [])
        assert kept <= SMALL.tails_bytes
