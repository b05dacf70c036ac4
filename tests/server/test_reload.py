"""What follows other settings in a running daemon, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from twisted.python.failure import Failure

from tcpchat.core.commands import Ping
from tcpchat.core.entries import PersonId
from tcpchat.core.limits import Limits
from tcpchat.errors import ChatError
from tcpchat.server.live import Live
from tcpchat.server.pace import Paces
from tcpchat.server.reload import Reloader
from tcpchat.server.settings import Settings, read_settings
from tcpchat.server.tls import Security
from tcpchat.server.turns import Turns
from tcpchat.server.watch import CertificateWatch
from tests.house import House, Script, Terminal


def test_the_bounds_of_speech_and_rooms_change_for_who_is_there() -> None:
    house = House()
    script = Script(house, "jason")
    script.enter("lobby")
    script.ask("say", room="lobby", text="x" * 100)
    house.chat.limits.become(Limits(text_bytes=50, rooms_per_person=1))
    with pytest.raises(ChatError, match="at most 50 are allowed"):
        script.ask("say", room="lobby", text="x" * 100)
    with pytest.raises(ChatError, match="1 room"):
        script.ask("join", room="tea")
    house.chat.limits.become(Limits())
    script.ask("say", room="lobby", text="x" * 100)


def test_the_speed_of_a_connection_changes_while_it_lasts() -> None:
    limits, now = Limits(command_burst=2, commands_per_second=1), 0.0
    pace = Paces(lambda: now, limits).pace("192.0.2.1")
    assert [pace.take(Ping(), None) for _ in range(3)] == [None, None, pytest.approx(1)]
    now = 10.0
    limits.become(replace(limits, commands_per_second=10))
    assert [pace.take(Ping(), None) for _ in range(3)] == [None, None, pytest.approx(0.1)]
    now = 20.0
    limits.become(replace(limits, command_burst=5))
    assert [pace.take(Ping(), None) for _ in range(5)] == [None] * 5
    assert pace.take(Ping(), None) is not None


def test_the_speed_of_an_account_and_the_coming_of_connections_change() -> None:
    house = House(Limits(connection_burst=1, account_burst=1, account_commands_per_second=1))
    paces = house.factory.admission.paces
    assert [paces.accounts.take(PersonId(1), 1) for _ in range(2)] == [0, pytest.approx(1)]
    Script(house, "anna")
    assert house.connect().write_closed
    house.chat.limits.become(Limits(connection_burst=5, account_burst=5, account_commands_per_second=1))
    house.factory.admission.limits_changed()
    assert [paces.accounts.take(PersonId(1), 1) for _ in range(4)] == [0, 0, 0, pytest.approx(1)]
    assert not house.connect().write_closed


def test_how_many_may_connect_from_one_address_changes() -> None:
    house = House(Limits(connections_per_address=2))
    Script(house, "anna")
    Script(house, "bob")
    assert house.connect().write_closed
    house.chat.limits.become(Limits(connections_per_address=4))  # the refused one is not gone yet
    late = house.connect()
    assert not late.write_closed
    house.chat.limits.become(Limits(connections_per_address=1))
    assert not late.write_closed
    assert house.connect().write_closed


def test_trust_counts_for_who_connects_from_then_on() -> None:
    house = House(Limits(connections_per_address=1))
    Script(house, "anna")
    assert house.connect().write_closed
    house.factory.connections.trusted = (ip_network("192.0.2.0/24"),)
    assert not house.connect().write_closed


def test_what_may_wait_for_a_check_changes() -> None:
    turns: Turns[int] = Turns(1, 1, 2)
    assert turns.add("a", "a", 0)
    assert not turns.add("a", "a", 1)
    turns.for_each, turns.total = 2, 3
    assert turns.add("a", "a", 1)
    assert turns.add("b", "b", 0)
    assert not turns.add("c", "c", 0)


def test_a_smaller_tail_loses_nothing() -> None:
    house = House()
    nina = Terminal(house, "nina")
    for number in range(10):
        nina.say("lobby", f"number {number}")
    house.settle()
    house.chat.limits.become(Limits(tail_entries=3))
    nina.say("lobby", "number 10")
    house.settle()
    nina.take()
    nina.type("/history")
    shown = nina.take()
    assert [f"number {number}" in "\n".join(shown) for number in range(11)] == [True] * 11


class Threads:
    """A reactor whose threads do what they are given when they are told to."""

    def __init__(self) -> None:
        self.work: deque[Callable[[], None]] = deque()

    def getThreadPool(self) -> Threads:
        return self

    def callInThreadWithCallback(self, done: Callable[..., None], call: Callable[..., Any], *args: Any) -> None:
        def run() -> None:
            try:
                result = call(*args)
            except Exception:
                done(False, Failure())
            else:
                done(True, result)

        self.work.append(run)

    def callFromThread(self, call: Callable[..., None], *args: Any) -> None:
        call(*args)


class Reloading:
    """A house with a file of settings, that is read anew when the threads are let."""

    def __init__(self, directory: Path) -> None:
        self.house = House()
        self.threads = Threads()
        self.levels: list[str] = []
        self.file = directory / "chat.toml"
        self.file.write_text("")
        watch = CertificateWatch([], self.threads)
        live = Live(self.house.chat, self.house.factory, watch, directory, None, self.levels.append)
        self._directory = directory
        self.reloader = Reloader(self.read, self.read(), live, self.threads)

    def read(self) -> Settings:
        return read_settings({"config": str(self.file)}, {}, self._directory)

    def reload(self, text: str) -> None:
        self.file.write_text(text)
        self.reloader.reload()
        self.run()

    def run(self) -> None:
        while self.threads.work:
            self.threads.work.popleft()()


@pytest.fixture
def reloading(tmp_path: Path) -> Reloading:
    return Reloading(tmp_path)


def test_everything_that_is_live_is_adopted(reloading: Reloading) -> None:
    house = reloading.house
    reloading.reload(
        'trust = ["10.0.0.0/8"]\nguests = false\nlog_level = "warn"\nrequire_tls = true\ntls_self_signed = true\n'
        "[limits]\nrooms = 5\n"
    )
    assert house.factory.connections.trusts("10.1.2.3")
    assert house.chat.policy.guests is False
    assert house.chat.limits.rooms == 5
    assert reloading.levels == ["warn"]
    assert house.factory.security.required
    assert house.factory.security.tls is not None
    reloading.reload("")
    assert not house.factory.connections.trusts("10.1.2.3")
    assert house.chat.policy.guests
    assert house.chat.limits == Limits()
    assert house.factory.security == Security()


def test_a_mistake_leaves_everything_as_it_is(reloading: Reloading) -> None:
    house = reloading.house
    before = (house.chat.identity, house.chat.policy, replace(house.chat.limits), house.factory.security)
    reloading.reload("guests = false\nrequire_tls = true\n[limits]\nrooms = 5\n")
    assert before == (house.chat.identity, house.chat.policy, house.chat.limits, house.factory.security)
    assert reloading.levels == []


def test_a_request_while_one_is_under_way_is_not_lost(reloading: Reloading) -> None:
    reloading.reloader.reload()
    first = reloading.threads.work.popleft()
    reloading.file.write_text("[limits]\nrooms = 5\n")
    reloading.reloader.reload()
    reloading.reloader.reload()
    assert not reloading.threads.work, "two at once could be adopted in the wrong order"
    reloading.file.write_text("[limits]\nrooms = 6\n")
    first()
    reloading.file.write_text("[limits]\nrooms = 7\n")
    assert len(reloading.threads.work) == 1
    reloading.run()
    assert reloading.house.chat.limits.rooms == 7
