"""The same words again and again: a flood that a token bucket lets through, and nobody wants to read."""

from __future__ import annotations

from tcpchat.core.entries import RoomId
from tcpchat.core.limits import Limits
from tcpchat.core.waits import refuse_for
from tcpchat.errors import Code

Repeats = dict[int, list[int]]
"""By the hash of room and text: when it was first said (ms since 1970) and how often since; the oldest first."""


def check_repeated(said: Repeats, room: RoomId, text: str, now: int, limits: Limits) -> None:
    """Note that a person says ``text`` in ``room``; raises ``repeated`` if that was too often lately."""
    key = hash((room, text))
    found = said.get(key)
    if found is None or not 0 <= now - found[0] < limits.repeat_seconds * 1000:
        said.pop(key, None)
        if len(said) >= limits.repeats_remembered:
            del said[next(iter(said))]
        said[key] = [now, 1]
        return
    if found[1] >= (limits.repeats if len(text) > limits.short_characters else limits.short_repeats):
        left = limits.repeat_seconds - (now - found[0]) / 1000
        text = f"You have said the same {found[1]} times, so it was not sent again."
        raise refuse_for(left, Code.REPEATED, text, rule="repeated")
    found[1] += 1


def forget_repetition(said: Repeats, room: RoomId, text: str) -> None:
    """Take back once what `check_repeated` has noted: nothing was said after all."""
    key = hash((room, text))
    found = said.get(key)
    if found is not None and found[1] > 1:
        found[1] -= 1
    else:
        said.pop(key, None)
