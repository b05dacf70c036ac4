from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.server.buckets import Buckets


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_at_once_and_then_so_much_a_second() -> None:
    time = Time()
    buckets: Buckets[str] = Buckets(time, burst=3, rate=2, most=10)
    assert [buckets.take("nina", 1) for _ in range(3)] == [0, 0, 0]
    assert buckets.wait("nina", 1) == pytest.approx(0.5)
    assert buckets.wait("bob", 3) == 0
    assert buckets.wait("bob", 4) == pytest.approx(0.5)
    time.now += 0.5
    assert buckets.take("nina", 1) == 0
    assert [buckets.take("nina", 1) for _ in range(2)] == [pytest.approx(0.5), pytest.approx(1.0)]
    buckets.give_back("nina", 1)
    assert buckets.wait("nina", 1) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 5)), max_size=60))
def test_never_more_than_the_burst_and_what_has_come_since(steps: list[tuple[float, float]]) -> None:
    time = Time()
    buckets: Buckets[str] = Buckets(time, burst=5, rate=2, most=10)
    taken = 0.0
    for seconds, amount in steps:
        time.now += seconds
        if not buckets.wait("nina", amount):
            buckets.take("nina", amount)
            taken += amount
        assert taken <= 5 + 2 * (time.now - 1000) + 0.001


def test_what_is_full_again_is_forgotten_and_the_rest_is_bounded() -> None:
    time = Time()
    buckets: Buckets[int] = Buckets(time, burst=1, rate=1, most=100)
    for number in range(10_000):
        buckets.take(number, 1)
        assert len(buckets) <= 100
    time.now += 2
    for number in range(70):
        buckets.take(-number, 1)
    assert len(buckets) <= 70


def test_how_many_are_kept_can_be_changed() -> None:
    buckets: Buckets[int] = Buckets(Time(), burst=1, rate=1, most=100)
    for number in range(100):
        buckets.take(number, 1)
    buckets.resize(1, 1, 20)
    buckets.take(-1, 1)
    assert len(buckets) == 20


def test_a_clock_that_is_set_back_makes_nobody_wait_for_it() -> None:
    time = Time()
    buckets: Buckets[str] = Buckets(time, burst=1, rate=1, most=10)
    buckets.take("nina", 1)
    time.now -= 900
    assert buckets.wait("nina", 1) == pytest.approx(1.0)
