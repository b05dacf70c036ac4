"""What stands between a transport and its lines where HTTP or WebSocket is spoken."""

from __future__ import annotations

from typing import Protocol

from tcpchat.errors import Code


class WebLayer(Protocol):
    """What a connection asks of HTTP, and after an upgrade of WebSocket.

    It takes what comes (`take`, `proceed`) until the peer has ended its half (`input_ended`), which it passes on once
    all before that is parsed. The connection may close earlier: `because` tells the reason, if there is one, `farewell`
    gives the last bytes, and `let_go` follows when nothing is said any more.
    """

    framed: bool
    """Whether messages come whole, in frames."""

    def take(self, data: bytes) -> None:
        """Take a chunk."""

    def proceed(self) -> None:
        """Go on with what has come, since lines are taken again."""

    def input_ended(self) -> None:
        """Nothing more comes: the peer has ended its half, and may still read."""

    def because(self, code: Code, text: str) -> None:
        """The connection is going to be closed by us, for this reason; `farewell` comes, at once or after answers."""

    def farewell(self) -> bytes:
        """Return what is said last, after all answers. Nothing is taken any more: it lets go as well."""

    def let_go(self) -> None:
        """Nobody is there any more, or nobody is to be: stop all timers, and free what is kept. It may come twice."""
