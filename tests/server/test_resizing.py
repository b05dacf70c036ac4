"""Lines as wide as a terminal that is resized in the middle of the talk, and telnet's answers between them."""

from __future__ import annotations

from tcpchat.core.limits import Limits
from tests.house import House, Script, Terminal

WILL_NAWS = b"\xff\xfb\x1f"
QUESTIONS = b"\xff\xfd\x1f\xff\xfd\x18"
LONG = "one two three four five six seven"


def size(columns: int) -> bytes:
    return b"\xff\xfa\x1f" + columns.to_bytes(2, "big") + b"\x00\x18\xff\xf0"


def wide(house: House, name: str, columns: int) -> Terminal:
    """Return a person in a telnet that tells its width before the name."""
    terminal = Terminal(house)
    terminal.transport.receive(WILL_NAWS + size(columns))
    assert terminal.transport.take().endswith(QUESTIONS)
    terminal.type(name)
    terminal.take()
    return terminal


def test_each_reads_in_its_own_width() -> None:
    house = House()
    nina, bob, nick = wide(house, "nina", 20), wide(house, "bob", 30), Terminal(house, "nick")
    for person in (nina, bob, nick):
        person.take()
    script = Script(house, "jason")
    script.enter("lobby")
    script.say("lobby", LONG)
    house.settle()
    assert nina.take()[1:] == ["jason: one two three", "  four five six", "  seven"]
    assert bob.take()[1:] == ["jason: one two three four five", "  six seven"]
    assert nick.take()[1:] == [f"jason: {LONG}"]


def test_a_resize_between_two_messages_loses_nothing_and_repeats_nothing() -> None:
    house = House()
    nina, bob = wide(house, "nina", 30), Terminal(house, "bob")
    nina.enter("tea")  # so that she reads one room as the current one, and one as another
    house.settle()
    nina.take()
    bob.say("lobby", f"1 {LONG}")
    # What is published and not flushed is still of the old width.
    house.store.commit()
    nina.transport.receive(size(40))
    house.clock.advance(0)
    bob.say("lobby", f"2 {LONG}")
    house.settle()
    nina.say("tea", f"3 {LONG}")
    house.settle()
    nina.transport.receive(size(0))
    bob.say("lobby", f"4 {LONG}")
    house.settle()
    assert nina.take() == [
        "bob in lobby: 1 one two three",
        "  four five six seven",
        "bob in lobby: 2 one two three four five",
        "  six seven",
        "nina: 3 one two three four five six",
        "  seven",
        f"bob in lobby: 4 {LONG}",
    ]


def test_what_is_pending_at_a_resize_is_read_once_and_first() -> None:
    house = House()
    nina, bob = wide(house, "nina", 24), Terminal(house, "bob")
    nina.take()
    bob.transport.receive(b"/leave\n")  # published, and flushed in the reactor's next turn only
    nina.transport.receive(size(60))
    carl = Terminal(house, "carl")
    assert nina.take() == ["bob left lobby.", "carl joined lobby."]
    assert carl.take() == []


def test_what_everybody_hears_and_answers_go_by_the_new_width_too() -> None:
    house = House()
    nina, bob = wide(house, "nina", 80), Terminal(house, "bob")
    bob.type("/create a-room-with-a-long-name")
    nina.transport.receive(size(24))
    nina.take()
    bob.type("/delete a-room-with-a-long-name")
    assert nina.take() == ["The room", "  a-room-with-a-long-nam", "  e was deleted."]
    nina.type("/help ping")
    assert all(len(line) <= 24 for line in nina.take())
    nina.transport.receive(size(30))
    house.hub.close()
    for connection in house.factory.connections:
        connection.dismiss("The server is very probably shutting down.", None)  # type: ignore[arg-type]
    assert nina.take()[-2:] == ["The server is very probably", "  shutting down."]


def test_telnet_is_answered_at_once_and_nobody_else_sees_a_byte_of_it() -> None:
    house = House()
    nina, nick = Terminal(house, "nina"), Terminal(house, "nick")
    nina.take()
    nina.transport.receive(b"hel\xff\xfb\x22lo\n")
    assert nina.transport.take() == b"\xff\xfe\x22" + QUESTIONS
    house.settle()
    assert nina.transport.take() == nick.transport.take() == b"nina: hello\r\n"


def test_a_telnet_that_sends_each_key_is_understood() -> None:
    house = House()
    nina = wide(house, "nina", 80)
    for key in b"helo\x7flo\b\bo!":
        nina.transport.receive(bytes([key]))
    nina.transport.receive(b"\r")
    nina.transport.receive(b"\0")
    house.settle()
    assert nina.take() == ["nina: helo!"]


def test_a_flood_of_proposals_before_login_is_too_much_as_any_other() -> None:
    house = House(Limits(early_bytes=10_000))
    nina = Terminal(house)
    for _ in range(20):
        if not nina.transport.write_closed:
            nina.transport.receive(b"\xff\xfd\x07" * 300)
    assert nina.transport.write_closed
    assert len(nina.transport.take()) < 11_000


def test_a_script_that_was_greeted_for_its_silence_is_not_negotiated_with() -> None:
    house = House()
    script = Script(house)
    house.clock.advance(2)
    script.transport.take()
    script.ask("login", name="jason")
    assert script.take() == []
