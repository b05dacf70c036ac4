"""How a WebSocket is closed (RFC 6455 section 7.4): the code for each reason of ours, and what the peer's mean."""

from __future__ import annotations

from websockets.frames import Close, CloseCode
from websockets.server import ServerProtocol

from tcpchat.errors import Code

# With these a peer ends in peace. 1001 is what a browser says of a page that is left or loaded again: it may come back.
_GOODBYES = (CloseCode.NORMAL_CLOSURE, CloseCode.NO_STATUS_RCVD)
# The codes for what the peer is told when we close; for all else it is a rule that it has met.
_CLOSE_CODES = {
    Code.SHUTTING_DOWN: CloseCode.GOING_AWAY,
    Code.SLOW_READER: CloseCode.TRY_AGAIN_LATER,
    Code.TOO_MANY_CONNECTIONS: CloseCode.TRY_AGAIN_LATER,
    Code.LINE_TOO_LONG: CloseCode.MESSAGE_TOO_BIG,
    Code.PING_TIMEOUT: CloseCode.INTERNAL_ERROR,
    Code.INTERNAL: CloseCode.INTERNAL_ERROR,
}


def close_for(code: Code | None) -> Close:
    """Return the close that goes with ``code``; with none the peer has said goodbye."""
    if code is None:
        return Close(CloseCode.NORMAL_CLOSURE, "")
    return Close(_CLOSE_CODES.get(code, CloseCode.POLICY_VIOLATION), code.value)


def ending(protocol: ServerProtocol, broken: Close | None) -> tuple[str, bool]:
    """Return why a WebSocket has ended, for the log, and whether it was not in peace: ``broken`` decides, if given."""
    received: Close | None = protocol.close_rcvd
    if broken is None and protocol.parser_exc is None and received is not None:
        return f"closed by the peer with {int(received.code)}", received.code not in _GOODBYES
    sent = broken or protocol.close_sent
    return (f"closed with {int(sent.code)}: {sent.reason}" if sent is not None else "a broken WebSocket"), True
