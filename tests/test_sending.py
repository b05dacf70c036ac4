"""Sending once: what has a client_id is said once, however often and from wherever it is sent."""

from __future__ import annotations

from typing import Any

import pytest

from tcpchat.core.limits import Limits
from tcpchat.core.server_state import Emergency
from tcpchat.errors import ChatError, Code
from tests.house import House, Script

SECRET = "correct horse"
DAY_SECONDS = 86_400


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def nina(house: House) -> Script:
    """Somebody with an account, in tea."""
    nina = Script(house)
    nina.ask("register", name="nina", password=SECRET)
    nina.ask("join", room="tea")
    return nina


@pytest.fixture
def bob(house: House, nina: Script) -> Script:
    """A guest, the owner of attic, in tea."""
    bob = Script(house, "bob", host="198.51.100.7")
    bob.ask("join", room="attic")
    bob.ask("join", room="tea")
    bob.take()
    nina.take()
    return bob


def again(house: House, name: str = "nina") -> Script:
    """Return another connection of an account."""
    script = Script(house)
    script.ask("login", name=name, password=SECRET)
    return script


def refusal(person: Script, op: str, **data: Any) -> ChatError:
    with pytest.raises(ChatError) as refused:
        person.ask(op, **data)
    return refused.value


def replies(person: Script) -> list[Any]:
    """Return what was answered: the data of a reply, or the code of a refusal."""
    answers = [line for line in person.take() if "status" in line]
    return [line["data"] if line["status"] == "ok" else line["error"]["code"] for line in answers]


def declare(house: House, level: Emergency) -> None:
    """Let there be an emergency, or none."""
    house.chat.server.emergency = level
    house.chat.server.settle()


TEA = {"room": "tea", "text": "hello", "client_id": "a-1"}


@pytest.mark.parametrize(
    ("op", "data"),
    [
        ("say", {"room": "tea", "text": "hello"}),
        ("say", {"room": "tea", "text": "waves", "action": True}),
        ("tell", {"to": "bob", "text": "psst"}),
        ("msg", {"text": "hello"}),
        ("reply", {"text": "yes?"}),
    ],
)
def test_a_repeat_gets_the_first_answer_and_says_nothing(
    house: House, nina: Script, bob: Script, op: str, data: dict[str, Any]
) -> None:
    bob.ask("join", room="lobby")
    bob.ask("tell", to="nina", text="are you there?")
    first = nina.ask(op, **data, client_id="a-1")
    house.clock.advance(5)
    bob.take()
    nina.take()
    assert nina.ask(op, **data, client_id="a-1") == first
    assert again(house).ask(op, **data, client_id="a-1") == first
    assert not [line for line in [*nina.take(), *bob.take()] if line["op"] == "message"]


def test_without_an_id_each_is_a_message_of_its_own(house: House, nina: Script) -> None:
    assert [nina.ask("say", room="tea", text="hello")["seq"] for _ in range(2)] == [1, 2]


def test_another_id_is_another_message_and_so_is_the_same_of_another_person(
    house: House, nina: Script, bob: Script
) -> None:
    assert nina.ask("say", **TEA)["seq"] == 1
    assert nina.ask("say", **TEA | {"client_id": "a-2"})["seq"] == 2
    assert bob.ask("say", **TEA)["seq"] == 3


def test_a_repeat_joins_the_one_that_is_pending(house: House, nina: Script, bob: Script) -> None:
    other = again(house)
    nina.post("say", **TEA)
    other.post("say", **TEA)
    nina.post("say", **TEA)
    house.settle()
    answers = replies(nina) + replies(other)
    assert len(answers) == 3
    assert answers.count(answers[0]) == 3
    assert bob.heard() == ["nina in tea: hello"]


def test_what_fails_is_told_to_all_who_sent_it_and_may_be_sent_again(house: House, nina: Script) -> None:
    other = again(house)
    house.store.failing = True
    nina.post("say", **TEA)
    other.post("say", **TEA)
    house.settle()
    assert replies(nina) == replies(other) == ["store-failed"]
    house.store.failing = False
    assert nina.ask("say", **TEA)["seq"] == 1
    other.ask("join", room="tea")
    assert other.ask("say", **TEA)["seq"] == 1


def test_a_repeat_without_a_request_id_is_as_silent_as_the_first(house: House, nina: Script, bob: Script) -> None:
    nina.send("say", **TEA)
    nina.send("say", **TEA)
    house.settle()
    assert replies(nina) == []
    assert bob.heard() == ["nina in tea: hello"]
    nina.send("say", **TEA | {"text": "another"})
    house.settle()
    assert replies(nina) == ["client-id-reused"]


@pytest.mark.parametrize(
    ("op", "data"),
    [
        ("say", {"room": "tea", "text": "hello!"}),
        ("say", {"room": "attic", "text": "hello"}),
        ("say", {"room": "tea", "text": "hello", "action": True}),
        ("tell", {"to": "bob", "text": "hello"}),
        ("msg", {"text": "hello"}),
    ],
)
def test_an_id_is_good_for_one_message(house: House, nina: Script, bob: Script, op: str, data: dict[str, Any]) -> None:
    nina.ask("join", room="attic")
    nina.ask("say", **TEA)
    bob.take()
    error = refusal(nina, op, **data, client_id="a-1")
    assert error.code is Code.CLIENT_ID_REUSED
    assert "tea:1" in error.text
    assert bob.heard() == []


@pytest.mark.parametrize("client_id", ["", "x" * 65, "tüte", "a\tb", "a\x00", "a\n"])
def test_an_id_is_a_short_line_of_ascii(house: House, nina: Script, client_id: str) -> None:
    error = refusal(nina, "say", room="tea", text="hello", client_id=client_id)
    assert (error.code, error.text) == (
        Code.BAD_FIELD,
        "A client_id is 1 to 64 characters of printable ASCII: this was not sent.",
    )
    for fit in ("x" * 64, " ", "~", "a b "):
        nina.ask("say", room="tea", text="hello", client_id=fit)
    assert refusal(nina, "say", room="tea", text="hello", client_id=7).code is Code.BAD_FIELD


def test_a_guest_s_ids_end_with_its_session(house: House, bob: Script) -> None:
    assert bob.ask("say", **TEA)["seq"] == 1
    bob.ask("logout")
    bob.ask("login", name="bob")
    bob.ask("join", room="tea")
    assert bob.ask("say", **TEA)["seq"] == 2


def test_what_was_accepted_is_answered_whatever_stands_against_it_now(house: House, nina: Script, bob: Script) -> None:
    nina.ask("join", room="attic")
    data = {"room": "attic", "text": "hello", "client_id": "a-1"}
    first = nina.ask("say", **data)

    def holds(code: Code) -> bool:
        fresh = refusal(nina, "say", **data | {"client_id": "new"})
        return fresh.code is code and nina.ask("say", **data) == first

    bob.ask("mute", room="attic", user="nina")
    assert holds(Code.MUTED)
    declare(house, Emergency.READ_ONLY)
    assert holds(Code.EMERGENCY)
    house.hub.space_known(0)
    assert holds(Code.LOW_SPACE)
    house.hub.space_known(None)
    declare(house, Emergency.OFF)
    nina.ask("leave", room="attic")
    assert holds(Code.NOT_IN_ROOM)
    bob.ask("ban", room="attic", user="nina")
    assert holds(Code.NOT_IN_ROOM)


def test_a_direct_message_is_answered_though_the_other_has_gone(house: House, nina: Script, bob: Script) -> None:
    data = {"to": "bob", "text": "psst", "client_id": "a-1"}
    first = nina.ask("tell", **data)
    assert bob.heard() == ["nina to bob: psst"]
    bob.ask("logout")
    assert nina.ask("tell", **data) == first
    assert refusal(nina, "tell", **data | {"client_id": "a-2"}).code is Code.NO_SUCH_USER
    bob.ask("login", name="bob")  # somebody else, to whom this was not said
    assert nina.ask("tell", **data) == first
    house.settle()
    assert bob.heard() == []


def test_an_answer_goes_to_whom_it_went_whoever_has_written_since(house: House, nina: Script, bob: Script) -> None:
    bob.ask("tell", to="nina", text="one")
    first = nina.ask("reply", text="yes", client_id="a-1")
    Script(house, "carl").ask("tell", to="nina", text="two")
    assert nina.ask("reply", text="yes", client_id="a-1") == first
    assert again(house).ask("reply", text="yes", client_id="a-1") == first


def test_in_a_room_that_is_deleted_nothing_is_said_again(house: House, nina: Script, bob: Script) -> None:
    data = {"room": "attic", "text": "hello", "client_id": "a-1"}
    nina.ask("join", room="attic")
    nina.ask("say", **data)
    bob.ask("delete", room="attic")
    assert refusal(nina, "say", **data).code is Code.NO_SUCH_ROOM
    nina.ask("join", room="attic")
    error = refusal(nina, "say", **data)
    assert (error.code, "is deleted" in error.text) == (Code.NO_SUCH_ROOM, True)
    error = refusal(nina, "say", **data | {"text": "another"})
    assert (error.code, "attic" in error.text) == (Code.CLIENT_ID_REUSED, False)
    assert nina.ask("history", room="attic")["entries"] == []


def test_repeats_don_t_count_as_repetition(house: House) -> None:
    house = House(Limits(repeats=2))
    nina = Script(house, "nina")
    nina.ask("join", room="tea")
    first = nina.ask("say", **TEA)
    assert [nina.ask("say", **TEA) for _ in range(5)] == [first] * 5
    assert nina.ask("say", room="tea", text="hello")["seq"] == 2
    assert refusal(nina, "say", room="tea", text="hello").code is Code.REPEATED
    assert nina.ask("say", **TEA) == first


def test_repeats_don_t_count_in_a_slow_room(house: House, nina: Script, bob: Script) -> None:
    bob.ask("room-set", room="attic", slow=10)
    nina.ask("join", room="attic")
    data = {"room": "attic", "text": "hello", "client_id": "a-1"}
    first = nina.ask("say", **data)
    assert nina.ask("say", **data) == first  # though it is too soon for another
    house.clock.advance(11)
    assert nina.ask("say", **data) == first
    assert nina.ask("say", room="attic", text="more")["seq"] == 3  # after the deed that made it slow
    assert nina.ask("say", **data) == first
    assert refusal(nina, "say", room="attic", text="too much").code is Code.SLOW_MODE


def test_what_was_refused_first_is_sent_by_the_next_try(house: House, nina: Script, bob: Script) -> None:
    data = {"room": "attic", "text": "hello", "client_id": "a-1"}
    assert refusal(nina, "say", **data).code is Code.NOT_IN_ROOM
    nina.ask("join", room="attic")
    assert nina.ask("say", **data)["seq"] == 1


def test_why_tells_of_a_refusal_of_what_has_an_id(house: House, nina: Script, bob: Script) -> None:
    nina.ask("join", room="attic")
    bob.ask("mute", room="attic", user="nina")
    refusal(nina, "say", room="attic", text="hello", client_id="a-1")
    assert nina.ask("why")["rule"] == "muted"


def test_answers_keep_the_order_of_what_was_sent(house: House, nina: Script) -> None:
    nina.ask("say", **TEA)
    nina.post("say", room="tea", text="two", client_id="a-2")
    nina.post("say", **TEA)
    nina.post("say", room="elsewhere", text="never", client_id="a-3")
    nina.post("say", room="tea", text="three")
    nina.post("ping")
    house.settle()
    numbers = [one["seq"] if isinstance(one, dict) and "seq" in one else one for one in replies(nina)]
    assert numbers == [2, 1, "no-such-room", 3, {}]


def test_what_is_committed_is_acknowledged_though_the_server_became_read_only(house: House, nina: Script) -> None:
    nina.post("say", **TEA)
    declare(house, Emergency.READ_ONLY)
    house.settle()
    assert [answer["seq"] for answer in replies(nina)] == [1]


@pytest.mark.parametrize("days", [1, 7])
def test_ids_are_kept_for_days(days: int) -> None:
    house = House(Limits(client_id_days=days))
    nina = Script(house, "nina")
    nina.ask("join", room="tea")
    first = nina.ask("say", **TEA)

    def later(seconds: float) -> None:
        house.clock.advance(seconds)
        house.hub.tick()
        house.settle()

    later(days * DAY_SECONDS - 60)
    assert nina.ask("say", **TEA) == first
    later(120)  # within the hour nobody looks
    assert nina.ask("say", **TEA) == first
    later(3_600)
    assert nina.ask("say", **TEA)["seq"] == 2
