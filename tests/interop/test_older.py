"""The older message form: a plain WebSocket client drives its five types at the real daemon, flat and tagged."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.daemon import Daemon

_PASSWORD = "seven purple owls"


class Client:
    """A program that knows nothing but the older form."""

    def __init__(self, socket: ClientConnection, *, tagged: bool) -> None:
        self._socket = socket
        self._tagged = tagged
        self.token: str | None = None

    def send(self, kind: str, /, **fields: str) -> None:
        body = {kind: fields} if self._tagged else fields
        self._socket.send(json.dumps({"message_type": kind, "message_body": body, "token": self.token}))

    def read(self) -> tuple[str, dict[str, Any]]:
        """Return the type and the fields of the next message, and keep a token."""
        message = json.loads(self._socket.recv(timeout=10))
        kind, body = message["message_type"], message["message_body"]
        self.token = message["token"] or self.token
        if self._tagged:
            assert list(body) == [kind]
            body = body[kind]
        return kind, body

    def refused(self, kind: str, /, **fields: str) -> str:
        """Send something that is refused, and return the code."""
        self.send(kind, **fields)
        told, body = self.read()
        assert told == "PrivateInfo"
        assert body["content"]
        return str(body["code"])

    def write(self, text: str) -> dict[str, Any]:
        """Send anything, and return the fields of the answer."""
        self._socket.send(text)
        return self.read()[1]


@contextmanager
def _client(daemon: Daemon, *, tagged: bool) -> Iterator[Client]:
    with connect(f"ws://127.0.0.1:{daemon.port}/ws") as socket:
        yield Client(socket, tagged=tagged)


@pytest.mark.parametrize("tagged", [False, True], ids=["flat", "tagged"])
def test_all_five_types(daemon: Daemon, tagged: bool) -> None:
    maker = daemon.json("nina")
    maker.request("register", password=_PASSWORD)
    maker.request("quit")
    bob = daemon.json("bob")
    bob.request("join", room="lobby")
    with _client(daemon, tagged=tagged) as nina:
        assert nina.refused("Auth", sender_username="nina", password="wrong") == "bad-credentials"
        nina.send("Auth", sender_username="nina", password=_PASSWORD)
        assert nina.read()[0] == "PrivateInfo"
        assert nina.token is not None
        token = str(uuid.UUID(nina.token))

        nina.send("Enter", sender_username="nina")
        assert nina.read()[0] == "PrivateInfo"
        assert bob.event("joined")["user"]["name"] == "nina"
        nina.send("GroupChat", sender_username="nina", content="hello, world: ünï 🐟")
        assert nina.read() == ("GroupChat", {"sender_username": "nina", "content": "hello, world: ünï 🐟"})
        assert bob.event("message")["text"] == "hello, world: ünï 🐟"
        bob.request("say", room="lobby", text="good morning")
        assert nina.read() == ("GroupChat", {"sender_username": "bob", "content": "good morning"})
        nina.send("PrivateChat", target_username="bob", content="psst")
        psst = {"sender_username": "nina", "target_username": "bob", "content": "psst"}
        assert nina.read() == ("PrivateChat", psst)

        # Who one is follows from the connection, and what may be done from the token.
        assert nina.refused("GroupChat", sender_username="bob", content="I am bob") == "not-allowed"
        for wrong in (None, str(uuid.uuid4()), token[:-1], ""):
            nina.token = wrong
            assert nina.refused("GroupChat", content="not me") == "bad-credentials"
            assert nina.refused("PrivateChat", target_username="bob", content="not me") == "bad-credentials"
            assert nina.refused("Leave") == "bad-credentials"
        nina.token = token

        for malformed in ("{", "[]", '{"message_type": "Dance"}', '{"message_type": "GroupChat"}', '{"op": "ping"}'):
            assert nina.write(malformed).get("code"), malformed
        nina.send("Leave")
        assert nina.read()[0] == "PrivateInfo"
        assert bob.event("left")["user"]["name"] == "nina"
        heard = [event["data"]["text"] for event in bob.events if event["op"] == "message"]
        assert "not me" not in heard
        assert "I am bob" not in heard


@pytest.mark.parametrize("tagged", [False, True], ids=["flat", "tagged"])
def test_two_of_them_and_a_person_talk(daemon: Daemon, tagged: bool) -> None:
    person = daemon.text("paula")
    with _client(daemon, tagged=tagged) as ada, _client(daemon, tagged=not tagged) as eve:
        ada.send("Enter", sender_username="ada")
        assert ada.read()[0] == "PrivateInfo"
        eve.send("GroupChat", sender_username="eve", content="me, too")
        while (told := ada.read())[0] != "GroupChat":
            assert told[0] == "GroupInfo"
        assert told[1] == {"sender_username": "eve", "content": "me, too"}
        person.hear("me, too")
        person.say("hello, both")
        for client in (ada, eve):
            while (told := client.read()) != ("GroupChat", {"sender_username": "paula", "content": "hello, both"}):
                assert told[0] in ("GroupInfo", "GroupChat")


def test_without_guests_one_must_auth(tmp_path: Path) -> None:
    with Daemon(tmp_path / "data", "--no-guests") as daemon, _client(daemon, tagged=False) as nobody:
        for kind, fields in (("Enter", {}), ("GroupChat", {"content": "hello"}), ("Auth", {})):
            assert nobody.refused(kind, sender_username="nobody", **fields) == "account-needed"
