"""The program's words for what moderators and admins do, and for what they are answered."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from tcpchat.core import acts
from tcpchat.core.answers import (
    AccountList,
    AccountSummary,
    Acts,
    Answer,
    BanList,
    Bounds,
    Done,
    EmergencyLevel,
    Health,
    Motd,
    NameRules,
    Refusal,
    RoomState,
    SessionList,
    SessionSummary,
    StopPlanned,
    Watched,
)
from tcpchat.core.audit import AuditLine
from tcpchat.core.events import Deed, PutOut, ServerEvent
from tcpchat.core.names import HERE
from tcpchat.core.permissions import span
from tcpchat.core.roles import RoomRole, ServerRole
from tcpchat.wire.view import View

_ON = {
    "unlisted": "is not listed",
    "invite_only": "is for the invited only",
    "moderated": "is moderated: only those with a voice speak",
    "read_only": "is read-only: only moderators speak",
    "key": "has a key",
}
_OFF = {
    "unlisted": "is listed",
    "invite_only": "is for everybody, invited or not",
    "moderated": "is not moderated",
    "read_only": "is open for speech",
    "key": "has no key",
}


def phrase_deed(name: str, deed: Deed, room: str, view: View) -> str:
    """Return what a moderator did, as the room's log tells it; without the room's name if ``room`` is empty."""
    where = room or "the room"
    end = f" until {_moment(deed.until, view)}" if deed.until else ""
    match deed.act:
        case "kick":
            line = f"{name} put {deed.user} out of {where}"
        case "ban":
            line = f"{name} banned {deed.user or 'an address'} from {where}{end}"
        case "unban":
            line = f"{name} lifted the ban of {deed.user or 'an address'} from {where}"
        case "mute":
            line = f"{name} muted {deed.user} in {where}{end}"
        case "unmute":
            line = f"{name} let {deed.user} speak again in {where}"
        case "invite":
            line = f"{name} invited {deed.user} to {where}"
        case "uninvite":
            line = f"{name} took the invitation of {deed.user} to {where} back"
        case "role":
            line = f"{name} made {deed.user} {RoomRole[str(deed.role).upper()].words} of {where}"
        case "remove":
            line = f"{name} removed what {deed.user} said under number {deed.ref}"
        case "set":
            line = f"{name} changed {where}: {_settings(deed.settings or {})}"
        case other:
            line = f"{name} did this in {where}: {other}"
    return f"{line}: {deed.reason}" if deed.reason else f"{line}."


def phrase_put_out(event: PutOut, view: View) -> str:
    """Return what one is told who was put out of a room."""
    end = f" until {_moment(event.until, view)}" if event.until else ""
    words = {
        "kick": f"{event.by} put you out of {event.room}",
        "ban": f"{event.by} banned you from {event.room}{end}",
        "uninvite": f"{event.by} took your invitation to {event.room} back",
    }.get(event.act, f"{event.by} put you out of {event.room}")
    return f"{words}: {event.reason}" if event.reason else f"{words}."


def phrase_server_event(event: ServerEvent) -> str:
    """Return what happened on the server."""
    by = f", by {event.by}" if event.by else ""
    role = ServerRole[event.role.upper()].words if event.role else ""
    return {
        "login": f"({event.user} logged in.)",
        "logout": f"({event.user} logged out.)",
        "duplicate-session": f"({event.user} has logged in from another place, too.)",
        "role-change": f"({event.user} is {role} of this server now{by}.)",
        "registration": f"({event.user} has registered.)",
        "room-created": f"(The room {event.room} was created.)",
        "room-deleted": f"(The room {event.room} was deleted.)",
        "store": f"(The store of this server {_store(str(event.state))}{f': {event.error}' if event.error else '.'})",
    }.get(event.event, f"({event.event})")


def phrase_order(asked: object, answer: Answer, view: View) -> list[str] | None:
    """Return the answer to a moderator or an admin as lines; None if it is another kind of answer."""
    match answer:
        case RoomState(room, settings):
            return [f"{room} {_settings(settings, whole=True)}."]
        case BanList(bans, room):
            where = room or "this server"
            if not bans:
                accounts = "" if room else " But accounts may be: /accounts banned lists these."
                return [f"Nobody is banned from {where}.{accounts}"]
            return [f"Banned from {where}:"] + [
                f"{one.name}, by {one.by} on {view.day(one.at)}"
                + (f", until {_moment(one.until, view)}" if one.until else "")
                + (f": {one.reason}" if one.reason else ".")
                for one in bans
            ]
        case Refusal(_, text, advice):
            return [f"You were refused this: {text} {advice}"] if text else ["Nothing was refused to you by a rule."]
        case Acts(lines, more):
            if not lines:
                return ["Nothing was done."]
            where = asked.room if isinstance(asked, acts.ReadActs) else ""
            words = f"/audit {'here' if where == HERE else where or 'all'} {len(lines)} {lines[-1].id}"
            older = [f"What was done before: {words}"] if more else []
            return [_act(line, view) for line in reversed(lines)] + older
        case SessionList(sessions):
            return [
                f"{one.name} from {one.address or 'this machine'}{' by TLS' if one.secure else ''}, since "
                f"{_moment(one.since, view)}{_left_behind(one, view)}, in {', '.join(one.rooms) or 'no room'}."
                for one in sessions
            ] or ["Nobody is here."]
        case AccountList(accounts, more):
            rest = ["There are more: name a part of the one you look for."] if more else []
            return [_account(one, view) for one in accounts] + rest or ["There is no such account."]
        case Bounds(limits):
            return [f"{one.name}: {one.value:,} {one.unit}." for one in limits]
        case NameRules(reserved, forbidden):
            kinds = ((reserved, "Reserved"), (forbidden, "Forbidden"))
            return [f"{word}: {', '.join(names) or 'no name'}." for names, word in kinds]
        case Motd(text):
            return text.splitlines() or ["There is no message of the day."]
        case EmergencyLevel(level):
            return ["There is no emergency." if level == "off" else f"The emergency is: {level}."]
        case Health():
            return _health(answer, view)
        case StopPlanned(at):
            return [f"The server shuts down at {_moment(at, view)}."] if at else ["The server goes on."]
        case Watched(events):
            return [f"You are told of: {', '.join(events)}." if events else "You are told of nothing any more."]
        case Done() if line := _done(asked):
            return [line]
    return None


def _left_behind(one: SessionSummary, view: View) -> str:
    return f", without a connection since {_moment(one.detached, view)}" if one.detached else ""


def _store(state: str) -> str:
    words = {
        "ok": "works",
        "low-space": "has hardly any space left: nothing can be said",
        "failing": "fails: nothing can be kept",
    }
    return words.get(state, state)


def _health(health: Health, view: View) -> list[str]:
    lines = [f"The store {_store(health.store)}, since {_moment(health.since, view)}."]
    if health.error:
        lines.append(f"Its last failure, at {_moment(health.failed, view)}: {health.error}")
    if health.free_bytes is not UNSET:
        least = f", of which {_mebibytes(health.free_bytes_least)} are needed" if health.free_bytes_least else ""
        lines.append(f"Left on its disk: {_mebibytes(health.free_bytes)}{least}.")
    people = "1 person is" if health.people == 1 else f"{health.people} people are"
    rooms = "1 room" if health.rooms == 1 else f"{health.rooms} rooms"
    lines.append(f"The server is up for {span(health.uptime * 1000)}; {people} here, and there are {rooms}.")
    if health.detached:
        lines.append(f"Sessions without a connection just now: {health.detached:,}.")
    return lines


def _mebibytes(count: int | UnsetType) -> str:
    return f"{(count or 0) // (1 << 20):,} MiB"


def _done(asked: object) -> str:
    """Return what is said to whom an act was done; what the room itself is told needs no word."""
    match asked:
        case acts.Claim():
            return "You are the owner of this server now."
        case acts.SetRole(user, role):
            return f"{user} is {ServerRole[role.upper()].words} of this server now."
        case acts.Disconnect(user):
            return f"{user} was disconnected."
        case acts.ServerBan(user, address):
            return f"{user or address} is banned from this server now."
        case acts.ServerUnban(user, address):
            return f"{user or address} may come to this server again."
        case acts.Suspend(user):
            return f"The account {user} is suspended now."
        case acts.Unsuspend(user):
            return f"The account {user} can be used again."
        case acts.CreateAccount(name):
            return f"The account {name} is made."
        case acts.ResetPassword(user):
            return f"The account {user} has another password now, and its sessions are ended."
        case acts.DeleteAccount(user):
            return f"The account {user} is deleted."
    return ""


def _settings(settings: dict[str, bool | int], *, whole: bool = False) -> str:
    """Return settings in words; ``whole``: all of them, of which those that are off are left out."""
    words: list[str] = []
    for name, value in settings.items():
        if name == "slow":
            text = f"lets everybody speak once in {value} seconds" if value else "has no pause between messages"
        elif name == "limit":
            text = {0: "takes as many people as come", 1: "takes one person"}.get(value, f"takes {value} people")
        else:
            text = (_ON if value else _OFF).get(name, name)
        if value or not whole:
            words.append(text)
    return ", ".join(words) or "is open for everybody"


def _act(line: AuditLine, view: View) -> str:
    end = f" until {_moment(line.until, view)}" if line.until else ""
    subject = f" {line.on}" if line.on else ""
    where = f" in {line.room}" if line.room else ""
    reason = f": {line.reason}" if line.reason else "."
    return f"{line.id}, {_moment(line.at, view)}, {line.by}: {line.act}{subject}{where}{end}{reason}"


def _account(account: AccountSummary, view: View) -> str:
    state = "" if account.state == "good" else f", {account.state}"
    end = f" until {_moment(account.until, view)}" if account.until else ""
    reason = f": {account.reason}" if account.reason else "."
    return f"{account.name}, {account.role}, made on {view.day(account.created)}{state}{end}{reason}"


def _moment(at: int | UnsetType, view: View) -> str:
    return "" if at is UNSET else f"{view.time(at)} {view.zone} on {view.day(at)}"
