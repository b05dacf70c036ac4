from __future__ import annotations

from tcpchat.core.entries import PersonId
from tcpchat.core.limits import Limits
from tcpchat.server.attempts import Attempts, too_many

OFFICE = "192.0.2.1"
NINA, OTTO = PersonId(1), PersonId(2)


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_each_failure_doubles_the_wait_up_to_the_longest() -> None:
    time = Time()
    attempts = Attempts(time, Limits())
    waits = [attempts.failed(OFFICE) for _ in range(9)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert attempts.wait(OFFICE) == 60
    assert attempts.wait("192.0.2.2") == 0
    time.now += 59
    assert attempts.wait(OFFICE) == 1
    time.now += 2
    assert attempts.wait(OFFICE) == 0
    assert attempts.failed(OFFICE) == 60
    for _ in range(100):
        assert attempts.failed(OFFICE) == 60


def test_after_some_minutes_it_is_forgotten() -> None:
    time = Time()
    attempts = Attempts(time, Limits())
    for _ in range(5):
        attempts.failed(OFFICE)
    time.now += 601
    assert attempts.failed(OFFICE) == 0.5


def test_who_is_at_home_waits_for_its_own_failures_only() -> None:
    time = Time()
    attempts = Attempts(time, Limits())
    assert attempts.queue(OFFICE, NINA) == OFFICE
    attempts.proved(OFFICE, NINA)
    for _ in range(8):
        attempts.failed(attempts.queue(OFFICE, OTTO))
    assert attempts.wait(attempts.queue(OFFICE, OTTO)) == 60
    assert attempts.wait(attempts.queue(OFFICE, None)) == 60
    assert attempts.wait(attempts.queue(OFFICE, NINA)) == 0
    # Guesses at her own password make her wait, and her next success forgives these, not those of the others.
    assert [attempts.failed(attempts.queue(OFFICE, NINA)) for _ in range(2)] == [0.5, 1]
    attempts.proved(OFFICE, NINA)
    assert attempts.wait(attempts.queue(OFFICE, NINA)) == 0
    assert attempts.wait(attempts.queue(OFFICE, OTTO)) == 60
    assert attempts.queue("192.0.2.2", NINA) == "192.0.2.2"
    time.now += 31 * 86_400
    attempts.proved(OFFICE, OTTO)
    assert attempts.queue(OFFICE, NINA) == OFFICE


def test_what_is_remembered_is_bounded_and_expires() -> None:
    time = Time()
    attempts = Attempts(time, Limits(failures_remembered=50))
    for number in range(1000):
        attempts.failed(f"10.0.0.{number}")
        attempts.proved("192.0.2.1", PersonId(number))
    assert len(attempts) == 100
    time.now += 3600
    attempts.failed(OFFICE)
    assert len(attempts) == 51


def test_a_clock_that_is_set_back_makes_nobody_wait_for_it() -> None:
    time = Time()
    attempts = Attempts(time, Limits())
    attempts.failed(OFFICE)
    time.now = 0
    assert attempts.wait(OFFICE) == 0


def test_the_refusal_says_when_to_try_again() -> None:
    error = too_many(7.2)
    assert (error.code, error.facts) == ("too-many-attempts", {"retry_after": 8})
    assert error.text.endswith("Please try again in 8 seconds.")
    assert too_many(0.2).text.endswith("1 second.")
