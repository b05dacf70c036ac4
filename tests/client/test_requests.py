"""What the line client has asked and knows no answer to."""

from __future__ import annotations

from twisted.internet.task import Clock

from tests.client.guest import Guest, serve


def test_what_was_under_way_when_the_connection_broke_is_said_to_be_unknown() -> None:
    guest = Guest(Clock())
    serve(guest)
    guest.type("hello", "/who")
    guest.lose()
    assert guest.take() == ["It is not known whether this was sent: hello"]


def test_a_pipe_reads_no_more_while_much_is_unanswered() -> None:
    guest = Guest(Clock(), interactive=False)
    serve(guest)
    guest.type(*(f"line {number}" for number in range(199)))
    assert guest.screen.reading
    guest.type("one more")
    assert not guest.screen.reading
    for number, asked in enumerate(guest.asked(), 1):
        assert guest.screen.reading == (number > 100)
        guest.tell({"op": "say", "id": asked["id"], "status": "ok", "data": {"room": "lobby", "seq": number, "at": 0}})
