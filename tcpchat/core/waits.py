"""Refusals that hold only for a while: they say how long, in words and as a fact."""

from __future__ import annotations

import math

from tcpchat.errors import ChatError, Code, Fact

# What adding up fractions may add: it is no second more.
_LOST_SECONDS = 1e-3


def refuse_for(seconds: float, code: Code, text: str, **facts: Fact) -> ChatError:
    """Return a refusal that says after ``text`` when to try again; fact ``retry_after``, in whole seconds."""
    whole = max(1, math.ceil(seconds - _LOST_SECONDS))
    return ChatError(code, f"{text} Please try again in {in_words(whole)}.", retry_after=whole, **facts)


def in_words(seconds: int) -> str:
    """Return a number of seconds with its unit."""
    return "1 second" if seconds == 1 else f"{seconds} seconds"
