"""What the limits do to people on connections: in memory, with a clock that the test moves."""

from __future__ import annotations

import gc
import weakref
from ipaddress import ip_network

import pytest

from tcpchat.core.bans import SERVER, Ban, BanId, Subject
from tcpchat.core.chat import Policy
from tcpchat.core.entries import LOBBY_ID
from tcpchat.core.limits import Limits
from tcpchat.errors import ChatError, Code
from tests.house import House, Script, Terminal

TRUSTED = (ip_network("192.0.2.0/24"),)
Person = Script | Terminal


def errors(script: Script) -> list[dict[str, object]]:
    return [line["error"] for line in script.take() if line.get("status") == "error"]


def ban(address: str) -> Ban:
    """Return a ban of an address from the server."""
    return Ban(BanId(1), SERVER, Subject.ADDRESS, f"{address}/32", address, "", "ada", 0, 0)


# Connections.


def test_ipv6_counts_by_its_network_of_64_bits() -> None:
    house = House(Limits(connections_per_address=2))
    kept = [house.connect("2001:db8::1"), house.connect("2001:db8::2")]
    assert b"2 connections from your address" in house.connect("2001:db8::3").take()
    assert not house.connect("2001:db8:0:1::3").write_closed
    kept[0].tear()
    assert len(house.factory.connections) == 3


def test_who_connects_too_often_is_told_when_to_try_again() -> None:
    house = House(Limits(connection_burst=3, connections_per_minute=60))
    for _ in range(3):
        house.connect().tear()
    refused = house.connect()
    assert refused.take() == b"Your address connects too often. Please try again in 1 second.\r\n"
    assert refused.write_closed
    assert not house.connect("192.0.2.2").write_closed
    house.clock.advance(1)
    assert not house.connect().write_closed


def test_trusted_addresses_may_connect_as_often_as_they_like_in_each_form() -> None:
    house = House(Limits(connection_burst=1, connections_per_address=1), trusted=TRUSTED)
    assert not any(house.connect(host).write_closed for host in ("192.0.2.1", "::ffff:192.0.2.1") for _ in range(5))


def test_nothing_is_left_of_ten_thousand_that_come_and_go() -> None:
    house = House(Limits(paces_remembered=100))
    for number in range(10_000):
        transport = house.connect(f"10.{number >> 8 & 255}.{number & 255}.1")
        transport.receive(b"half a li")
        transport.tear()
    assert len(house.factory.connections) == 0
    assert house.clock.getDelayedCalls() == []
    roster = house.factory.connections
    assert not roster._networks
    assert not roster._counts
    assert len(roster._arrivals) <= 100


# Pace.


def test_a_long_pipe_gets_through_by_being_slowed() -> None:
    house = House()
    transport = house.connect()
    transport.receive(b"nina\n" + b"".join(b"line %d of a build\n" % number for number in range(1_000)))
    transport.end()
    for _ in range(2_000):
        house.settle()
        if transport.closed:
            break
        house.clock.advance(0.05)
    (log,) = house.store.logs.values()
    assert [entry.draft.text for entry in log] == [f"line {number} of a build" for number in range(1_000)]


def test_what_is_refused_for_the_pace_is_answered_in_its_order_and_the_connection_stays() -> None:
    house = House(Limits(command_burst=10, commands_per_second=1, wait_seconds=5))
    nina = Script(house, "nina")
    nina.send("create", room="tea")  # 20 tokens
    nina.send("create", room="cake")
    refused = errors(nina)
    assert [error["code"] for error in refused] == ["rate-limited"] * 2
    assert refused[0]["retry_after"] == 11
    assert "so it was not done. Please try again in 11 seconds." in str(refused[0]["message"])
    assert nina.ask("ping") == {}
    house.clock.advance(60)
    assert nina.ask("why")["advice"].startswith("Go more slowly")


def test_a_person_reads_how_long_to_wait() -> None:
    house = House(Limits(command_burst=10, commands_per_second=1, wait_seconds=5))
    nina = Terminal(house, "nina")
    nina.type("/create tea")
    assert nina.take() == ["That is too much at once, so it was not done. Please try again in 15 seconds."]


def test_who_makes_the_server_work_waits_and_others_do_not() -> None:
    house = House(Limits(work_burst_seconds=0.1, work_share=0.1))
    nina, bob = Script(house, "nina"), Script(house, "bob", host="198.51.100.1")
    users = house.hub.handle

    def slow(*arguments: object) -> object:
        house.work += 0.15
        return users(*arguments)  # type: ignore[arg-type]

    house.hub.handle = slow  # type: ignore[assignment, method-assign]
    nina.ask("users")
    house.hub.handle = users  # type: ignore[method-assign]
    nina.take()
    nina.send("users")
    nina.post("ping")
    house.settle()
    assert nina.take() == []
    assert nina.transport.reading is False
    bob.ask("users")
    house.clock.advance(0.5)
    house.settle()
    assert [line["op"] for line in nina.take()] == ["ping"]
    assert nina.transport.reading is True


def test_a_flood_that_makes_the_server_work_lets_others_go_first() -> None:
    house = House(Limits(work_turn_seconds=0.005))
    nina = Script(house, "nina")
    handle = house.hub.handle

    def slow(*arguments: object) -> object:
        house.work += 0.002
        return handle(*arguments)  # type: ignore[arg-type]

    house.hub.handle = slow  # type: ignore[assignment, method-assign]
    nina.transport.receive(b'{"op":"users","id":1}\n' * 10)
    assert len(nina.take()) == 3
    assert nina.transport.reading is False
    house.settle()
    assert len(nina.take()) == 7


def test_who_is_refused_again_and_again_is_read_more_slowly() -> None:
    house = House(Limits(work_share=0.01, command_burst=40, commands_per_second=10))
    nina = Script(house, "nina")
    house.clock.advance(10)
    (connection,) = house.factory.connections
    charge = connection._pace.measure(None)  # type: ignore[attr-defined]
    house.work += 10
    charge()
    nina.transport.receive(b'{"op":"users"}\n' * 20)  # 10 tokens each
    assert [error["code"] for error in errors(nina)] == ["rate-limited"] * 4
    assert nina.transport.reading is False
    house.clock.advance(1)
    assert len(errors(nina)) == 1


def test_a_page_from_the_disk_is_paid_by_its_entries() -> None:
    house = House(Limits(work_burst_seconds=0.5, work_share=0.1, work_entry_seconds=0.01, tail_entries=1))
    nina = Script(house, "nina")
    nina.enter("lobby")
    for number in range(80):
        nina.say("lobby", f"text {number}")
    house.settle()
    nina.ask("history", room="lobby", limit=70)
    nina.send("ping")
    nina.post("ping")
    assert [line["op"] for line in nina.take() if "status" in line] == []
    house.clock.advance(2.1)
    assert [line["op"] for line in nina.take()] == ["ping"]


def test_who_hangs_up_gets_no_more_work_than_who_stays() -> None:
    house = House(Limits(work_burst_seconds=0.05, work_share=0.01))
    nina = Script(house, "nina")
    nina.enter("lobby")
    handle, handled = house.hub.handle, []

    def slow(session: object, command: object, supply: object = None) -> object:
        house.work += 0.02
        handled.append(type(command).__name__)
        return handle(session, command, supply)  # type: ignore[arg-type]

    house.hub.handle = slow  # type: ignore[assignment, method-assign]
    nina.transport.receive(b'{"op":"users"}\n' * 50 + b'{"op":"say","data":{"room":"lobby","text":"last words"}}\n')
    nina.transport.tear()
    house.settle()
    assert handled.count("ListUsers") <= 4
    assert [entry.draft.text for entry in house.store.logs[LOBBY_ID]] == ["last words"]
    assert house.present == []


# The same text again and again.


@pytest.fixture(params=(Script, Terminal), ids=lambda wire: wire.wire)
def nina(request: pytest.FixtureRequest) -> Person:
    person: Person = request.param(House(Limits(repeats=3, short_repeats=5)), "nina")
    person.enter("lobby")
    person.take()
    return person


def test_the_same_text_is_refused_after_a_while(nina: Person) -> None:
    for _ in range(4):
        nina.say("lobby", "buy now")
    nina.say("lobby", "something else")
    nina.house.settle()
    log = [entry.draft.text for entry in next(iter(nina.house.store.logs.values()))]
    assert log == ["buy now"] * 3 + ["something else"]
    told = "You have said the same 3 times, so it was not sent again. Please try again in 30 seconds."
    assert told in nina.refused()
    nina.house.clock.advance(31)
    nina.say("lobby", "buy now")
    nina.house.settle()
    assert nina.refused() == []


def test_short_words_may_be_said_more_often(nina: Person) -> None:
    for _ in range(6):
        nina.say("lobby", "+1")
    nina.house.settle()
    assert len(next(iter(nina.house.store.logs.values()))) == 5
    assert len(nina.refused()) == 1


def test_direct_messages_too_and_each_room_for_itself(nina: Person) -> None:
    house = nina.house
    bob, otto = Script(house, "bob"), Script(house, "otto")
    for _ in range(4):
        nina.tell("bob", "are you there?")
    nina.tell("otto", "are you there?")
    nina.say("lobby", "are you there?")
    house.settle()
    assert len(bob.heard()) == 3
    assert len(otto.heard()) == 1
    assert len(nina.refused()) == 1


def test_the_code_is_repeated_and_a_trusted_author_is_exempt() -> None:
    house = House(Limits(repeats=3), trusted=(ip_network("198.51.100.0/24"),))
    nina, robot = Script(house, "nina"), Script(house, "robot", host="198.51.100.7")
    for person in (nina, robot):
        person.enter("lobby")
        person.take()
        for _ in range(10):
            person.say("lobby", "the backup is done")
        house.settle()
    (refused, *others) = errors(nina)
    assert (refused["code"], refused["retry_after"]) == ("repeated", 30)
    assert len(others) == 6
    assert nina.ask("why")["advice"].startswith("Say something else, or wait")
    assert errors(robot) == []


def test_what_is_remembered_of_an_author_is_bounded() -> None:
    house = House(Limits(repeats_remembered=8, command_burst=1000))
    nina = Script(house, "nina")
    nina.enter("lobby")
    for number in range(100):
        nina.say("lobby", f"text {number}")
    person = house.hub.users.get("nina")
    assert person is not None
    assert len(person.repeats) == 8


# Accounts.


def test_an_account_that_could_not_be_made_is_not_counted() -> None:
    house = House(Limits(registrations_per_hour=2, command_burst=1000))
    for number in range(4):
        nina = Script(house, f"p{number}")
        with pytest.raises(ChatError, match="too short"):
            nina.ask("register", password="short")
    for number in (5, 6):
        Script(house, f"p{number}").ask("register", password="long enough words")
    with pytest.raises(ChatError, match="Please try again in 1800 seconds") as caught:
        Script(house, "p7").ask("register", password="long enough words")
    assert caught.value.code is Code.TOO_MANY_ATTEMPTS
    Script(house, "p8", host="198.51.100.1").ask("register", password="long enough words")


def test_a_banned_address_makes_no_accounts() -> None:
    house = House()
    admin = Script(house, operator=True)
    admin.ask("server-ban", address="198.51.100.7")
    for op in ("register", "may"):
        with pytest.raises(ChatError) as caught:
            Script(house, host="198.51.100.7").ask(
                op, name="nina", **({"what": "register"} if op == "may" else {"password": "long enough words"})
            )
        assert caught.value.code is Code.BANNED
    late = Script(house, host="198.51.100.8")
    late.post("register", name="nina", password="long enough words")
    house.chat.bans.add(ban("198.51.100.8"))
    house.settle()
    assert late.take()[-1]["error"]["code"] == "banned"
    assert len(house.chat.accounts) == 0


def test_an_account_that_was_made_counts_even_if_its_owner_is_not_let_in() -> None:
    house = House(Limits(registrations_per_hour=1))
    nina = Script(house)
    nina.post("register", name="nina", password="long enough words")
    house.clock.advance(0)
    house.store.prove()  # it is about to be stored
    house.chat.bans.add(ban("192.0.2.1"))
    house.settle()
    assert nina.take()[-1]["error"]["code"] == "banned"
    assert len(house.chat.accounts) == 1
    house.chat.bans.remove(ban("192.0.2.1"))
    with pytest.raises(ChatError, match="Many accounts have been made"):
        Script(house).ask("register", name="otto", password="long enough words")


def test_an_account_is_at_home_where_it_was_made() -> None:
    house = House()
    nina = Script(house, "nina", host="198.51.100.7")
    with pytest.raises(ChatError):
        nina.ask("register", password="short")
    assert not house.store.homes
    nina.ask("register", password="long enough words")
    nina.ask("password", old="long enough words", new="other long words")
    (account,) = house.store.accounts
    assert house.store.homes == [(account, "198.51.100.7")]


def test_a_network_creates_so_many_rooms_in_an_hour() -> None:
    house = House(Limits(rooms_per_hour=3, command_burst=1000))
    nina, bob = Script(house, "nina"), Script(house, "bob")
    nina.ask("join", room="one")
    bob.ask("create", room="two")
    house.store.failing = True
    with pytest.raises(ChatError):
        nina.ask("create", room="three")
    house.store.failing = False
    nina.ask("create", room="three")
    for op, person in (("join", nina), ("create", bob)):
        with pytest.raises(ChatError, match=r"created from your network\. Please try again in 1200 seconds") as caught:
            person.ask(op, room="four")
        assert caught.value.code is Code.RATE_LIMITED
    bob.ask("join", room="one")
    Script(house, "carl", host="198.51.100.1").ask("join", room="four")
    house.clock.advance(1200)
    nina.ask("create", room="five")
    known = house.hub.users.get("nina")
    assert known is not None
    assert known.rooms_created == 3


def test_who_is_trusted_creates_as_many_rooms_as_one_likes() -> None:
    house = House(Limits(rooms_per_hour=1, command_burst=1000), trusted=(ip_network("192.0.2.0/24"),))
    nina = Script(house, "nina")
    for number in range(3):
        nina.ask("create", room=f"room{number}")


def test_an_invitation_code_goes_the_way_of_proofs() -> None:
    house = House()
    house.chat.policy = Policy(registration="invitation", invitations=frozenset(["let me in"]))
    nina = Script(house, "nina")
    with pytest.raises(ChatError) as caught:
        nina.ask("register", password="long enough words", code="guess")
    assert caught.value.code is Code.NOT_ALLOWED
    assert nina.ask("register", password="long enough words", code="let me in")["user"]["name"] == "nina"


def test_who_is_refused_by_a_full_server_is_freed_though_it_stays_for_a_while() -> None:
    house = House(capacity=0)
    before = len(house.clock.getDelayedCalls())
    refused = [house.connect(f"198.51.100.{number}") for number in range(80)]
    house.clock.advance(1.5)
    for transport in refused:
        if not transport.closed:
            transport.tear()
    assert not house.factory.services.publisher._sessions
    assert not house.factory.connections
    assert len(house.clock.getDelayedCalls()) == before


@pytest.mark.parametrize("said", [b"", b"half a li", b'{"op":"login","data":{"na', b"nina\n", b'{"op":"ping"}\n'])
def test_who_has_gone_is_freed_at_once_without_looking_for_cycles(said: bytes) -> None:
    house = House()
    transport = house.connect()
    gone = weakref.ref(transport.protocol)
    gc.disable()
    try:
        if said:
            transport.receive(said)
        house.settle()
        transport.protocol.abort(quietly=True)  # what is logged is kept by the log until it is begun
        house.settle()
        transport.protocol = None  # as Twisted's transports forget theirs
        assert gone() is None
    finally:
        gc.enable()
