from __future__ import annotations

import pytest

from tcpchat.core.commands import Complete
from tcpchat.core.limits import Limits
from tcpchat.errors import ChatError
from tcpchat.wire.completion import complete, is_begun
from tests.client.guest import Guest
from tests.house import House, Script, Terminal


@pytest.mark.parametrize(
    ("line", "begun"),
    [
        ("/jo\t", True),
        (" :p\t", True),
        (":RM te\t", True),
        ("hi\t", False),
        ("/jo", False),
        # Speech, too: as without the Tab.
        (":)\t", False),
        (":p \t", False),
        ("//etc\t", False),
        ("\t", False),
    ],
)
def test_a_tab_at_the_end_of_a_command_asks(line: str, begun: bool) -> None:
    assert is_begun(line) is begun


def test_the_table_says_what_may_come_where() -> None:
    assert complete("/IG\t") == ["/ignore", "/ignored"]
    assert complete(":l\t\t") == [":lr", ":lrs", ":lru"]
    assert complete("/join \t") == Complete("room", "")
    assert complete("/join  te\t") == Complete("room", "te")
    assert complete("/MSG ni\t") == Complete("user", "ni")
    assert complete("/say tea\t") == Complete("room", "tea")
    for line in ("/say tea he\t", "/msg nina \t", "/quit \t", "/nick a\t", "/nothing a\t"):
        with pytest.raises(ChatError, match="There is nothing to complete there"):
            complete(line)
    with pytest.raises(ChatError, match="No command begins with /zz"):
        complete("/\x1bzz\t")


def test_a_person_is_told_how_a_line_may_go_on() -> None:
    house = House(Limits(completions=2))
    nina = Terminal(house, "nina")
    Script(house, "Nick")
    script = Script(house, "bob")
    script.ask("create", room="Nook")
    for line, told in {
        "/wh\t": "It could be: /who, /whois, /why.",
        "/whois N\t": "It could be: Nick, nina.",
        "/msg \t": "It could be: bob, Nick and more.",
        "/join nO\t": "It could be: Nook.",
        "/join x\t": "Nothing begins so.",
        "/jion\t": "No command begins with /jion.",
    }.items():
        nina.type(line)
        assert nina.take() == [told]
    nina.type("speech\t")
    assert nina.take() == ["nina: speech"]
    assert script.ask("complete", kind="user", prefix="NI") == {"names": ["Nick", "nina"], "more": False}
    with pytest.raises(ChatError, match="kind is wrong"):
        script.ask("complete", kind="planet", prefix="m")


def test_the_line_client_does_the_same() -> None:
    house = House()
    guest = Guest(house.clock, "tina")
    guest.connect(house)
    guest.take()
    guest.type("/wh\t", "/whois t\t")
    guest.pump(house)
    assert guest.take() == ["It could be: /who, /whois, /why.", "It could be: tina."]
