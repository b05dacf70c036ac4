"""The admin socket: who is let in, what is spoken there, and its file."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import ServerFactory
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure

from tcpchat.core.limits import Limits
from tcpchat.errors import StartError
from tcpchat.server.adminsocket import (
    AdminPort,
    NoAdminSocket,
    listen_admin,
    peer_user,
    user_name,
)
from tests.house import House, Script, Terminal
from tests.transport import MemoryTransport

STRANGER = 54_321


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def events() -> Iterator[EventLoggingObserver]:
    observer = EventLoggingObserver()
    globalLogPublisher.addObserver(observer)
    yield observer
    globalLogPublisher.removeObserver(observer)


def connect(house: House, user: int = 0) -> MemoryTransport:
    return house.connect(user=user)


def ask(house: House, transport: MemoryTransport, op: str) -> object:
    transport.receive(json.dumps({"op": op, "id": 1}).encode() + b"\n")
    house.settle()
    return json.loads(transport.take())["status"]


@pytest.mark.parametrize("user", [0, os.geteuid()])
def test_root_and_the_daemon_s_own_user_are_the_operator(house: House, user: int) -> None:
    transport = connect(house, user)
    assert ask(house, transport, "sessions") == "ok"
    transport.receive(b'{"op":"broadcast","id":2,"data":{"text":"x"}}\n')
    house.settle()
    assert [one.by for one in house.store.audit] == [f"operator ({user_name(user)})"]


def test_anybody_else_is_told_so_and_noted(house: House, events: EventLoggingObserver) -> None:
    transport = connect(house, STRANGER)
    [told] = map(json.loads, transport.take().splitlines())
    assert told["op"] == "notice"
    assert told["data"]["code"] == "not-allowed"
    assert transport.write_closed
    transport.receive(b'{"op":"sessions","id":1}\n')
    house.settle()
    assert transport.take() == b""
    assert [event["uid"] for event in events if event.get("uid")] == [STRANGER]


def test_a_person_is_told_of_the_tool_for_people(house: House) -> None:
    transport = connect(house)
    transport.receive(b"hello\n")
    house.settle()
    assert (
        transport.take() == b"This socket is for programs that speak JSON lines. For people there is tcpchat-admin.\n"
    )
    assert transport.write_closed


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\xff\xfb\x01"])
def test_nothing_else_is_spoken(house: House, first: bytes) -> None:
    transport = connect(house)
    transport.receive(first)
    assert transport.take().startswith(b"This socket is for programs")
    assert transport.write_closed


def test_the_operator_has_all_the_time_and_hears_what_is_spoken(house: House) -> None:
    transport = connect(house)
    house.clock.advance(2)
    [told] = map(json.loads, transport.take().splitlines())
    assert (told["op"], "tcpchat-admin" in told["data"]["text"]) == ("notice", True)
    house.clock.advance(house.chat.limits.login_seconds + 1)
    assert ask(house, transport, "ping") == "ok"


def test_the_first_line_may_be_long() -> None:
    house = House(Limits(early_line_bytes=4_096))
    transport = connect(house)
    text = "x" * house.chat.limits.early_line_bytes
    transport.receive(json.dumps({"op": "broadcast", "id": 1, "data": {"text": text}}).encode() + b"\n")
    house.settle()
    assert json.loads(transport.take())["status"] == "ok"


def test_a_full_server_lets_the_operator_in(house: House) -> None:
    house.factory.admission.roster._capacity = 1
    Script(house, "nina")
    assert "full" in Terminal(house).take()[0]
    assert ask(house, connect(house), "sessions") == "ok"


def test_the_operator_s_commands_are_not_slowed() -> None:
    house = House(Limits(command_burst=1, work_burst_seconds=0.1))
    transport = connect(house)
    transport.receive(b'{"op":"ping","id":1}\n' * 50)
    house.settle()
    assert len(transport.take().splitlines()) == 50


def test_the_kernel_s_word_is_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        transport = MemoryTransport(None)
        transport.getHandle = lambda: ours  # type: ignore[attr-defined]
        assert peer_user(transport) == os.getuid()


def test_a_user_without_a_name() -> None:
    assert user_name(0) == "root"
    assert user_name(2**31 - 7) == f"uid {2**31 - 7}"


# Its file.


def listen(path: Path) -> AdminPort:
    return listen_admin(MemoryReactorClock(), ServerFactory(), path)


def stop(port: AdminPort) -> None:
    port.connectionLost(Failure(ConnectionDone()))


def test_the_file_is_its_owner_s_alone_and_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    port = listen(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    stop(port)
    assert not path.exists()


def test_what_a_killed_daemon_has_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.is_socket()
    port = listen(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    stop(port)


def test_what_somebody_else_listens_on_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(0)
        for _ in range(3):  # the later ones find its queue full
            with pytest.raises(StartError, match="another program is listening there"):
                listen(path)
        assert path.is_socket()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "admin.sock"
    match kind:
        case "file":
            path.write_text("mine")
        case "directory":
            path.mkdir()
        case _:
            path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StartError, match="something else is there"):
        listen(path)
    assert os.path.lexists(path)


def test_a_place_that_can_not_be(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file or directory"):
        listen(tmp_path / "nowhere" / "admin.sock")


@pytest.mark.parametrize("length", [107, 108])
def test_the_longest_path(tmp_path: Path, length: int) -> None:
    path = tmp_path / ("x" * (length - len(str(tmp_path)) - 1))
    assert len(str(path)) == length
    if length == 107:
        stop(listen(path))
        return
    with pytest.raises(NoAdminSocket, match="has 108 bytes, and a socket's may have 107"):
        listen(path)


def test_the_file_of_a_successor_stays(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    port = listen(path)
    path.rename(tmp_path / "other")
    successor = listen(path)
    stop(port)
    assert path.is_socket()
    stop(successor)
    stop(listen(path))
