"""WebSocket by the clients of others, Node's `ws` and Python's `websockets`, in one room with those on other wires."""

from __future__ import annotations

import itertools
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.certificates import issue
from tests.daemon import Daemon, JsonClient, Refused, eventually
from tests.interop.rawwebsocket import CLOSE, RawWebSocket
from tests.interop.webclients import Programs, WebClient

_PASSWORD = "correct horse"
_KINDS = ("node", "python")
# Long enough to be compressed where that was agreed on, and not ASCII.
_LONG = "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich. " * 20
_FAREWELL = "The server is shutting down."


@dataclass
class Place:
    """A daemon and a way to it."""

    daemon: Daemon
    programs: Programs

    def restart(self, by: signal.Signals) -> None:
        """End the daemon and start it again on the same data: the port may be another."""
        self.daemon.stop(by)
        self.programs.close()
        self.daemon.start()
        self.programs.port = self.daemon.port


@pytest.fixture(params=itertools.product(_KINDS, ("plain", "deflate"), ("TCP", "TLS")), ids="-".join)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each client in each way."""
    kind, compression, transport = request.param
    certificate, key = issue("127.0.0.1", "localhost").write(tmp_path / "pem")
    options = ("--tls-cert", str(certificate), "--tls-key", str(key)) if transport == "TLS" else ()
    with Daemon(tmp_path / "data", *options) as daemon:
        secure = certificate if options else None
        with closing(Programs(kind, daemon.port, compression == "deflate", secure)) as programs:
            yield Place(daemon, programs)


@pytest.fixture(params=_KINDS)
def programs(request: pytest.FixtureRequest, daemon: Daemon) -> Iterator[Programs]:
    """Each client in the usual way."""
    with closing(Programs(request.param, daemon.port, compressed=True)) as running:
        yield running


@pytest.fixture
def witness(daemon: Daemon) -> JsonClient:
    """Somebody in the lobby."""
    wanda = daemon.json("wanda")
    wanda.request("join", room="lobby")
    return wanda


def _visit(programs: Programs, name: str) -> tuple[WebClient, str]:
    """Return somebody in the lobby, and the code to resume with."""
    client = programs.run()
    code: str = client.request("login", name=name)["session"]
    client.request("join", room="lobby")
    return client, code


def _names(witness: JsonClient) -> list[str]:
    return sorted(user["name"] for user in witness.request("users")["users"])


def test_all_talk_in_one_room_under_the_same_numbers(place: Place) -> None:
    nina, _ = _visit(place.programs, "nina")
    assert bool(nina.extensions) is place.programs.compressed
    tom, jason = place.daemon.text("tom"), place.daemon.json("jason")
    jason.request("join", room="lobby")
    tom.say("hello, browser")
    assert nina.event("message", text="hello, browser") == jason.event("message", text="hello, browser")
    said = nina.request("say", room="lobby", text=_LONG.strip())
    heard = jason.event("message", seq=said["seq"])
    assert nina.event("message", seq=said["seq"]) == heard
    assert (heard["from"], heard["text"]) == ("nina", _LONG.strip())
    assert tom.hear("Sylter Deich.")[-1].startswith("nina: Zwölf")
    assert nina.request("history", room="lobby")["entries"] == jason.request("history", room="lobby")["entries"]
    nina.order("close", "1000")
    assert nina.closed()[0] == 1000
    assert jason.event("left")["user"]["name"] == "nina"


def test_a_session_goes_on_after_kill_9_with_each_missed_message_once(place: Place) -> None:
    jason = place.daemon.json()
    theirs = jason.request("login", name="jason")["session"]
    jason.request("join", room="lobby")
    nina, code = _visit(place.programs, "nina")
    for text in ("one", "two"):
        jason.request("say", room="lobby", text=text)
        nina.event("message", text=text)
    for text in ("three", "four", "five"):  # which come, too, but nina says that it has read two
        jason.request("say", room="lobby", text=text)
    sent = nina.request("say", room="lobby", text="from nina", client_id="nina-1")
    place.restart(signal.SIGKILL)
    jason = place.daemon.json()
    jason.request("resume", session=theirs, cursors={"lobby": sent["seq"]})
    again = place.programs.run()
    assert again.request("resume", session=code, cursors={"lobby": 2})["user"]["name"] == "nina"
    jason.request("say", room="lobby", text="six")
    missed = [again.event("message") for _ in range(5)]
    assert [(entry["seq"], entry["text"]) for entry in missed] == [
        (3, "three"), (4, "four"), (5, "five"), (6, "from nina"), (7, "six")
    ]  # fmt: skip
    assert again.request("say", room="lobby", text="from nina", client_id="nina-1") == sent
    assert [entry["seq"] for entry in again.history("lobby")] == list(range(1, 8))


def test_a_token_is_enough_to_log_in(programs: Programs, daemon: Daemon) -> None:
    owner = daemon.json("nina")
    owner.request("register", password=_PASSWORD)
    token = owner.request("tokens", create={"label": "page"})["token"]
    page = programs.run()
    with pytest.raises(Refused, match="token"):
        page.request("login", token="of nobody")
    assert page.request("login", token=token)["user"]["name"] == "nina"


@pytest.mark.parametrize("code", ["1000", ""])
def test_who_closes_in_peace_has_left(programs: Programs, daemon: Daemon, witness: JsonClient, code: str) -> None:
    nina, _ = _visit(programs, "nina")
    nina.send("say", room="lobby", text="my last words")
    nina.order("close", *filter(None, [code]))
    assert nina.closed()[0] == int(code or 1005)
    assert witness.event("message")["text"] == "my last words"
    assert witness.event("left")["user"]["name"] == "nina"
    assert _names(witness) == ["wanda"]


@pytest.mark.parametrize(
    ("way", "code"), [(("close", "1001"), 1001), (("close", "4000"), 4000), (("terminate",), 1006)]
)
def test_who_closes_for_now_or_is_cut_off_is_still_there(
    programs: Programs, daemon: Daemon, witness: JsonClient, way: tuple[str, ...], code: int
) -> None:
    nina, ticket = _visit(programs, "nina")
    nina.order(*way)
    assert nina.closed()[0] == code
    daemon.await_log("(websocket) ended")
    witness.request("say", room="lobby", text="meanwhile")
    assert _names(witness) == ["nina", "wanda"]
    again = programs.run()
    again.request("resume", session=ticket, cursors={"lobby": 0})
    assert again.event("message")["text"] == "meanwhile"
    assert "left" not in [event["op"] for event in witness.events]


def test_a_stop_is_told_and_closes_with_1001(programs: Programs, daemon: Daemon) -> None:
    nina, code = _visit(programs, "nina")
    daemon.send_signal(signal.SIGTERM)
    assert nina.event("notice")["text"] == _FAREWELL
    assert nina.closed() == (1001, "shutting-down")
    daemon.wait()
    daemon.start()
    programs.port = daemon.port
    assert programs.run().request("resume", session=code)["user"]["name"] == "nina"


def test_quit_closes_with_1000(programs: Programs, daemon: Daemon, witness: JsonClient) -> None:
    nina, _ = _visit(programs, "nina")
    nina.send("quit")
    assert nina.closed() == (1000, "")
    assert witness.event("left")["user"]["name"] == "nina"


def test_who_is_disconnected_is_told_and_closed_with_1008(programs: Programs, daemon: Daemon) -> None:
    ada = daemon.json("ada")
    ada.request("register", password=_PASSWORD)
    ada.request("claim", code=(daemon.data / "owner-code").read_text())
    nina, _ = _visit(programs, "nina")
    ada.request("disconnect", user="nina", reason="Please calm down.")
    assert "Please calm down." in nina.event("notice")["text"]
    assert nina.closed() == (1008, "kicked")
    assert _names(ada) == ["ada"]


def test_who_does_not_log_in_is_closed_with_1008(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", settings={"TCPCHAT_LIMITS_LOGIN_SECONDS": "1"}) as daemon:
        for kind in _KINDS:
            with closing(Programs(kind, daemon.port)) as programs:
                silent = programs.run()
                assert "too long to log in" in silent.event("notice")["text"]
                assert silent.closed() == (1008, "login-timeout")


def test_who_answers_pings_stays_and_who_does_not_is_closed_with_1011(tmp_path: Path) -> None:
    settings = {"TCPCHAT_LIMITS_PING_SECONDS": "0.5"}
    with Daemon(tmp_path / "data", settings=settings) as daemon, closing(Programs("node", daemon.port)) as programs:
        nina, _ = _visit(programs, "nina")
        mute = RawWebSocket(daemon.connect(), "mute")
        frames = mute.read_to_end()
        assert (frames[-1].opcode, frames[-1].code, frames[-1].reason) == (CLOSE, 1011, "ping-timeout")
        assert any(b"not answered a ping" in frame.data for frame in frames)
        for _ in range(3):  # the library answers them by itself
            nina.event("!ping")
        assert _names(nina) == ["mute", "nina"]  # whose session is left behind


def test_an_end_without_a_close_leaves_the_session_behind(daemon: Daemon) -> None:
    stream = daemon.connect()
    client = RawWebSocket(stream, "nina")
    stream.socket.shutdown(socket.SHUT_WR)
    assert CLOSE not in [frame.opcode for frame in client.read_to_end()]
    eventually(lambda: "the peer ended without a close" in daemon.log, lambda: daemon.log)
    assert _names(daemon.json("wanda")) == ["nina", "wanda"]
