from __future__ import annotations

from twisted.internet.task import Clock

from tcpchat.core.limits import Limits
from tcpchat.server.handshakes import Handshakes, Place


class Door:
    """Handshakes that begin, and the names of those that did."""

    def __init__(self, limits: Limits) -> None:
        self.clock = Clock()
        self.handshakes = Handshakes(self.clock, limits)
        self.begun: list[str] = []
        self.expired: list[str] = []

    def enter(self, name: str, network: str) -> Place:
        place = self.handshakes.place(network)
        place.enter(lambda: self.begun.append(name), lambda: self.expired.append(name))
        return place


def test_so_many_of_each_network_and_of_all_and_networks_take_turns() -> None:
    door = Door(Limits(handshakes=3, handshakes_per_address=2))
    places = {name: door.enter(name, name[0]) for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1")}
    assert door.begun == ["a1", "a2", "b1"]
    places["a1"].leave()
    assert door.begun[3:] == ["a3"]
    places["b1"].leave()
    places["a2"].leave()
    assert door.begun[4:] == ["b2", "c1"]
    places["a3"].leave()
    assert door.begun[6:] == ["a4"]


def test_who_has_gone_leaves_its_place_once_whether_it_had_begun_or_not() -> None:
    door = Door(Limits(handshakes=1))
    first, second, third = (door.enter(name, name) for name in ("a", "b", "c"))
    second.leave()
    first.leave()
    first.leave()
    assert door.begun == ["a", "c"]
    third.leave()
    for name in "def":
        door.enter(name, name).leave()
    assert door.begun == list("acdef")
    assert door.clock.getDelayedCalls() == []


def test_who_stalls_is_told_so() -> None:
    door = Door(Limits(handshake_seconds=20))
    door.enter("a", "a")
    door.clock.advance(19)
    assert door.expired == []
    door.clock.advance(2)
    assert door.expired == ["a"]


def test_very_many_that_fail_at_once_are_no_deep_recursion() -> None:
    door = Door(Limits(handshakes=1))
    first = door.enter("first", "a")
    for _ in range(5_000):
        place = door.handshakes.place("b")
        place.enter(place.leave, lambda: None)
    last = door.enter("last", "c")
    first.leave()
    assert door.begun == ["first", "last"]
    last.leave()
