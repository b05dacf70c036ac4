"""What a client sends under an id of its own is said once: a repeat gets the first answer, and says nothing."""

from __future__ import annotations

import re
from hashlib import blake2b

from tcpchat.core.answers import Accepted
from tcpchat.core.chat import Chat
from tcpchat.core.commands import Command, Reply, Say, SayInLobby, Speech, Tell
from tcpchat.core.entries import PersonId, RoomId, Sending, Sent
from tcpchat.core.repeats import forget_repetition
from tcpchat.core.requests import ForgetSendings, Recall
from tcpchat.core.state import Session, direct_label
from tcpchat.errors import ChatError, Code

# Room for a UUID or a hash in hexadecimal; a text that every database compares alike.
_CLIENT_ID = re.compile(r"[ -~]{1,64}")
# How often old ones are looked for: their number hardly changes in that time.
_FORGET_MS = 3_600_000
_DAY_MS = 86_400_000


def sending(author: PersonId, command: Speech) -> Sending | None:
    """Return what makes ``command`` one that is said once, if it has a ``client_id``. Raises ``bad-field``."""
    client_id = command.client_id
    if client_id is None:
        return None
    if not _CLIENT_ID.fullmatch(client_id):
        text = "A client_id is 1 to 64 characters of printable ASCII: this was not sent."
        raise ChatError(Code.BAD_FIELD, text, field="client_id")
    # The bracket keeps a space at the end, which some databases don't compare.
    return Sending(f"{author:x}<{client_id}>", _digest(command))


def recall(session: Session, command: Command, refusal: ChatError) -> Recall | None:
    """Return what finds out whether ``command``, which is refused by now, was accepted before; None if it can't be."""
    if not isinstance(command, Speech) or session.person is None or session.ended is not None:
        return None
    try:
        wanted = sending(session.person.id, command)
    except ChatError:
        return None
    return Recall(wanted, refusal.detached()) if wanted is not None else None


def accepted_before(chat: Chat, session: Session, sent: Sent) -> Accepted:
    """Return the first answer again. Raises ``client-id-reused``, or ``no-such-room`` if the room is deleted.

    Whoever may not read the room any more is answered all the same: the number of one's own words reveals nothing.
    """
    if sent.spared is not None and session.person is not None:
        forget_repetition(session.person.repeats, sent.spared.room, sent.spared.text)
        chat.last_words.forget(sent.spared.room, session.person)  # or it would have been refused: the time was over
    label = label_of(chat, sent.room)
    if not sent.same:
        known: dict[str, str | int] = {} if sent.gone else {"room": label, "ref": int(sent.seq)}
        what = "" if sent.gone else f": it was {label}:{sent.seq}"
        text = f"You have sent something else with this client_id{what}. This was not sent: give it an id of its own."
        raise ChatError(Code.CLIENT_ID_REUSED, text, **known)
    if sent.gone:
        raise ChatError(Code.NO_SUCH_ROOM, "This was sent before, and the room in which it was said is deleted.")
    return Accepted(label, sent.seq, sent.at)


def label_of(chat: Chat, room: RoomId) -> str:
    """Return what wires call the room of something committed, which may be gone by now."""
    log = chat.rooms.log(room)
    return log.label if log else chat.gone.get(room) or direct_label(room)


def forget_old(chat: Chat) -> None:
    """Let what was sent long ago be forgotten, from time to time."""
    now = chat.now()
    if not now < chat.forgetting <= now + _FORGET_MS:  # a clock may be set back
        chat.forgetting = now + _FORGET_MS
        chat.submit(ForgetSendings(now - chat.limits.client_id_days * _DAY_MS))


def _digest(command: Speech) -> int:
    """Return 63 bits that tell a request from another: what is asked for, as it was asked for."""
    match command:
        case Say(room, text, action):
            op, target = "act" if action else "say", room
        case Tell(target, text):
            op = "tell"
        case SayInLobby(text):
            op, target = "msg", ""
        case Reply(text):
            op, target = "reply", ""
        case _:
            raise AssertionError(f"nobody knows what {type(command).__name__} says")
    asked = f"{op} {len(target)} {target}{text}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(asked, digest_size=8).digest(), "big") >> 1
