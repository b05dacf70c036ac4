"""What every wire's codec offers. A codec sees bytes and data, never a socket or a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec

from tcpchat.core.answers import Answer, Greeting
from tcpchat.core.commands import Command
from tcpchat.core.events import Event
from tcpchat.errors import ChatError


class Request(msgspec.Struct, frozen=True, gc=False):
    """One line of a peer, understood. ``asks`` is a command for the hub, or what the line is answered with at once.

    ``id`` is the peer's own, to be repeated in the reply. Without one nobody waits to hear that something was accepted.
    """

    asks: Command | Answer | ChatError
    id: int | str | None = None


class Encoder(Protocol):
    """Turns events into bytes, alike for a whole class of readers: one wire, one variant."""

    def encode(self, events: Iterable[Event]) -> bytes:
        """Return the bytes of ``events``; nothing for those that this wire doesn't show."""

    @property
    def personal(self) -> bool:
        """Whether who is mentioned, or alone reads something, gets other bytes than all the others would."""

    def encode_to(self, name: str, event: Event) -> bytes:
        """Return the bytes of ``event`` for the one called ``name``, whom it mentions or who alone reads it."""


class Outlet(Protocol):
    """What a codec may want of its connection besides answering lines."""

    @property
    def name(self) -> str:
        """What the person is called by now; empty without a login."""

    def answer(self, data: bytes) -> None:
        """Send bytes that belong to no request, such as telnet's answers, at once."""

    def later(self, seconds: float, say: Callable[[], None]) -> None:
        """Call ``say`` after so many seconds, in place of what was to be called before, if the connection lasts."""

    def reformat(self) -> None:
        """The codec's encoders have changed: from now on read through the new ones."""


class Codec(Protocol):
    """One connection's codec."""

    def greet(self, greeting: Greeting) -> bytes:
        """Return what the peer is sent before it has said anything."""

    def strip(self, data: bytes, outlet: Outlet) -> bytes:
        """Return ``data`` without what isn't text, such as telnet's negotiation, seen to. Called for each chunk."""

    def feed(self, line: bytes, outlet: Outlet) -> Request | None:
        """Understand one line without its line end; None when it asks for nothing."""

    def reply(self, request: Request, answer: Answer | ChatError) -> bytes:
        """Return the answer to ``request``; empty when this wire shows none."""

    def encoder(self, *, current: bool) -> Encoder:
        """Return the encoder for the events of a room; ``current``: it is the one the reader is speaking in."""
