"""Bans are found by id, by name and by address, while they last."""

from __future__ import annotations

import pytest

from tcpchat.core.bans import SERVER, Ban, BanId, Bans, Subject, network_of
from tcpchat.core.entries import PersonId, RoomId
from tcpchat.errors import ChatError

TEA = RoomId(7)
NINA = PersonId(501)


def made(number: int, subject: Subject, data: str, room: RoomId = TEA, until: int = 0) -> Ban:
    return Ban(BanId(number), room, subject, data, data, "", "bob", 1, until)


def test_a_ban_is_found_by_what_it_goes_by() -> None:
    bans = Bans()
    for number, (subject, data) in enumerate(
        [(Subject.PERSON, "501"), (Subject.NAME, "carl"), (Subject.ADDRESS, "192.0.2.0/24")]
    ):
        bans.add(made(number, subject, data))
    assert bans.find(TEA, NINA, "x", "", 5)
    assert bans.find(TEA, PersonId(502), "CARL", "", 5)
    assert bans.find(TEA, None, "", "192.0.2.77", 5)
    assert bans.find(TEA, None, "", "::ffff:192.0.2.77", 5)
    assert bans.find(TEA, PersonId(502), "x", "192.0.3.1", 5) is None
    assert bans.find(TEA, PersonId(502), "x", "/run/chat.sock", 5) is None
    assert bans.find(SERVER, NINA, "carl", "192.0.2.1", 5) is None


def test_a_ban_that_is_over_keeps_nobody_out() -> None:
    bans = Bans()
    bans.add(made(1, Subject.PERSON, "501", until=100))
    assert bans.find(TEA, NINA, "nina", "", 99)
    assert bans.find(TEA, NINA, "nina", "", 100) is None
    assert bans.of(TEA, 100) == []
    assert [ban.id for ban in bans.expire(100)] == [1]
    assert bans.count(TEA) == 0


def test_an_old_ban_that_is_over_hides_no_other() -> None:
    bans = Bans()
    bans.add(made(1, Subject.PERSON, "501", until=100))
    bans.add(made(2, Subject.NAME, "nina", until=200))
    bans.add(made(3, Subject.ADDRESS, "192.0.2.0/24"))
    for now, number in ((99, 1), (150, 2), (250, 3)):
        found = bans.find(TEA, NINA, "nina", "192.0.2.1", now)
        assert found is not None
        assert found.id == number


def test_a_second_ban_takes_the_place_of_the_first() -> None:
    bans = Bans()
    bans.add(made(1, Subject.ADDRESS, "192.0.2.0/24", until=100))
    old = bans.add(made(2, Subject.ADDRESS, "192.0.2.0/24"))
    assert old is not None
    assert old.id == 1
    assert [ban.id for ban in bans.of(TEA, 500)] == [2]
    bans.forget(TEA)
    assert bans.find(TEA, None, "", "192.0.2.1", 5) is None


@pytest.mark.parametrize(
    ("given", "network"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::/48", "2001:db8::/48"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_an_address_stands_for_a_network(given: str, network: str) -> None:
    assert network_of(given) == network


@pytest.mark.parametrize("given", ["", "nina", "192.0.2", "1.2.3.4/99", "::1%eth0/zz"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ChatError, match=r"is no address: it looks like 192\.0\.2\.7"):
        network_of(given)
