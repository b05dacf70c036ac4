"""Lines out of a stream of bytes: LineReceiver's contract, with each chunk split once."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from twisted.protocols.basic import LineReceiver

_BLANK = (b"", b"\r")


class LineSplitter(LineReceiver):
    """A LineReceiver whose lines end in LF or CRLF.

    LineReceiver copies the rest of its buffer for every line; this splits a chunk once and keeps the lines.
    Of empty lines that follow each other only the first is handed over: nobody answers them, so that a peer
    which has gone would not be noticed while many wait. Otherwise the contract is the same: `lineReceived`,
    `lineLengthExceeded` (given what follows as well), raw mode, pausing, `clearLineBuffer`.
    """

    delimiter = b"\n"
    transport: Any

    def __init__(self) -> None:
        # What is not handed over yet, the last line first. An empty deque would have 600 bytes for each connection.
        self._lines: list[bytes] = []
        # All attributes are set at once: instances that get some later don't share the dictionary of their names.
        self._buffer = b""
        self._busyReceiving = False
        self.paused = False
        self.line_mode = 1
        self.connected = 0
        self.transport = None

    @property
    def framed(self) -> bool:
        """Whether lines come whole, so that one which is too long has an end."""
        return False

    def messageLengthExceeded(self) -> None:
        """A whole line was too long, and is forgotten."""

    def clearLineBuffer(self) -> bytes:
        """Return everything received and not handed over, and forget it."""
        rest = b"\n".join((*reversed(self._lines), self._buffer))
        self._lines.clear()
        self._buffer = b""
        return rest

    def keep_first_lines(self, most: int) -> None:
        """Of the lines that came whole and are not handed over keep the first ``most``, and forget the others."""
        *complete, self._buffer = self._buffer.split(b"\n")
        complete.reverse()
        # In place: who hands them over just now is to see it.
        self._lines[:0] = complete
        del self._lines[: max(0, len(self._lines) - most)]

    def dataReceived(self, data: bytes) -> None:
        """Split ``data`` and hand it over, as far as nobody has paused us."""
        self._buffer = self._buffer + data if self._buffer else data
        if self._busyReceiving:
            return
        self._busyReceiving = True
        try:
            while not self.paused and (self._hand_over_lines() if self.line_mode else self._hand_over_raw()):
                pass
        finally:
            self._busyReceiving = False

    def _hand_over_lines(self) -> bool:
        """Hand over lines until something stops it; False when there are no more."""
        lines = self._lines
        while not self.paused and self.line_mode:
            if not lines:
                *complete, self._buffer = self._buffer.split(b"\n")
                lines.extend(_without_repeated_blanks(complete) if b"" in complete or b"\r" in complete else complete)
                lines.reverse()
                if not lines:
                    break
            line = lines[-1].removesuffix(b"\r")
            if len(line) > self.MAX_LENGTH and not self.framed:
                self.lineLengthExceeded(self.clearLineBuffer())
                return True
            lines.pop()
            if len(line) > self.MAX_LENGTH:
                self.messageLengthExceeded()
                continue
            self.lineReceived(line)
        else:
            return True
        if len(self._buffer) <= self.MAX_LENGTH + 1:  # the last byte may be a CR
            return False
        self.lineLengthExceeded(self.clearLineBuffer())
        return True

    def _hand_over_raw(self) -> bool:
        """Hand over everything as one chunk; False when there is nothing."""
        chunk = self.clearLineBuffer()
        if chunk:
            self.rawDataReceived(chunk)
        return bool(chunk)


def _without_repeated_blanks(lines: list[bytes]) -> list[bytes]:
    return [line for before, line in pairwise([b"-", *lines]) if line not in _BLANK or before not in _BLANK]
