"""Order holds: when several give it at once, for those who come back, and towards those who have no right to know."""

from __future__ import annotations

import pytest

from tcpchat.core.roles import ServerRole
from tcpchat.errors import Code
from tests.house import House, Script
from tests.test_order import account, ops, refusal


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def nina(house: House) -> Script:
    """The owner of tea."""
    nina = Script(house, "nina")
    nina.ask("join", room="tea")
    return nina


@pytest.fixture
def bob(house: House, nina: Script) -> Script:
    """A guest in tea."""
    bob = Script(house, "bob", host="198.51.100.7")
    bob.ask("join", room="tea")
    nina.take()
    return bob


def test_two_who_change_a_room_at_once_both_do(house: House, nina: Script, bob: Script) -> None:
    nina.ask("room-role", room="tea", user="bob", role="owner")
    nina.post("room-set", room="tea", invite_only=True)
    bob.post("room-set", room="tea", slow=5)
    house.settle()
    settings = nina.ask("room-set", room="tea")["settings"]
    assert (settings["invite_only"], settings["slow"]) == (True, 5)


def test_addresses_and_the_operator_stay_unknown_in_a_rooms_audit(house: House, nina: Script, bob: Script) -> None:
    admin = account(house, "ada", ServerRole.ADMIN)
    operator = Script(house, operator=True)
    admin.ask("ban", room="tea", address="203.0.113.7")
    operator.ask("mute", room="tea", user="bob")
    mute, ban = nina.ask("audit", room="tea")["acts"]
    assert (ban["act"], ban["by"], "on" in ban) == ("ban", "ada", False)
    assert (mute["act"], mute["by"], mute["on"]) == ("mute", "operator", "bob")
    mute, ban = admin.ask("audit", room="tea")["acts"]
    assert (ban["on"], mute["by"]) == ("203.0.113.7/32", "operator (root)")
    # Nor can it be found out by lifting a ban.
    for address in ("203.0.113.7", "203.0.113.8"):
        assert refusal(nina, "unban", room="tea", address=address) is Code.NOT_ALLOWED


def test_who_is_admin_no_more_watches_no_more(house: House) -> None:
    owner, admin = account(house, "olga", ServerRole.OWNER), account(house, "ada", ServerRole.ADMIN)
    admin.ask("subscribe", event="all")
    owner.ask("role", user="ada", role="user")
    assert ops(admin) == ["event"]  # of this itself
    Script(house, "carl")
    assert ops(admin) == []
    owner.ask("role", user="ada", role="admin")
    admin.take()
    Script(house, "dora")
    assert ops(admin) == []
