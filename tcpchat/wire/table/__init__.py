"""The command table: every JSON operation and every word of the text wire, in one place.

Parsing, help, completion and the reference in docs/protocol.md are driven by it; a new command is a new row.
"""

from __future__ import annotations

from difflib import get_close_matches

from tcpchat.wire.table import account, administration, connection, moderation, oneself, people, rooms, talking
from tcpchat.wire.table.row import Row

_PARTS = (talking, rooms, people, oneself, account, moderation, administration, connection)

GROUPS = tuple(part.GROUP for part in _PARTS)
"""What commands are for, in the order of the help."""

TABLE: tuple[Row, ...] = tuple(row for part in _PARTS for row in part.ROWS)
OPERATIONS = {row.op: row for row in TABLE if row.op}
WORDS = {word: row for row in TABLE for word in row.words}


def nearest(word: str) -> str | None:
    """Return the command that somebody may have meant by ``word``, if one is near enough."""
    if word in _ELSEWHERE:
        return _ELSEWHERE[word]
    if begun := [known for known in WORDS if len(word) > 1 and known.startswith(word)]:
        return begun[0]
    near = get_close_matches(word[:_LONGEST], WORDS, n=1, cutoff=0.6)
    return near[0] if near else None


# What these are called in other chats.
_ELSEWHERE = {
    "/?": "/help", "/back": "/away", "/bye": "/quit", "/deop": "/unmoderator", "/exit": "/quit", "/list": "/rooms",
    "/mode": "/room", "/op": "/moderator", "/part": "/leave", "/query": "/msg", "/t": "/msg", "/tell": "/msg",
    "/w": "/msg", "/whisper": "/msg",
}  # fmt: skip

# What is compared takes time that grows with its length.
_LONGEST = 2 * max(map(len, WORDS))

__all__ = ["GROUPS", "OPERATIONS", "TABLE", "WORDS", "Row", "nearest"]
