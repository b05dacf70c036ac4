from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.core.limits import Limits
from tests.house import House, Script

HEAD = 30


@pytest.fixture(scope="module")
def reader() -> Script:
    house = House(Limits(page_entries=12, tail_entries=8), trusted=(ip_network("192.0.2.0/24"),))
    nina = Script(house, "nina")
    nina.enter("lobby")
    for number in range(1, HEAD + 1):
        nina.say("lobby", f"entry {number}")
    house.settle()
    return nina


def numbers(page: dict[str, Any]) -> list[int]:
    assert [f"entry {entry['seq']}" for entry in page["entries"]] == [entry["text"] for entry in page["entries"]]
    return [entry["seq"] for entry in page["entries"]]


@given(before=st.integers(0, 40), limit=st.integers(0, 20))
def test_before(reader: Script, before: int, limit: int) -> None:
    page = reader.ask("history", room="lobby", before=before, limit=limit)
    expected = [seq for seq in range(1, HEAD + 1) if seq < before][-min(limit, 12) :] if limit else []
    assert numbers(page) == expected
    assert page["more"] is bool(expected and expected[0] > 1)


@given(after=st.integers(0, 40), limit=st.integers(0, 20))
def test_after(reader: Script, after: int, limit: int) -> None:
    page = reader.ask("history", room="lobby", after=after, limit=limit)
    expected = [seq for seq in range(1, HEAD + 1) if seq > after][: min(limit, 12)]
    assert numbers(page) == expected
    assert page["more"] is bool(expected and expected[-1] < HEAD)


@given(around=st.integers(0, 40), limit=st.integers(1, 20))
def test_around(reader: Script, around: int, limit: int) -> None:
    page = reader.ask("history", room="lobby", around=around, limit=limit)
    found = numbers(page)
    assert found == sorted(found)
    assert len(found) <= min(limit, 12)
    if 1 <= around <= HEAD:
        assert around in found


def test_the_newest_when_nothing_is_said(reader: Script) -> None:
    assert numbers(reader.ask("history", room="lobby", limit=3)) == [28, 29, 30]
    assert numbers(reader.ask("history", room="lobby")) == list(range(19, 31))


def test_two_directions_at_once_are_refused(reader: Script) -> None:
    with pytest.raises(Exception, match="only one of before, after and around"):
        reader.ask("history", room="lobby", before=3, after=4)


def test_joining_shows_the_last_entries_or_those_after_a_number(reader: Script) -> None:
    late = Script(reader.house, "late")
    assert numbers(late.ask("join", room="lobby", last=2)) == [29, 30]
    page = late.ask("join", room="lobby", after=5)
    assert numbers(page) == list(range(6, 18))
    assert page["more"] is True
    page = late.ask("join", room="lobby", after=HEAD)
    assert numbers(page) == []
    assert page["more"] is False
    assert page["head"] == HEAD


def test_what_is_committed_while_the_page_is_read_is_not_missed() -> None:
    house = House(Limits(tail_entries=4))
    nina = Script(house, "nina")
    nina.enter("tea")
    for number in range(1, 11):
        nina.say("tea", f"entry {number}")
    house.settle()
    late = Script(house, "late")
    late.send("join", room="tea", last=8)
    nina.say("tea", "entry 11")
    house.store.commit()
    house.store.read()
    house.settle()
    nina.say("tea", "entry 12")
    house.settle()
    late.transport.receive(b'{"op":"ping","id":1}\n')
    assert late.heard() == ["nina in tea: entry 12"]


def test_a_join_and_what_follows_have_no_gap_however_they_are_interleaved() -> None:
    for committed_before_read in (True, False):
        house = House(Limits(tail_entries=4))
        nina = Script(house, "nina")
        nina.enter("tea")
        for number in range(1, 11):
            nina.say("tea", f"entry {number}")
        house.settle()
        late = Script(house, "late")
        late.transport.receive(b'{"op":"join","id":"j","data":{"room":"tea","last":8}}\n')
        for number in range(11, 14):
            nina.say("tea", f"entry {number}")
        for step in (
            (house.store.commit, house.store.read)
            if committed_before_read
            else (
                house.store.read,
                house.store.commit,
            )
        ):
            step()
        house.settle()
        nina.say("tea", "entry 14")
        house.settle()
        lines = late.take()
        reply = next(line for line in lines if line.get("id") == "j")
        seen = [entry["seq"] for entry in reply["data"]["entries"]]
        seen += [line["data"]["seq"] for line in lines if line["op"] == "message"]
        assert seen == list(range(seen[0], 15))


def test_a_direct_conversation_is_read_by_its_two_only() -> None:
    house = House()
    nina, bob, eve = (Script(house, name) for name in ("nina", "bob", "eve"))
    sent = nina.ask("tell", to="bob", text="psst")
    page = bob.ask("history", room=sent["room"])
    assert [(entry["from"], entry["with"], entry["text"]) for entry in page["entries"]] == [("nina", "nina", "psst")]
    assert nina.ask("history", room=sent["room"])["entries"][0]["with"] == "bob"
    with pytest.raises(Exception, match="There is no room called"):
        eve.ask("history", room=sent["room"])


def test_the_next_guest_of_a_name_does_not_read_the_last_ones_conversations() -> None:
    house = House()
    nina, bob = Script(house, "nina"), Script(house, "bob")
    room = nina.ask("tell", to="bob", text="for the first bob")["room"]
    bob.ask("logout")
    second = Script(house, "bob")
    with pytest.raises(Exception, match="There is no room called"):
        second.ask("history", room=room)
    assert nina.ask("tell", to="bob", text="hello, second")["room"] != room
    assert nina.ask("history", room=room)["entries"][0]["text"] == "for the first bob"
