"""Somebody who speaks the older message form, each message as it comes out of a frame."""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any

import msgspec

from tcpchat.core.channel import Channel
from tcpchat.errors import Code
from tcpchat.server.connection import Connection
from tcpchat.server.outbox import Outbox
from tcpchat.wire.older import OlderCodec
from tests.house import House
from tests.transport import MemoryTransport

TOKEN = "8d3f1b0a-0c55-4f6e-9f0e-{:012x}"
_NUMBERS = itertools.count(0xA)


class OlderClient:
    """A program in the place of the framing and of the peer: it keeps messages while it is told to.

    ``tagged``: it writes the type's name around each body, and expects it around those it reads.
    """

    def __init__(self, house: House, *, tagged: bool = False, host: str = "192.0.2.1") -> None:
        self.house = house
        self.tagged = tagged
        self.address = host
        self.token: str | None = None
        self.ended = False
        self.dismissed: Code | None = None
        self._kept: deque[bytes] = deque()
        self.transport = MemoryTransport(self, host)
        limits = house.factory.services.limits
        outbox = Outbox(self.transport, house.clock, limits, filled=self._filled, overrun=_never, drained=self._drained)
        codec = OlderCodec(lambda: TOKEN.format(next(_NUMBERS)))
        self.connection = Connection(house.factory.services, codec, self, outbox, None)
        self.connection.session.channel = Channel(address=host)
        self.connection.greet()

    @property
    def hung_up(self) -> bool:
        return self.ended

    def post(self, kind: str, /, **fields: Any) -> None:
        """Send a message with the token there is, and wait for nothing."""
        self.write({"message_type": kind, "message_body": self.body(kind, fields), "token": self.token})

    def body(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {kind: fields} if self.tagged else fields

    def write(self, message: object) -> None:
        """Send anything, as JSON unless it is bytes."""
        text = message if isinstance(message, bytes) else msgspec.json.encode(message)
        if self._kept or self.connection.blocked:
            self._kept.append(text)
        else:
            self.connection.receive(text)

    def send(self, kind: str, /, **fields: Any) -> list[str]:
        """Send a message and return all that is heard, as `heard` does."""
        self.post(kind, **fields)
        self.house.settle()
        return self.heard()

    def auth(self, name: str, password: str | None = None) -> list[str]:
        """Send Auth, and keep the token."""
        self.post("Auth", sender_username=name, password=password)
        self.house.settle()
        messages = self.take()
        self.token = next((one["token"] for one in messages if one["token"]), self.token)
        return [self._told(one) for one in messages]

    def take(self) -> list[dict[str, Any]]:
        """Return everything received, and forget it."""
        data = self.transport.take()
        assert data.endswith(b"\n") or not data
        return [msgspec.json.decode(line) for line in data.splitlines()]

    def heard(self) -> list[str]:
        """Return everything received in a few words each, such as ``nina: hello``, ``GroupInfo bob joined lobby.``"""
        return [self._told(message) for message in self.take()]

    def _told(self, message: dict[str, Any]) -> str:
        assert list(message) == ["message_type", "message_body", "token"]
        kind, body = message["message_type"], message["message_body"]
        if self.tagged:
            assert list(body) == [kind]
            body = body[kind]
        match kind:
            case "GroupChat":
                return "{sender_username}: {content}".format(**body)
            case "PrivateChat":
                return "{sender_username} to {target_username}: {content}".format(**body)
        return f"{kind} {body['code']}" if "code" in body else f"{kind} {body['content']}"

    # What the connection calls.

    def finish(self, last: bytes) -> None:
        self.transport.write(last)
        self.ended = True

    def dismiss(self, text: str, code: Code) -> None:
        self.dismissed = code
        self.finish(self.connection.notify(text, code))

    def proceed(self) -> None:
        while self._kept and not self.connection.blocked:
            self.connection.receive(self._kept.popleft())

    def _filled(self) -> None:
        self.connection.filled()

    def _drained(self) -> None:
        self.connection.drained()


def _never() -> None:
    raise AssertionError("it read too slowly")
