"""How fast commands are taken, without any connection."""

from __future__ import annotations

import pytest

from tcpchat.core.commands import Create, History, ListUsers, Ping, Quit, Register, Say
from tcpchat.core.entries import LOBBY_ID, Draft, Entry, Kind, PersonId, Seq
from tcpchat.core.limits import Limits
from tcpchat.core.requests import Page
from tcpchat.core.state import Person
from tcpchat.errors import ChatError, Code
from tcpchat.server.pace import Pace, Paces

SAY = Say("lobby", "hello")
ANN = Person(PersonId(1), "ann", registered=True)
GUEST = Person(PersonId(2), "guest")


class Desk:
    """Paces by clocks that the test moves."""

    def __init__(self, **limits: float) -> None:
        self.now = 1000.0
        self.work = 0.0
        self.paces = Paces(lambda: self.now, Limits(**limits), lambda: self.work)  # type: ignore[arg-type]

    def pace(self, network: str = "192.0.2.1") -> Pace:
        return self.paces.pace(network)

    def do(self, pace: Pace, seconds: float, person: Person | None = None) -> None:
        """Let a command of this connection take so long."""
        charge = pace.measure(person)
        self.work += seconds
        charge()


def refusal(pace: Pace, asks: object, person: Person | None = None) -> ChatError:
    with pytest.raises(ChatError) as caught:
        pace.take(asks, person)
    return caught.value


def test_a_clock_that_is_set_back_makes_nobody_wait_for_it() -> None:
    desk = Desk(command_burst=2, commands_per_second=10)
    pace = desk.pace()
    assert pace.take(Ping(), None) is None
    desk.now = 0.0
    assert pace.take(Ping(), None) is None
    assert pace.take(Ping(), None) == pytest.approx(0.1)


def test_what_makes_more_work_costs_more() -> None:
    desk = Desk(command_burst=40, commands_per_second=10)
    assert desk.pace().take(Create("tea"), None) is None
    pace = desk.pace()
    assert [pace.take(Create("tea"), None) for _ in range(3)] == [None, None, pytest.approx(2.0)]
    assert pace.take(SAY, None) == pytest.approx(2.1)
    assert pace.take(ChatError(Code.BAD_JSON, "no command at all"), None) == pytest.approx(2.2)
    assert pace.take(Quit(), None) is None


def test_who_would_wait_too_long_is_refused_and_told_when_to_try_again() -> None:
    desk = Desk(command_burst=1, commands_per_second=2)
    pace = desk.pace()
    error = refusal(pace, Create("tea"))
    assert (error.code, error.facts) == (Code.RATE_LIMITED, {"retry_after": 10, "rule": "rate-limited"})
    assert "try again in 10 seconds" in error.text
    assert pace.debt is None
    assert pace.take(SAY, None) == pytest.approx(0.5)  # what is refused has cost no more than any line


def test_who_goes_on_after_refusals_is_slowed_like_anybody() -> None:
    desk = Desk(work_burst_seconds=0.1, work_share=0.01)
    pace = desk.pace()
    desk.do(pace, 10)
    for _ in range(100):
        assert refusal(pace, ListUsers()).code is Code.RATE_LIMITED
        desk.now += pace.debt or 0.0
    assert desk.now == pytest.approx(1000 + (100 * 10 - 200) / 50)


def test_one_connection_that_goes_as_fast_as_it_can_is_slowed_and_never_refused() -> None:
    desk = Desk()
    pace = desk.pace()
    for _ in range(5_000):
        desk.now += pace.take(SAY, ANN) or 0.0
    assert desk.now == pytest.approx(1000 + (5_000 - 200) / 50)
    for command in (Create("tea"), History("tea"), ListUsers()):
        for _ in range(100):
            desk.now += pace.take(command, ANN) or 0.0


def test_all_connections_of_an_account_share_a_bucket() -> None:
    desk = Desk()
    paces = [desk.pace(f"192.0.2.{number}") for number in range(32)]
    waits = [pace.take(SAY, ANN) for pace in paces for _ in range(20)]
    assert waits[399] is None
    assert waits[400] == pytest.approx(0.01)
    refused = [refusal(pace, Create("tea"), ANN) for pace in paces[:1] for _ in range(1) if not _saturate(paces)]
    assert refused[0].code is Code.RATE_LIMITED
    assert 1 <= int(refused[0].facts["retry_after"]) <= 10
    # Others are as fast as ever, and so is a guest, who has one connection.
    assert desk.pace().take(SAY, Person(PersonId(3), "otto", registered=True)) is None
    assert desk.pace().take(SAY, GUEST) is None
    desk.now += 60
    assert paces[0].take(Create("tea"), ANN) is None


def _saturate(paces: list[Pace]) -> bool:
    """Let all ask for what is dear until one is refused; return whether none was."""
    try:
        for pace in paces:
            pace.take(Create("tea"), ANN)
    except ChatError:
        return False
    return True


def test_the_time_that_the_server_works_is_paid_by_the_account_or_by_the_guests_of_a_network() -> None:
    desk = Desk(work_burst_seconds=0.5, work_share=0.1, work_turn_seconds=10)
    pace = desk.pace()
    desk.do(pace, 0.5, ANN)
    assert pace.take(ListUsers(), ANN) is None
    desk.do(pace, 0.2, ANN)
    elsewhere = desk.pace("198.51.100.1")
    assert elsewhere.take(ListUsers(), ANN) == pytest.approx(2.0)
    assert elsewhere.take(SAY, ANN) is None  # what is said isn't measured
    assert pace.take(ListUsers(), GUEST) is None
    desk.do(elsewhere, 0.5, ANN)
    error = refusal(pace, ListUsers(), ANN)
    assert (error.code, error.facts) == (Code.RATE_LIMITED, {"retry_after": 7, "rule": "rate-limited"})

    desk.do(desk.pace(), 0.6, GUEST)
    assert desk.pace().take(ListUsers(), Person(PersonId(9), "the same guest again")) == pytest.approx(1.0)
    assert desk.pace("192.0.2.2").take(ListUsers(), GUEST) is None


def test_after_some_work_at_a_stretch_others_go_first() -> None:
    desk = Desk(work_turn_seconds=0.005)
    pace = desk.pace()
    desk.do(pace, 0.004)
    assert pace.take(ListUsers(), None) is None
    desk.do(pace, 0.004)
    assert pace.take(ListUsers(), None) == 0.0
    assert pace.take(ListUsers(), None) is None


def test_a_page_from_the_disk_costs_by_its_entries() -> None:
    desk = Desk(work_burst_seconds=0.5, work_share=0.1, work_entry_seconds=0.001)
    pace = desk.pace()
    entry = Entry(Seq(1), Draft(LOBBY_ID, 0, ANN.id, "ann", None, Kind.MESSAGE, "hello"))
    pace.measure(ANN, Page(LOBBY_ID, [entry] * 600))()
    assert pace.take(History("lobby"), ANN) == pytest.approx(1.0)


def test_so_many_accounts_of_a_network_in_an_hour() -> None:
    desk = Desk(registrations_per_hour=3, command_burst=1000)
    paces = [desk.pace() for _ in range(4)]
    for pace in paces[:3]:
        assert pace.take(Register("secret words"), None) is None
    error = refusal(paces[3], Register("secret words"))
    assert (error.code, error.facts) == (Code.TOO_MANY_ATTEMPTS, {"retry_after": 1200})
    assert desk.pace("192.0.2.2").take(Register("secret words"), None) is None
    paces[0].give_back_registration()
    assert paces[3].take(Register("secret words"), None) is None


def test_who_is_going_waits_for_nothing_and_its_work_is_refused_that_would_have_to_wait() -> None:
    desk = Desk(command_burst=1, commands_per_second=10)
    pace = desk.pace()
    assert [pace.charge(SAY, GUEST, hurried) for hurried in (False, False, True)] == [None, pytest.approx(0.1), None]
    assert pace.refusal is None
    assert pace.charge(ListUsers(), GUEST, True) is None
    assert pace.refusal is not None
    assert pace.refusal.code is Code.RATE_LIMITED


def test_a_refusal_waits_for_what_has_been_taken() -> None:
    desk = Desk(command_burst=1, commands_per_second=10, wait_seconds=0.5)
    pace = desk.pace()
    pace.take(SAY, GUEST)
    assert pace.charge(ListUsers(), GUEST, False) == pytest.approx(0.1)
    assert pace.refusal is not None
