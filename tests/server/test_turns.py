from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.core.addresses import neighbourhood
from tcpchat.server.turns import Turns


def filled(turns: Turns[int], jobs: dict[str, int]) -> Turns[int]:
    for address, count in jobs.items():
        for number in range(count):
            assert turns.add(address, address, number)
    return turns


def served(turns: Turns[int], count: int) -> list[str]:
    """Do so many jobs, one after the other, and return whose they were."""
    order = []
    for _ in range(count):
        turn = turns.take()
        assert turn is not None
        order.append(turn[0])
        turns.done(turn[0])
    return order


def test_addresses_take_turns_and_each_keeps_its_order() -> None:
    turns = filled(Turns(1, 4, 100), {"a": 3, "b": 1, "c": 2})
    assert served(turns, 6) == ["a", "b", "c", "a", "c", "a"]
    assert turns.take() is None
    filled(turns, {"a": 3})
    taken = []
    while (turn := turns.take()) is not None:
        taken.append(turn[1])
        turns.done("a")
    assert taken == [0, 1, 2]


def test_a_newcomer_is_next_after_the_job_in_hand() -> None:
    turns = filled(Turns(1, 4, 100), {"flood": 4})
    assert turns.take() == ("flood", 0)
    assert turns.add("flood", "flood", 4)
    assert turns.add("nina", "nina", 0)
    assert turns.take() is None
    turns.done("flood")
    assert turns.take() == ("nina", 0)


def test_one_address_never_has_two_in_hand_so_another_thread_stays_free() -> None:
    turns = filled(Turns(2, 4, 100), {"flood": 4})
    assert turns.take() == ("flood", 0)
    assert turns.take() is None
    assert turns.add("nina", "nina", 0)
    assert turns.take() == ("nina", 0)


def test_what_waits_is_bounded_for_each_address_and_in_all() -> None:
    turns = filled(Turns(1, 2, 5), {"a": 2, "b": 2})
    assert not turns.add("a", "a", 9)
    assert turns.add("c", "c", 0)
    assert not turns.add("d", "d", 0)
    assert len(turns) == 5
    assert turns.waiting("a") == 2
    assert turns.waiting("d") == 0
    assert turns.take() == ("a", 0)
    assert turns.add("a", "a", 9), "the job in hand waits no more"
    turns.done("a")
    assert served(turns, 5) == ["b", "c", "a", "b", "a"]


def test_who_waits_for_nothing_takes_a_place_of_who_has_most() -> None:
    turns = filled(Turns(1, 4, 8), {"a": 2, "b": 4, "c": 2})
    assert turns.make_place("c", "c") is None
    assert turns.make_place("nina", "nina") == 3
    assert turns.add("nina", "nina", 0)
    assert (turns.waiting("b"), len(turns)) == (3, 8)
    assert turns.make_place("otto", "otto") == 2
    assert turns.make_place("anna", "anna") is None, "there is a place already"
    assert turns.add("otto", "otto", 0)
    assert served(turns, 8) == ["a", "b", "c", "nina", "otto", "a", "b", "c"]


def test_nobody_s_only_place_is_taken_away() -> None:
    turns = filled(Turns(1, 4, 3), {"a": 1, "b": 1, "c": 1})
    assert turns.make_place("nina", "nina") is None
    assert not turns.add("nina", "nina", 0)


def test_nothing_is_kept_of_an_address_that_waits_for_nothing() -> None:
    turns = filled(Turns(1, 4, 100), {f"10.0.0.{n}": 1 for n in range(50)})
    served(turns, 50)
    assert not turns._waiting
    assert not turns._in_hand
    assert not turns._next


def test_an_address_has_one_turn_and_its_places_however_many_queues_it_has() -> None:
    turns: Turns[str] = Turns(4, 3, 100)
    for number in range(3):
        assert turns.add("flood", f"queue {number}", "flood")
    assert not turns.add("flood", "queue 3", "flood"), "its places are taken"
    assert turns.add("nina", "nina", "nina")
    assert [turns.take(), turns.take(), turns.take()] == [("flood", "flood"), ("nina", "nina"), None]
    turns.done("flood")
    assert turns.take() == ("flood", "flood")


def test_the_queues_of_an_address_take_turns_and_a_rest_is_of_one_of_them() -> None:
    turns: Turns[str] = Turns(1, 9, 100)
    for job in ("a1", "a2", "a3", "b1", "b2"):
        turns.add("office", job[0], job)
    turns.rest("office", "b")

    def served() -> str | None:
        turn = turns.take()
        if turn is not None:
            turns.done(turn[0])
        return turn and turn[1]

    assert [served(), served()] == ["a1", "a2"]
    turns.wake("office", "b")
    assert [served(), served()] == ["b1", "a3"]
    turns.rest("office", "b")
    assert served() is None
    turns.wake("office", "b")
    assert turns.clear("office", "b") == ["b2"]
    assert (served(), len(turns), turns.waiting("office")) == (None, 0, 0)


def test_one_queue_that_has_all_places_of_its_address_gives_one_to_another() -> None:
    turns: Turns[str] = Turns(1, 3, 100)
    for job in ("s1", "s2", "s3"):
        turns.add("office", "strangers", job)
    assert turns.make_place("office", "strangers") is None
    assert turns.make_place("office", "nina") == "s3"
    assert turns.add("office", "nina", "n1")
    assert turns.make_place("office", "otto") == "s2"
    assert turns.add("office", "otto", "o1")
    assert turns.make_place("office", "anna") is None, "nobody has several"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60), st.integers(1, 3))
def test_every_job_is_done_once_and_nobody_is_passed_over_twice(steps: list[tuple[str, bool]], at_once: int) -> None:
    turns: Turns[int] = Turns(at_once, 3, 8)
    added: list[tuple[str, int]] = []
    taken: list[tuple[str, int]] = []
    running: list[str] = []
    passed: dict[str, list[str]] = {}  # whom each that waits, with nothing in hand, has seen go before it

    def take() -> None:
        turn = turns.take()
        if turn is None:
            return
        taken.append(turn)
        assert turn[0] not in running
        running.append(turn[0])
        assert len(running) <= at_once
        passed.pop(turn[0], None)
        for seen in passed.values():
            assert turn[0] not in seen
            seen.append(turn[0])

    def finish() -> None:
        address = running.pop(0)
        turns.done(address)
        if turns.waiting(address):
            passed[address] = []

    for number, (address, more) in enumerate(steps):
        if more and turns.add(address, address, number):
            added.append((address, number))
            if address not in running:
                passed.setdefault(address, [])
        elif running:
            finish()
        take()
    while running:
        finish()
        take()
    take()
    assert sorted(taken) == sorted(added)
    assert len(turns) == 0


@pytest.mark.parametrize(
    ("address", "whole"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("local", "local"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
    ],
)
def test_an_ipv6_address_waits_with_its_whole_network(address: str, whole: str) -> None:
    assert neighbourhood(address) == whole
