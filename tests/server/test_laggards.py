"""Readers that fall behind: what they are told when, what waits for them, and when one is closed after all."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from tcpchat.core.entries import LOBBY_ID, Entry, Seq
from tcpchat.core.limits import Limits
from tcpchat.core.requests import Page
from tcpchat.errors import ChatError, Code
from tests.house import House, Script, Terminal
from tests.transport import BUFFER_BYTES

TRUSTED = (ip_network("192.0.2.0/24"),)
# More than a transport's buffer.
MANY = 20
LONG = "x" * 5_000


@pytest.fixture
def house() -> House:
    return House(trusted=TRUSTED)


def program(house: House, name: str, *rooms: str) -> Script:
    script = Script(house, name)
    for room in rooms or ("lobby",):
        script.enter(room)
    return script


def overwhelm(house: House, slow: Script | Terminal, talker: Script, room: str = "lobby") -> None:
    """Let somebody fall behind, by what another says in a room."""
    slow.transport.take()
    slow.transport.stop_reading()
    for _ in range(MANY):
        talker.say(room, LONG)
        house.settle()
    talker.take()
    assert slow.transport.waiting < 2 * BUFFER_BYTES


def recover(house: House, slow: Script | Terminal) -> None:
    """Let it read everything."""
    slow.transport.start_reading()
    house.settle()


def numbers(lines: list[dict[str, Any]], room: str = "lobby") -> list[int]:
    events = [line["data"] for line in lines if "status" not in line]
    return [data["seq"] for data in events if "seq" in data and data["room"] == room]


def ops(lines: list[dict[str, Any]]) -> list[str]:
    return [line["op"] for line in lines if line["op"] != "message"]


def test_nothing_is_kept_for_who_does_not_read_and_nothing_is_missing_then(house: House) -> None:
    nina, slow = program(house, "nina"), program(house, "slow")
    overwhelm(house, slow, nina)
    waiting = slow.transport.waiting
    for number in range(1_000):
        nina.say("lobby", f"{number} of many")
        house.settle()
    assert slow.transport.waiting == waiting
    recover(house, slow)
    nina.say("lobby", "and now")
    house.settle()
    lines = slow.take()
    assert numbers(lines) == list(range(1, MANY + 1_002))
    assert ops(lines) == []
    assert lines[-1]["data"]["text"] == "and now"


def test_a_moment_without_reading_is_nothing(house: House) -> None:
    nina, slow = program(house, "nina"), program(house, "slow")
    slow.transport.stop_reading()
    for _ in range(MANY):
        nina.say("lobby", LONG)
    house.store.commit()
    slow.transport.start_reading()
    house.clock.advance(0)
    assert numbers(slow.take()) == list(range(1, MANY + 1))


def test_what_is_read_on_is_as_it_was_told_but_for_what_was_removed(house: House) -> None:
    boss = Script(house, operator=True)
    nina, bob, slow = (program(house, name) for name in ("nina", "bob", "slow"))
    slow.ask("ignore", user="bob")
    overwhelm(house, slow, nina)
    nina.say("lobby", "a secret")
    bob.say("lobby", "noise")
    nina.act("lobby", "waves")
    nina.send("topic", room="lobby", text="tea")
    house.settle()
    boss.ask("remove", room="lobby", seq=MANY + 1)
    recover(house, slow)
    lines = [line for line in slow.take() if line["data"].get("text") != LONG]
    shown = [(line["op"], line["data"].get("kind"), line["data"].get("text")) for line in lines]
    assert shown == [
        ("message", "removed", ""),
        ("message", "action", "waves"),
        ("topic", None, "tea"),
        ("moderated", None, None),
    ]
    assert lines[-1]["data"]["deed"]["act"] == "remove"


def test_who_came_and_went_is_one_snapshot_after_the_last_word(house: House) -> None:
    nina, slow = program(house, "nina", "lobby", "tea"), program(house, "slow", "lobby", "tea")
    overwhelm(house, slow, nina)
    nina.leave("lobby")
    bob = program(house, "bob")
    bob.say("lobby", "hello")
    house.settle()
    recover(house, slow)
    lines = slow.take()
    assert ops(lines) == ["members"]  # and none of tea
    assert lines[-1]["data"] == {
        "room": "lobby",
        "members": [{"name": "slow"}, {"name": "bob"}],
        "people": 2,
        "head": MANY + 1,
    }
    assert lines[-2]["data"]["text"] == "hello"
    bob.leave("lobby")
    house.settle()
    assert ops(slow.take()) == ["left"]


def test_a_person_is_told_who_is_there_in_one_line(house: House) -> None:
    nina, slow = program(house, "nina"), Terminal(house, "slow")
    overwhelm(house, slow, nina)
    nina.say("lobby", "bye")
    nina.leave("lobby")
    program(house, "bob")
    recover(house, slow)
    assert slow.take()[-2:] == ["nina: bye", "Now in lobby: slow and bob."]
    overwhelm(house, slow, program(house, "cleo"))
    slow.transport.start_reading()
    house.settle()
    lines = slow.take()
    assert lines[-1].startswith("cleo: x"), "nobody has come or gone meanwhile"


def test_rooms_that_come_and_go_are_told_as_such_but_ones_own_by_name(house: House) -> None:
    boss = Script(house, operator=True)
    nina, slow = program(house, "nina", "lobby", "tea"), program(house, "slow", "lobby", "tea")
    overwhelm(house, slow, nina, "tea")
    nina.ask("create", room="jam")
    nina.ask("create", room="hall")
    boss.ask("delete", room="jam")
    boss.ask("delete", room="tea")
    boss.ask("broadcast", text="Tea is over.")
    recover(house, slow)
    lines = slow.take()
    assert ops(lines) == ["room-deleted", "notice", "rooms-changed"]
    assert [line["data"].get("room") for line in lines if line["op"] == "room-deleted"] == ["tea"]
    nina.ask("create", room="attic")
    assert ops(slow.take()) == ["room-created"]


def test_who_is_put_out_meanwhile_hears_so_at_once_and_nothing_more_of_the_room(house: House) -> None:
    boss = Script(house, operator=True)
    nina, slow = program(house, "nina", "lobby", "tea"), program(house, "slow", "lobby", "tea")
    overwhelm(house, slow, nina, "tea")
    nina.say("tea", "not for slow")
    nina.say("lobby", "for slow")
    house.settle()
    boss.ask("kick", room="tea", user="slow")
    recover(house, slow)
    lines = slow.take()
    out = [line["op"] for line in lines].index("put-out")
    assert all(line["data"].get("room") == "tea" for line in lines[:out])
    assert [line["data"]["text"] for line in lines[out + 1 :]] == ["for slow"]


def test_conversations_are_read_on_too(house: House) -> None:
    nina, slow = program(house, "nina"), program(house, "slow")
    nina.tell("slow", "early")
    house.settle()
    overwhelm(house, slow, nina)
    waiting = slow.transport.waiting
    for number in range(500):
        nina.tell("slow", str(number))
    house.settle()
    assert slow.transport.waiting == waiting
    recover(house, slow)
    nina.tell("slow", "late")
    house.settle()
    told = [line["data"] for line in slow.take() if "with" in line["data"]]
    assert [one["text"] for one in told] == [*map(str, range(500)), "late"]
    assert [one["seq"] for one in told] == list(range(2, 503))


def test_a_conversation_that_ended_before_it_was_read_is_said_to_be_missing() -> None:
    house = House(Limits(ended_directs=0), trusted=TRUSTED)
    nina, slow, guest = (program(house, name) for name in ("nina", "slow", "guest"))
    overwhelm(house, slow, nina)
    guest.tell("slow", "hello")
    house.settle()
    guest.ask("logout")
    recover(house, slow)
    (notice,) = [line["data"] for line in slow.take() if line["op"] == "notice"]
    assert "can't be shown any more" in notice["text"]


def test_what_is_missing_in_the_log_is_told_as_a_gap(house: House) -> None:
    nina = program(house, "nina")
    slow, text = program(house, "slow"), Terminal(house, "petra")
    overwhelm(house, text, nina)
    overwhelm(house, slow, nina)
    nina.say("lobby", "the end")
    house.settle()
    log = house.store.logs[LOBBY_ID]
    house.chat.tails.forget(LOBBY_ID)
    for reader in (slow, text):
        reader.transport.start_reading()
        house.clock.advance(0)
    for _, done in house.store.asked():
        done(Page(LOBBY_ID, [Entry(Seq(len(log)), log[-1].draft)]))
    house.settle()
    lines = slow.take()
    (gap,) = [line["data"] for line in lines if line["op"] == "gap"]
    heard = numbers([line for line in lines if line["op"] == "message"])
    assert (gap["first"], gap["last"]) == (heard[-2] + 1, len(log) - 1)
    assert heard[-1] == len(log)
    assert any("can't be read any more" in line for line in text.take())


def test_an_answer_follows_what_it_tells_of_and_all_else_waits(house: House) -> None:
    nina, slow = program(house, "nina"), program(house, "slow")
    slow.take()
    said = slow.post("say", room="lobby", text="mine")
    asked = slow.post("ping")
    overwhelm(house, slow, nina)
    recover(house, slow)
    assert [line["id"] for line in slow.take() if "id" in line] == [said, asked]
    overwhelm(house, slow, nina)
    slow.transport.start_reading()
    turn(house)
    last = slow.post("ping")
    mine = slow.post("say", room="lobby", text="mine")
    house.settle()
    lines = slow.take()
    assert [line["id"] for line in lines if "id" in line] == [last, mine]
    assert numbers(lines) == list(range(MANY + 2, 2 * MANY + 3))
    assert [line["op"] for line in lines[-3:]] == ["ping", "message", "say"]


def test_who_is_slower_than_the_others_is_heard_all_the_same(house: House) -> None:
    nina, slow = program(house, "nina"), program(house, "slow")
    slow.take()
    overwhelm(house, slow, nina)
    slow.transport.start_reading()
    turn(house)
    numbers_asked = [slow.post("say", room="lobby", text=f"help {number}") for number in range(3)]
    house.store.commit()
    assert [text for text in nina.heard() if "help" in text] == [f"slow in lobby: help {number}" for number in range(3)]
    assert not [line for line in slow.read() if "id" in line]
    house.settle()
    lines = slow.take()
    assert [line["id"] for line in lines if "id" in line] == numbers_asked
    assert numbers(lines) == list(range(1, MANY + 4))


def test_what_was_sent_before_is_answered_after_it_is_read_too(house: House) -> None:
    boss = Script(house, operator=True)
    boss.ask("hello")
    here = Script(house, "nina")
    here.ask("register", password="long enough")
    there = Script(house)
    there.ask("login", name="nina", password="long enough")
    for one in (here, there):
        one.enter("lobby")
        one.take()
    here.send("say", room="lobby", text="once", client_id="a")
    again = there.post("say", room="lobby", text="once", client_id="a")
    there.transport.buffer_bytes = 0
    there.transport.stop_reading()
    boss.send("broadcast", text="Hello, everybody.")
    house.clock.advance(0)
    house.store.commit()
    recover(house, there)
    lines = there.take()
    assert [(line["op"], line.get("id")) for line in lines] == [("notice", None), ("message", None), ("say", again)]


def test_what_was_under_way_is_answered_once_all_is_read(house: House) -> None:
    house = House(Limits(tail_entries=1), trusted=TRUSTED)
    nina, slow = program(house, "nina"), program(house, "slow")
    for word in ("a", "b", "c"):
        nina.say("lobby", word)
    house.settle()
    slow.take()
    asked = slow.post("history", room="lobby", before=3)
    answer = house.store.take_pages()
    slow.transport.stop_reading()
    nina.say("lobby", "y" * 14_000)
    for _ in range(MANY):
        nina.say("lobby", LONG)
    house.store.commit()
    house.clock.advance(0)
    answer()
    house.settle()
    recover(house, slow)
    lines = slow.take()
    assert lines[-1]["id"] == asked
    assert [entry["text"] for entry in lines[-1]["data"]["entries"]] == ["a", "b"]
    assert numbers(lines) == list(range(4, MANY + 5))


@pytest.mark.parametrize("last", ["leave", "quit"])
def test_who_cannot_keep_up_with_a_room_can_leave_it_or_go(last: str) -> None:
    house = House(Limits(tail_entries=1), trusted=TRUSTED)
    nina, slow = program(house, "nina", "lobby", "tea"), program(house, "slow", "lobby", "tea")
    overwhelm(house, slow, nina, "tea")
    slow.transport.start_reading()
    house.clock.advance(0)  # its next page is never read
    number = slow.post(last, **({"room": "tea"} if last == "leave" else {}))
    house.clock.advance(0)
    lines = slow.take()
    assert lines[-1]["id"] == number
    assert numbers(lines, "tea")[-1] < MANY
    assert slow.transport.write_closed is (last == "quit")
    if last == "leave":
        nina.say("lobby", "hello")
        house.settle()
        assert [line["data"]["room"] for line in slow.take()] == ["lobby"]


def test_a_log_that_cannot_be_read_is_read_later(house: House) -> None:
    house = House(Limits(tail_entries=1), trusted=TRUSTED)
    nina, slow = program(house, "nina"), program(house, "slow")
    overwhelm(house, slow, nina)
    house.store.failing = True
    slow.transport.start_reading()
    for _ in range(5):
        house.clock.advance(1)
        house.store.read()
    house.store.failing = False
    house.clock.advance(1)
    house.settle()
    assert numbers(slow.take()) == list(range(1, MANY + 1))


def test_who_stops_again_is_given_no_more(house: House) -> None:
    nina, slow = program(house, "nina"), program(house, "slow")
    overwhelm(house, slow, nina)
    for _ in range(3 * MANY):
        nina.say("lobby", LONG)
        house.settle()
    slow.transport.start_reading()
    slow.transport.stop_reading()
    house.settle()
    assert slow.transport.waiting < 2 * BUFFER_BYTES
    recover(house, slow)
    assert numbers(slow.take()) == list(range(1, 4 * MANY + 1))


def test_rooms_take_turns(house: House) -> None:
    nina, slow = program(house, "nina", "lobby", "tea"), program(house, "slow", "lobby", "tea")
    overwhelm(house, slow, nina)
    for room in ("lobby", "tea"):
        for _ in range(3 * MANY):
            nina.say(room, LONG)
            house.settle()
    recover(house, slow)
    lines = slow.take()
    first = next(place for place, line in enumerate(lines) if line["data"]["room"] == "tea")
    assert first < 2 * MANY
    assert numbers(lines, "tea") == list(range(1, 3 * MANY + 1))
    assert numbers(lines) == list(range(1, 4 * MANY + 1))


def test_lines_that_are_too_long_cost_who_does_not_read_its_refusals() -> None:
    house = House(Limits(unread_bytes=10_000), trusted=TRUSTED)
    nina, slow = program(house, "nina"), program(house, "slow")
    overwhelm(house, slow, nina)
    for _ in range(50):
        slow.transport.receive(b"x" * (Limits().line_bytes + 2) + b"\n")
    house.clock.advance(0)
    assert slow.transport.write_closed


def test_a_daemon_that_stops_answers_who_is_behind(house: House) -> None:
    nina, slow = program(house, "nina"), program(house, "slow")
    slow.take()
    said = slow.post("say", room="lobby", text="mine")
    overwhelm(house, slow, nina)
    more = slow.post("say", room="lobby", text="more")
    slow.transport.protocol.retire("The server is shutting down.", Code.SHUTTING_DOWN)
    slow.transport.buffer_bytes = 0
    slow.transport.start_reading()
    slow.transport.stop_reading()
    house.settle()
    assert slow.transport.waiting
    assert not house.laggards._laggards
    slow.transport.start_reading()
    house.settle()
    lines = slow.take()
    assert [line["id"] for line in lines if "id" in line] == [said, more]
    assert slow.transport.write_closed


def test_many_who_catch_up_share_the_turns_of_the_reactor() -> None:
    house = House(Limits(tail_entries=2_000, tail_bytes=2**20), trusted=TRUSTED)
    nina = program(house, "nina")
    crowd = [program(house, f"slow{number}") for number in range(50)]
    for one in crowd:
        one.take()
        one.transport.stop_reading()
    for _ in range(MANY):
        nina.say("lobby", LONG)
        house.settle()
    for _ in range(1_000):
        nina.say("lobby", "word")
    house.settle()
    house.store.commit()
    for one in crowd:
        one.transport.start_reading()
    writes = [one.transport.writes for one in crowd]
    turn(house)
    assert 0 < sum(one.transport.writes > before for one, before in zip(crowd, writes, strict=True)) < len(crowd) / 2
    house.settle()
    assert all(numbers(one.take())[-1] == MANY + 1_000 for one in crowd)


def test_many_who_need_old_pages_keep_nobody_waiting_for_theirs() -> None:
    house = House(Limits(tail_entries=1), trusted=TRUSTED)
    nina = program(house, "nina")
    crowd = [program(house, f"slow{number}") for number in range(20)]
    for one in crowd:
        one.transport.stop_reading()
    for _ in range(2 * MANY):
        nina.say("lobby", LONG)
        house.settle()
    crowd[0].transport.tear()
    for one in crowd[1:]:
        one.take()
        one.transport.start_reading()
    house.clock.advance(0)
    asked = house.store.asked()
    assert len(asked) == 2
    crowd[1].transport.tear()
    crowd[2].transport.tear()
    asked += house.store.asked()
    assert len(asked) == 4
    for _, done in asked:
        done(ChatError(Code.STORE_FAILED, "The history can't be read."))
    for _ in range(3):
        house.clock.advance(1)
        house.settle()
    assert all(numbers(one.take())[-1] == 2 * MANY for one in crowd[3:])


def turn(house: House) -> None:
    """One turn of the reactor; a Clock would run what is asked for meanwhile in the same one."""
    due = [call for call in house.clock.calls if call.getTime() <= house.clock.seconds()]
    for call in due:
        if call.active():
            house.clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


@pytest.mark.parametrize("wire", [Script, Terminal])
def test_who_takes_nothing_at_all_for_very_long_is_closed_with_a_reason(
    house: House, wire: Callable[[House, str], Script | Terminal]
) -> None:
    nina, slow = program(house, "nina"), wire(house, "slow")
    slow.enter("lobby")
    overwhelm(house, slow, nina)
    stuck = Limits().stuck_seconds
    for _ in range(19):
        house.clock.advance(stuck / 20)
    assert not slow.transport.write_closed
    for _ in range(3):
        house.clock.advance(stuck / 20)
    assert slow.transport.write_closed
    slow.transport.start_reading()
    assert "You have read nothing for 10 minutes: connect again to read on." in slow.transport.take().decode()
    house.clock.advance(Limits().drain_seconds)
    assert "slow" not in house.present
    assert not house.clock.getDelayedCalls()


def test_who_takes_a_little_now_and_then_stays_for_ever(house: House) -> None:
    nina, slow = program(house, "nina"), program(house, "slow")
    overwhelm(house, slow, nina)
    for _ in range(10):
        for _ in range(18):
            house.clock.advance(Limits().stuck_seconds / 20)
        slow.transport.read_some(1)
    assert not slow.transport.write_closed
    recover(house, slow)
    assert numbers(slow.take()) == list(range(1, MANY + 1))


def test_what_is_for_one_alone_is_bounded_while_it_does_not_read() -> None:
    house = House(Limits(unread_bytes=10_000), trusted=TRUSTED)
    boss = Script(house, operator=True)
    nina, slow = program(house, "nina"), program(house, "slow")
    overwhelm(house, slow, nina)
    for _ in range(9):
        boss.ask("broadcast", text="y" * 450)
    assert not slow.transport.write_closed
    for _ in range(2):
        boss.ask("broadcast", text="y" * 1_000)
    assert slow.transport.write_closed
    slow.transport.start_reading()
    assert slow.take()[-1]["data"]["code"] == "slow-reader"


@pytest.mark.parametrize("end", ["tear", "half-close", "dismiss"])
def test_nothing_is_left_of_who_ends_while_it_is_behind(house: House, end: str) -> None:
    nina, slow = program(house, "nina"), program(house, "slow")
    slow.post("say", room="lobby", text="mine")
    overwhelm(house, slow, nina)
    if end == "half-close":
        slow.transport.end()
        recover(house, slow)
        assert slow.transport.closed
    elif end == "dismiss":
        slow.transport.protocol.dismiss("You are not wanted.", Code.KICKED)
        slow.transport.start_reading()
        slow.transport.end()
    else:
        slow.transport.tear()
    house.settle()
    assert "slow" not in house.present
    assert not house.laggards._laggards
    assert not house.laggards._ready
    assert house.chat.audience._lags == {}  # type: ignore[attr-defined]
    assert all(not desk.behind for desk in house.chat.audience._desks.values())  # type: ignore[attr-defined]
    assert not house.clock.getDelayedCalls()
