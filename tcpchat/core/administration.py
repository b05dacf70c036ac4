"""Running the server: words to all, emergencies, names, the stop, and what was done by whom."""

from __future__ import annotations

from dataclasses import fields
from itertools import islice

from msgspec import UNSET

from tcpchat.core import acts
from tcpchat.core.actors import actor, check_reason, record
from tcpchat.core.announcements import tell_all
from tcpchat.core.answers import (
    Acts,
    Bound,
    Bounds,
    Done,
    EmergencyLevel,
    Motd,
    NameRules,
    SessionList,
    SessionSummary,
    StopPlanned,
)
from tcpchat.core.audit import line_of
from tcpchat.core.chat import Chat
from tcpchat.core.events import Notice
from tcpchat.core.membership import dismiss
from tcpchat.core.moderation import done
from tcpchat.core.names import check_name, fold
from tcpchat.core.permissions import check, may, span
from tcpchat.core.requests import AuditPage, Enact, NameRule, ReadAudit, StoredState, Supply
from tcpchat.core.roles import Act
from tcpchat.core.server_state import Emergency, Shutdown
from tcpchat.core.speech import check_text
from tcpchat.core.state import Session
from tcpchat.core.text import clean_lines
from tcpchat.errors import ChatError, Code

# When a stop that is to come is announced, in seconds before it.
_ANNOUNCED = (86_400, 3_600, 1_800, 600, 300, 120, 60, 30, 10, 5)
# How late a mark may be announced by its own number.
_LATE_SECONDS = 1
_LEVELS = list(Emergency)
_SESSIONS_LISTED = 1_000


def broadcast(chat: Chat, session: Session, command: acts.Broadcast, supply: Supply | None) -> Done | Enact:
    """Say something to everybody who is logged in, with the server's voice."""
    if supply is not None:
        return done(supply)
    check(chat, session, Act.BROADCAST)
    text = check_text(command.text, chat.limits)
    by = actor(session)[1]
    tell_all(chat, Notice(f"{by} to everybody: {text}", about="broadcast", by=by, said=text))
    return Enact(record(chat, session, "broadcast", "", reason=text[: chat.limits.reason_characters]))


def set_motd(chat: Chat, session: Session, command: acts.SetMotd, supply: Supply | None) -> Motd | Enact:
    """Set the message of the day, or tell it."""
    if isinstance(supply, ChatError):
        raise supply
    if command.text is None or supply is not None:
        return Motd(chat.motd)
    check(chat, session, Act.SET_MOTD)
    text = "" if command.text.strip() == "-" else clean_lines(command.text)
    if len(text.encode()) > chat.limits.motd_bytes:
        most = chat.limits.motd_bytes
        raise ChatError(Code.TEXT_TOO_LONG, f"The message of the day has {most} bytes at most.", max_bytes=most)
    chat.server.motd = text
    kept = record(chat, session, "motd", "", reason=text[: chat.limits.reason_characters].replace("\n", " "))
    return Enact(kept, (StoredState("motd", f"={text}"),))


def stop(chat: Chat, session: Session, command: acts.Stop, supply: Supply | None) -> StopPlanned | Enact:
    """Shut the server down in a while, and tell everybody."""
    if isinstance(supply, ChatError):
        raise supply
    planned = chat.server.shutdown
    if supply is not None and planned is not None:
        return StopPlanned(planned.at)
    check(chat, session, Act.SHUT_DOWN)
    reason = check_reason(chat, command.reason)
    chat.server.shutdown = planned = Shutdown(chat.now() + command.seconds * 1000, reason, command.seconds)
    chat.log(f"an admin has ordered a shutdown in {span(command.seconds * 1000) if command.seconds else 'no time'}")
    _announce(chat, planned, command.seconds)
    return Enact(record(chat, session, "shutdown", "", reason=reason, until=planned.at))


def cancel_stop(chat: Chat, session: Session, command: acts.CancelStop, supply: Supply | None) -> StopPlanned | Enact:
    """Shut the server down after all not, and tell everybody."""
    if isinstance(supply, ChatError):
        raise supply
    if supply is not None:
        return StopPlanned()
    check(chat, session, Act.SHUT_DOWN)
    if chat.server.shutdown is None:
        raise ChatError(Code.NOTHING_PLANNED, "No shutdown is planned.")
    chat.server.shutdown = None
    chat.log("an admin has called the shutdown off")
    tell_all(chat, Notice("The server will not shut down after all.", about="shutdown"))
    return Enact(record(chat, session, "shutdown-cancel", ""))


def count_down(chat: Chat) -> None:
    """Announce a stop that is to come, at the moments that people expect, and ask for it when it is due."""
    planned = chat.server.shutdown
    if planned is None:
        return
    left = -(-(planned.at - chat.now()) // 1000)
    if left <= 0:
        chat.server.shutdown = None
        chat.log("the shutdown that an admin has ordered is due")
        chat.stop()
    elif any(left <= mark < planned.announced for mark in _ANNOUNCED):
        planned.announced = left
        mark = min(mark for mark in _ANNOUNCED if left <= mark)
        _announce(chat, planned, mark if mark - left <= _LATE_SECONDS else left)


def _announce(chat: Chat, planned: Shutdown, seconds: int) -> None:
    text = f"The server shuts down in {span(seconds * 1000)}" + (f": {planned.reason}" if planned.reason else ".")
    tell_all(chat, Notice(text, about="shutdown", at=planned.at, reason=planned.reason or UNSET))


def rule_name(chat: Chat, session: Session, command: acts.RuleName, supply: Supply | None) -> NameRules | Enact:
    """Keep a name from people, or no more; who has it keeps it."""
    if isinstance(supply, ChatError):
        raise supply
    if supply is not None:
        return _names(chat)
    check(chat, session, Act.SET_NAMES)
    name = check_name(command.name, chat.limits)
    rule = NameRule(fold(name), name, command.rule)
    before = chat.server.names.get(rule.key)
    if (before.rule if before is not None else "free") == rule.rule:
        return _names(chat)
    chat.server.put(rule)
    return Enact(record(chat, session, f"name {command.rule}", name), (rule,))


def names(chat: Chat, session: Session, command: acts.ListNames, supply: Supply | None) -> NameRules:
    """List the names that are kept from people."""
    check(chat, session, Act.SET_NAMES)
    return _names(chat)


def set_emergency(
    chat: Chat, session: Session, command: acts.SetEmergency, supply: Supply | None
) -> EmergencyLevel | Enact:
    """Let in no new guests, or only accounts, or nobody but admins write; or tell which it is."""
    if isinstance(supply, ChatError):
        raise supply
    if command.level is None or supply is not None:
        return EmergencyLevel(chat.server.emergency.value)
    check(chat, session, Act.SET_EMERGENCY)
    level = Emergency(command.level)
    if level is chat.server.emergency:
        return EmergencyLevel(level.value)
    chat.server.emergency = level
    chat.server.settle()
    chat.log(f"an admin has set the emergency to {level.value}")
    words = {
        Emergency.OFF: "The emergency is over.",
        Emergency.NO_NEW_GUESTS: "No new guests are let in for now.",
        Emergency.ACCOUNTS_ONLY: "Only those with an account are let in for now.",
        Emergency.READ_ONLY: "Nobody but admins can write for now.",
    }
    tell_all(chat, Notice(words[level], about="emergency", level=level.value))
    if _LEVELS.index(level) >= _LEVELS.index(Emergency.ACCOUNTS_ONLY):
        for person in [person for person in chat.users if not person.registered]:
            for one in list(person.sessions):
                dismiss(chat, one, words[Emergency.ACCOUNTS_ONLY], Code.EMERGENCY)
    return Enact(record(chat, session, f"emergency {level.value}", ""), (StoredState("emergency", level.value),))


def check_guest(chat: Chat) -> None:
    """Raise ``emergency`` while no new guests are let in."""
    if chat.server.emergency is not Emergency.OFF:
        raise ChatError(Code.EMERGENCY, "No new guests are let in for now: please try again later.", rule="emergency")


def sessions(chat: Chat, session: Session, command: acts.ListSessions, supply: Supply | None) -> SessionList:
    """List who is connected from where, the first of very many."""
    check(chat, session, Act.SEE_SESSIONS)
    people = list(chat.users)
    if command.user:
        person = chat.users.get(command.user)
        if person is None:
            shown = command.user[:64]
            raise ChatError(Code.NO_SUCH_USER, f"There is nobody called {shown} here.", user=shown)
        people = [person]
    found = (
        SessionSummary(
            person.name,
            one.channel.address,
            one.channel.secure,
            person.registered,
            one.since,
            [room.label for room in one.rooms.values()],
            one.ticket.detached or UNSET if one.ticket is not None else UNSET,
        )
        for person in people
        for one in person.sessions
    )
    return SessionList(list(islice(found, _SESSIONS_LISTED)))


def read_acts(chat: Chat, session: Session, command: acts.ReadActs, supply: Supply | None) -> Acts | ReadAudit:
    """Read what moderators did in a room, or what was done on the whole server."""
    room = chat.room(session, command.room) if command.room else None
    check(chat, session, Act.READ_AUDIT if room is None else Act.READ_ROOM_AUDIT, room)
    if isinstance(supply, ChatError):
        raise supply
    if not isinstance(supply, AuditPage):
        limit = min(command.limit, chat.limits.page_entries)
        return ReadAudit(limit, command.before, room.id if room is not None else None)
    whole = may(chat, session, Act.SEE_SESSIONS)
    lines = [line_of(one, whole=whole) for one in supply.records]
    return Acts(lines, supply.more)


def limits(chat: Chat, session: Session, command: acts.ListLimits, supply: Supply | None) -> Bounds:
    """List the bounds that are in force."""
    check(chat, session, Act.SEE_LIMITS)
    known = chat.limits
    return Bounds([Bound(one.name, getattr(known, one.name), one.metadata["unit"]) for one in fields(known)])


def _names(chat: Chat) -> NameRules:
    rules = sorted(chat.server.names.values(), key=lambda rule: rule.key)
    return NameRules(*([rule.name for rule in rules if rule.rule == kind] for kind in ("reserved", "forbidden")))
