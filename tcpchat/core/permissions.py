"""Who may read and do what. Every path that shows an entry asks `may_read`; every act asks `check`."""

from __future__ import annotations

from tcpchat.core.bans import SERVER, Ban
from tcpchat.core.chat import Chat, not_logged_in
from tcpchat.core.entries import LOBBY_ID, PersonId
from tcpchat.core.roles import FOREVER, Act, RoomRole, ServerRole
from tcpchat.core.server_state import Emergency
from tcpchat.core.settings import OPEN, opens
from tcpchat.core.state import Direct, Person, Room, Session
from tcpchat.errors import ChatError, Code


def server_role(chat: Chat, person: PersonId | None) -> ServerRole:
    """Return the role of a person on the server; who has no account is a guest."""
    account = chat.accounts.by_id(person) if person is not None else None
    return ServerRole.GUEST if account is None else account.role


def role_of(chat: Chat, session: Session) -> ServerRole:
    """Return the role of whoever speaks through ``session``."""
    if session.operator:
        return ServerRole.OPERATOR
    return server_role(chat, session.person.id if session.person is not None else None)


def may(chat: Chat, session: Session, act: Act, room: Room | None = None) -> bool:
    """Return whether ``session`` may do ``act``, in ``room`` if it is done there."""
    inside = room.role_of(session.person.id) if room is not None and session.person is not None else None
    return act.allows(role_of(chat, session), inside)


def check(chat: Chat, session: Session, act: Act, room: Room | None = None) -> None:
    """Raise ``not-allowed`` unless ``session`` may do ``act``."""
    if not may(chat, session, act, room):
        text = f"You may not {act.words}: that is for {act.needs}."
        raise ChatError(Code.NOT_ALLOWED, text, rule="role", needs=act.needs)


def check_rank(chat: Chat, session: Session, target: PersonId, name: str, room: Room | None = None) -> None:
    """Raise ``not-allowed`` unless ``session`` stands higher than ``target``, in ``room`` or on the server."""
    own = session.person.id if session.person is not None else None
    if own == target:
        raise ChatError(Code.NOT_ALLOWED, "You can't do that to yourself.", rule="rank")
    if _rank(role_of(chat, session), room, own) <= _rank(server_role(chat, target), room, target):
        where = f"in {room.label}" if room is not None else "here"
        raise ChatError(Code.NOT_ALLOWED, f"{name} stands as high as you do {where}, or higher.", rule="rank")


def check_write(chat: Chat, session: Session) -> None:
    """Raise ``emergency`` if the whole server is read-only, but for those who may write all the same."""
    if chat.server.emergency is Emergency.READ_ONLY and not may(chat, session, Act.WRITE_IN_EMERGENCY):
        text = "Nobody but admins can write for now: this is an emergency."
        error = session.refusal = ChatError(Code.EMERGENCY, text, rule="emergency")
        raise error


def stands_higher(chat: Chat, other: PersonId, session: Session, room: Room | None = None) -> bool:
    """Return whether ``other`` stands higher than ``session``, in ``room`` or on the server."""
    own = session.person.id if session.person is not None else None
    return _rank(server_role(chat, other), room, other) > _rank(role_of(chat, session), room, own)


def admits(chat: Chat, session: Session, log: Room | Direct) -> bool:
    """Return whether ``session`` may read anything in ``log``: who is in a room, and who could simply enter it."""
    person = session.person
    if isinstance(log, Direct):
        return person is not None and person.id in (log.pair[0].id, log.pair[1].id)
    return person is not None and (
        _is_inside(chat, session, person, log) or _closed(chat, session, person, log) is None
    )


def may_read(chat: Chat, session: Session, log: Room | Direct) -> range:
    """Return the numbers of the entries that ``session`` may read in ``log``; empty when none."""
    return readable(log) if admits(chat, session, log) else range(0)


def readable(log: Room | Direct) -> range:
    """Return the numbers of the entries that those may read who may read at all."""
    return range(1, log.head + 1)


def check_read(chat: Chat, session: Session, room: Room) -> None:
    """Raise what keeps ``session`` from reading ``room``, and from knowing who is in it."""
    if not admits(chat, session, room):
        person = chat.person(session)
        raise _closed(chat, session, person, room) or not_logged_in()


def is_listed(chat: Chat, session: Session, room: Room) -> bool:
    """Return whether ``session`` is shown that there is such a room, without naming it."""
    settings = room.settings
    if settings is OPEN or not settings.unlisted or may(chat, session, Act.SEE_ANY):
        return True
    person = session.person
    return person is not None and (person in room.people or not room.membership(person.id).is_plain)


def why_closed(chat: Chat, session: Session, room: Room) -> str:
    """Return the rule that keeps ``session`` from reading ``room``, such as ``banned`` or ``key``; or nothing."""
    person = session.person
    if person is None or _is_inside(chat, session, person, room):
        return ""
    closed = _closed(chat, session, person, room)
    return str(closed.facts["rule"]) if closed is not None else ""


def check_enter(chat: Chat, session: Session, room: Room, key: str = "") -> None:
    """Raise what keeps ``session`` from entering ``room``."""
    person = chat.person(session)
    if _is_inside(chat, session, person, room) or may(chat, session, Act.ENTER_ANY):
        return
    closed = _closed(chat, session, person, room, key)
    if closed is not None and not (closed.code is Code.KEY_NEEDED and key and opens(room.settings, room.id, key)):
        raise closed
    limit = room.settings.limit
    if limit and len(room.people) >= limit and room.role_of(person.id) < RoomRole.MODERATOR:
        people = "person" if limit == 1 else "people"
        text = f"{room.label} is full: it takes {limit} {people}."
        raise ChatError(Code.ROOM_FULL, text, room=room.label, max=limit, rule="limit")


def needs_key(chat: Chat, session: Session, room: Room) -> bool:
    """Return whether nothing but its key keeps ``session`` from entering ``room``."""
    person = chat.person(session)
    if not room.settings.key or person in room.people or may(chat, session, Act.ENTER_ANY):
        return False
    closed = _closed(chat, session, person, room)
    return closed is not None and closed.code is Code.KEY_NEEDED


def key_needed(label: str, *, shown: bool) -> ChatError:
    """Return the refusal of who has ``shown`` another key than that of a room, or none."""
    text = f"{label} has a key, and that was not it." if shown else f"{label} has a key: join it with that."
    return ChatError(Code.KEY_NEEDED, text, room=label, rule="key")


def check_speak(chat: Chat, session: Session, person: Person, room: Room) -> None:
    """Raise what keeps ``session`` from speaking in ``room``, in which it is; only asked where there are rules."""
    settings, label, now = room.settings, room.label, chat.now()
    membership = room.membership(person.id)
    if membership.is_muted(now) and not may(chat, session, Act.ENTER_ANY):
        until = membership.muted
        facts = {} if until == FOREVER else {"until": until, "retry_after": -(-(until - now) // 1000)}
        end = "" if until == FOREVER else f" for another {span(until - now)}"
        raise ChatError(Code.MUTED, f"You are muted in {label}{end}.", room=label, rule="muted", **facts)
    if settings.read_only and not may(chat, session, Act.SPEAK_READ_ONLY, room):
        raise _unspoken(Code.READ_ONLY, f"{label} is read-only", Act.SPEAK_READ_ONLY, label)
    if settings.moderated and not may(chat, session, Act.SPEAK_MODERATED, room):
        raise _unspoken(Code.MODERATED, f"{label} is moderated", Act.SPEAK_MODERATED, label)
    if settings.slow and not may(chat, session, Act.SPEAK_FAST, room):
        wait = chat.last_words.of(room.id, person) + settings.slow * 1000 - now
        if wait > 0:
            seconds = -(-wait // 1000)
            text = f"In {label} everybody waits {span(settings.slow * 1000)} between two messages: {span(wait)} more."
            raise ChatError(Code.SLOW_MODE, text, room=label, retry_after=seconds, rule="slow")


def check_delete(chat: Chat, session: Session, room: Room) -> None:
    """Raise ``not-allowed`` unless ``session`` may delete ``room``; nobody may the lobby."""
    if room.id == LOBBY_ID:
        raise ChatError(Code.NOT_ALLOWED, f"The {room.label} can't be deleted.")
    check(chat, session, Act.DELETE_ROOM, room)


def server_ban(chat: Chat, person: PersonId | None, name: str, address: str) -> ChatError | None:
    """Return the refusal of somebody who is banned from the server, by id, name or address."""
    ban = chat.bans.find(SERVER, person, name, address, chat.now())
    return None if ban is None else _banned(ban, "this server", chat.now())


def span(milliseconds: int) -> str:
    """Return a time in words, rounded up: ``40 seconds``, ``3 minutes``, ``2 hours``, ``5 days``."""
    seconds = max(1, -(-milliseconds // 1000))
    for size, most, word in ((1, 120, "second"), (60, 120, "minute"), (3600, 48, "hour")):
        if seconds <= size * most:
            count = -(-seconds // size)
            return f"{count} {word}" if count == 1 else f"{count} {word}s"
    return f"{-(-seconds // 86_400)} days"


def _rank(server: ServerRole, room: Room | None, person: PersonId | None) -> int:
    """Return how high somebody stands: admins above everybody who is something in a room."""
    if server >= ServerRole.ADMIN:
        return len(RoomRole) + server
    if room is None:
        return server
    return room.role_of(person) if person is not None else 0


def _is_inside(chat: Chat, session: Session, person: Person, room: Room) -> bool:
    """Return whether somebody is in ``room``; from an address that is banned there only this very session counts."""
    if person not in room.people:
        return False
    return room.id in session.rooms or not chat.bans.find(room.id, None, "", session.channel.address, chat.now())


def _closed(chat: Chat, session: Session, person: Person, room: Room, key: str = "") -> ChatError | None:
    """Return what keeps somebody who isn't in ``room`` from entering it without a key, and so from reading it."""
    settings = room.settings
    if settings is OPEN and not chat.bans.count(room.id):
        return None
    ban = chat.bans.find(room.id, person.id, person.name, session.channel.address, chat.now())
    if ban is not None:
        return _banned(ban, room.label, chat.now())
    membership = room.membership(person.id)
    if membership.role >= RoomRole.MODERATOR:
        return None
    if settings.invite_only and not membership.invited and membership.role is RoomRole.MEMBER:
        text = f"{room.label} is for those who are invited."
        return ChatError(Code.INVITE_ONLY, text, room=room.label, rule="invite-only")
    if settings.key:
        return key_needed(room.label, shown=bool(key))
    return None


def _banned(ban: Ban, where: str, now: int) -> ChatError:
    """Return what somebody is told who is banned, or was put out a moment ago."""
    left = span(ban.until - now) if ban.until else ""
    code = Code.BANNED
    said = f"You can't come into {where} for another {left}" if left else f"You are banned from {where}"
    if ban.kick:
        code, said = Code.KICKED, f"You were put out of {where}, and can come back in {left}"
    reason = f": {ban.reason}" if ban.reason else "."
    facts: dict[str, str | int] = {"rule": code.value, "by": ban.by}
    if ban.until:
        facts |= {"until": ban.until, "retry_after": -(-(ban.until - now) // 1000)}
    return ChatError(code, f"{said}{reason}", **facts)


def _unspoken(code: Code, what: str, act: Act, label: str) -> ChatError:
    text = f"{what}: only {act.needs} may speak there."
    return ChatError(code, text, room=label, rule=code.value, needs=act.needs)
