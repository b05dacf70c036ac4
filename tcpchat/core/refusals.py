"""Why something was refused: the rule, who made it, and what can be done."""

from __future__ import annotations

from tcpchat.core import acts
from tcpchat.core.answers import Refusal
from tcpchat.core.chat import Chat
from tcpchat.core.requests import Supply
from tcpchat.core.state import Session

_ADVICE = {
    "role": "Ask {needs}.",
    "rank": "Only somebody who stands higher than both of you can do it.",
    "banned": "It was done by {by}; who made the ban can lift it.",
    "kicked": "It was done by {by}, and is over in a moment.",
    "muted": "A moderator of the room can let you speak again.",
    "moderated": "A moderator of the room can give you a voice.",
    "read-only": "An owner of the room can open it for speech again.",
    "slow": "Those with a voice in the room need not wait; a moderator can give you one.",
    "invite-only": "A moderator of the room can invite you.",
    "key": "Whoever is in the room may tell you its key; then join it with that.",
    "limit": "Somebody has to leave first, or an owner of the room can raise the limit.",
    "repeated": "Say something else, or wait: the same again and again is taken for a flood.",
    "rate-limited": "Go more slowly: what you ask for takes the server's time, and guests of one network share theirs.",
    "emergency": "The admins of this server have declared it, and will end it.",
    "low-space": "Whoever runs this server has to make room on its disk; then it goes on by itself.",
    "store": "Nothing is needed from you: the server looks again every few seconds, and goes on by itself.",
    "reserved": "An admin of this server can give you that name.",
    "forbidden": "The admins of this server want nobody to be called so.",
}


def why(chat: Chat, session: Session, command: acts.Why, supply: Supply | None) -> Refusal:
    """Tell which rule refused the session last, and what can be done about it."""
    error = session.refusal
    if error is None:
        return Refusal()
    rule = str(error.facts["rule"])
    return Refusal(rule, error.text, _ADVICE[rule].format(**{"by": "", "needs": "", **error.facts}))
