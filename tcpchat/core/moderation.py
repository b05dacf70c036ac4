"""What moderators do in a room. It acts at once, and is recorded after: in the room's log and in the audit log."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import msgspec
from msgspec import UNSET

from tcpchat.core import acts
from tcpchat.core.actors import Target, actor, check_reason, find_target, is_own, record, until
from tcpchat.core.answers import BanList, BanSummary, Done
from tcpchat.core.bans import SERVER, Ban, BanId, Subject, network_of
from tcpchat.core.chat import Chat
from tcpchat.core.entries import Draft, Kind, RoomId
from tcpchat.core.events import Deed, Invited, PutOut
from tcpchat.core.membership import put_out
from tcpchat.core.names import fold
from tcpchat.core.permissions import check, check_rank, check_write, may, stands_higher
from tcpchat.core.requests import Append, Effect, Enact, Lifted, Supply
from tcpchat.core.roles import Act, RoomRole
from tcpchat.core.standing import change, check_place
from tcpchat.core.state import Room, Session
from tcpchat.errors import ChatError, Code


def kick(chat: Chat, session: Session, command: acts.Kick, supply: Supply | None) -> Done | Enact:
    """Put somebody out of a room, who can come back after a moment."""
    if supply is not None:
        return done(supply)
    room, target, reason = _meant(chat, session, Act.KICK, command.room, command.user, command.reason)
    if target.person not in room.people:
        raise ChatError(Code.NO_SUCH_USER, f"{target.name} is not in {room.label}.", user=target.name)
    end = chat.now() + int(chat.limits.kick_seconds * 1000)
    if chat.bans.find(room.id, target.id, target.name, "", chat.now()) is None:
        for subject, data in target.subjects:  # too short to be stored
            chat.bans.add(_ban(chat, session, room.id, subject, data, target.name, reason, end, kick=True))
    tell_room(chat, session, room, Deed("kick", target.name, reason or UNSET))
    _empty(chat, session, room, [one for one in room.members if room.members[one] is target.person], "kick", reason)
    return Enact(record(chat, session, "kick", target.name, room=room, reason=reason))


def ban(chat: Chat, session: Session, command: acts.Ban, supply: Supply | None) -> Done | Enact:
    """Keep somebody, or an address, out of a room."""
    if supply is not None:
        return done(supply)
    if command.address:
        room, reason = _room_for(chat, session, Act.BAN, command.room), check_reason(chat, command.reason)
        check(chat, session, Act.SEE_SESSIONS)  # others can't know an address
        name = network_of(command.address)
        subjects = [(Subject.ADDRESS, name)]
        out = [one for one in room.members if is_from(one, name) and _is_below(chat, session, one, room)]
    else:
        room, target, reason = _meant(chat, session, Act.BAN, command.room, command.user, command.reason)
        name, subjects = target.name, target.subjects
        out = [one for one in room.members if room.members[one] is target.person]
    end = until(chat, command.seconds, forever=0)
    effects: tuple[Effect, ...] = add_bans(chat, session, room, subjects, name, reason, end)
    if not command.address and not room.membership(target.id).is_plain:
        effects += change(chat, room, target, role=RoomRole.MEMBER, invited=False)
    public = UNSET if command.address else name
    tell_room(chat, session, room, Deed("ban", public, reason or UNSET, end or UNSET))
    _empty(chat, session, room, out, "ban", reason, end)
    return Enact(record(chat, session, "ban", name, room=room, reason=reason, until=end), effects)


def unban(chat: Chat, session: Session, command: acts.Unban, supply: Supply | None) -> Done | Enact:
    """Let somebody, or an address, into the room again."""
    if supply is not None:
        return done(supply)
    room = _room_for(chat, session, Act.BAN, command.room)
    if command.address:
        check(chat, session, Act.SEE_SESSIONS)  # whether an address is banned is theirs to know, too
    lifted = lift_bans(chat, session, room, command.user, command.address)
    name = lifted[0].name
    tell_room(chat, session, room, Deed("unban", UNSET if command.address else name))
    effects = tuple(Lifted(one.id) for one in lifted)
    return Enact(record(chat, session, "unban", name, room=room), effects)


def bans(chat: Chat, session: Session, command: acts.ListBans, supply: Supply | None) -> BanList:
    """List who is banned from a room, or from the server; addresses are for admins."""
    room = chat.room(session, command.room) if command.room else None
    check(chat, session, Act.BAN if room is not None else Act.SERVER_BAN, room)
    shown = may(chat, session, Act.SEE_SESSIONS)
    found = [
        BanSummary(one.name, one.by, one.at, one.until or UNSET, one.reason or UNSET)
        for one in chat.bans.of(room.id if room is not None else SERVER, chat.now())
        if not one.kick and (shown or one.subject is not Subject.ADDRESS)
    ]
    # A guest is banned by id and by name: that is one ban for people.
    bans = list({one.name: one for one in found}.values())
    return BanList(bans, room.label if room is not None else UNSET)


def mute(chat: Chat, session: Session, command: acts.Mute, supply: Supply | None) -> Done | Enact:
    """Let somebody not speak in a room."""
    if supply is not None:
        return done(supply)
    room, target, reason = _meant(chat, session, Act.MUTE, command.room, command.user, command.reason)
    end = until(chat, command.seconds)
    check_place(chat, room, target.id)
    effects: tuple[Effect, ...] = ()
    if target.account is None:  # a guest comes back under the same name
        name = target.name
        effects = add_bans(chat, session, room, [(Subject.SILENCE, fold(name))], name, reason, max(end, 0))
    effects += change(chat, room, target, muted=end)
    shown = end if end > 0 else UNSET
    tell_room(chat, session, room, Deed("mute", target.name, reason or UNSET, shown))
    return Enact(record(chat, session, "mute", target.name, room=room, reason=reason, until=end), effects)


def unmute(chat: Chat, session: Session, command: acts.Unmute, supply: Supply | None) -> Done | Enact:
    """Let somebody speak again."""
    if supply is not None:
        return done(supply)
    room, target, _ = _meant(chat, session, Act.MUTE, command.room, command.user)
    silence = chat.bans.silence(room.id, target.name, chat.now()) if target.account is None else None
    if not room.membership(target.id).muted and silence is None:
        raise ChatError(Code.NO_SUCH_BAN, f"{target.name} is not muted in {room.label}.", user=target.name)
    effects: tuple[Effect, ...] = change(chat, room, target, muted=0)
    if silence is not None:
        chat.bans.remove(silence)
        effects += (Lifted(silence.id),)
    tell_room(chat, session, room, Deed("unmute", target.name))
    return Enact(record(chat, session, "unmute", target.name, room=room), effects)


def invite(chat: Chat, session: Session, command: acts.Invite, supply: Supply | None) -> Done | Enact:
    """Let somebody into a room that is only for the invited, and tell them."""
    if supply is not None:
        return done(supply)
    room = _room_for(chat, session, Act.INVITE, command.room)
    target = find_target(chat, command.user)
    banned = chat.bans.find(room.id, target.id, target.name if target.account is None else "", "", chat.now())
    if banned is not None and not banned.kick:
        text = f"{target.name} is banned from {room.label}: lift the ban first."
        raise ChatError(Code.NOT_ALLOWED, text, user=target.name, room=room.label)
    if room.membership(target.id).invited:
        raise ChatError(Code.BAD_FIELD, f"{target.name} is invited to {room.label} already.", field="user")
    effects = change(chat, room, target, invited=True)
    ident, by = actor(session)
    for one in list(target.person.sessions) if target.person is not None else ():
        if ident not in one.ignores:
            chat.audience.send(one, Invited(room.label, by))
    tell_room(chat, session, room, Deed("invite", target.name))
    return Enact(record(chat, session, "invite", target.name, room=room), effects)


def uninvite(chat: Chat, session: Session, command: acts.Uninvite, supply: Supply | None) -> Done | Enact:
    """Take an invitation back; who is in a room for the invited only is put out of it."""
    if supply is not None:
        return done(supply)
    room, target, _ = _meant(chat, session, Act.INVITE, command.room, command.user)
    inside = room.settings.invite_only and target.person in room.people
    if not inside and not room.membership(target.id).invited:
        raise ChatError(Code.BAD_FIELD, f"{target.name} is not invited to {room.label}.", field="user")
    effects = change(chat, room, target, invited=False)
    tell_room(chat, session, room, Deed("uninvite", target.name))
    if room.settings.invite_only and room.role_of(target.id) is RoomRole.MEMBER:
        _empty(chat, session, room, [one for one in room.members if room.members[one] is target.person], "uninvite", "")
    return Enact(record(chat, session, "uninvite", target.name, room=room), effects)


def set_role(chat: Chat, session: Session, command: acts.SetRoomRole, supply: Supply | None) -> Done | Enact:
    """Make somebody an owner, a moderator, one with a voice, or a plain member of a room."""
    if supply is not None:
        return done(supply)
    role = RoomRole[command.role.upper()]
    room = chat.room(session, command.room)
    target = find_target(chat, command.user)
    if not (is_own(session, target) and role < room.role_of(target.id)):  # anybody may step down
        high = role >= RoomRole.MODERATOR or room.role_of(target.id) >= RoomRole.MODERATOR
        check(chat, session, Act.PROMOTE if high else Act.GIVE_VOICE, room)
        check_rank(chat, session, target.id, target.name, room)
    if role is room.role_of(target.id):
        raise ChatError(Code.BAD_FIELD, f"{target.name} is {role.words} of {room.label} already.", field="role")
    effects = change(chat, room, target, role=role)
    tell_room(chat, session, room, Deed("role", target.name, role=role.word))
    return Enact(record(chat, session, f"make {role.word}", target.name, room=room), effects)


def add_bans(
    chat: Chat,
    session: Session,
    room: Room | None,
    subjects: Sequence[tuple[Subject, str]],
    name: str,
    reason: str,
    end: int,
) -> tuple[Ban | Lifted, ...]:
    """Put bans into force, of a room or of the server, and return what is to be stored.

    Raises ``too-many-bans``, or ``not-allowed`` if one of somebody who stands higher would end sooner by that.
    """
    where = room.id if room is not None else SERVER
    most = chat.limits.bans_per_room if room is not None else chat.limits.bans_of_server
    before = [chat.bans.get(where, *subject) for subject in subjects]
    replaced = [old for old in before if old is not None and not old.kick and not old.is_over(chat.now())]
    for old in replaced:
        if end and (not old.until or end < old.until) and old.subject is not Subject.SILENCE:
            check_maker(chat, session, old.by, room)
    if chat.bans.lasting(where, chat.now()) + len(subjects) - len(replaced) > most:
        raise ChatError(
            Code.TOO_MANY_BANS, f"There are {most} bans, as many as there can be: lift one first.", max=most
        )
    effects: list[Ban | Lifted] = []
    for subject, data in subjects:
        added = _ban(chat, session, where, subject, data, name, reason, end)
        gone = chat.bans.add(added)
        effects += [Lifted(gone.id), added] if gone is not None else [added]
    return tuple(effects)


def lift_bans(chat: Chat, session: Session, room: Room | None, user: str, address: str) -> list[Ban]:
    """Lift the bans of somebody, or of an address, from a room or the server, and return them.

    Raises ``no-such-ban``, or ``not-allowed`` if who made one stands higher.
    """
    if bool(user) == bool(address):
        raise ChatError(Code.BAD_FIELD, "Give either a user or an address.", field="user")
    network = network_of(address) if address else ""
    bans = chat.bans.of(room.id if room is not None else SERVER, chat.now())
    found = [one for one in bans if one.data == network] if network else _bans_of(chat, bans, user.strip())
    if not found:
        shown = (network or user)[:64]
        raise ChatError(Code.NO_SUCH_BAN, f"There is no ban of {shown}. To see those there are, list them.", user=shown)
    for one in found:
        if not one.kick:
            check_maker(chat, session, one.by, room)
    for one in found:
        chat.bans.remove(one)
    return found


def check_maker(chat: Chat, session: Session, name: str, room: Room | None) -> None:
    """Raise ``not-allowed`` if who is called ``name`` now, and did what is to be undone, stands higher."""
    try:
        maker = find_target(chat, name)
    except ChatError:
        return  # gone, and nothing here any more
    if stands_higher(chat, maker.id, session, room):
        raise ChatError(Code.NOT_ALLOWED, f"That was done by {name}, who stands higher than you do.", rule="rank")


def tell_room(chat: Chat, session: Session, room: Room, deed: Deed) -> None:
    """Have the room's log say what was done."""
    chat.submit(Append(new_draft(chat, session, room, Kind.DEED, encode_deed(deed))))


def new_draft(chat: Chat, session: Session, room: Room, kind: Kind, text: str) -> Draft:
    """Return an entry of a room's log by whoever acts."""
    ident, name = actor(session)
    color = session.person.color if session.person is not None else None
    return Draft(room.id, chat.now(), ident, name, color, kind, text)


def encode_deed(deed: Deed) -> str:
    """Return a deed as it stands in a room's log."""
    return msgspec.json.encode(deed).decode()


def done(supply: Supply, *, acted: bool = True) -> Done:
    """Return the good end of an act, or raise what kept it from being recorded."""
    if isinstance(supply, ChatError) and supply.code is Code.STORE_FAILED and acted:
        text = "That is done, but it could not be recorded, and doesn't outlive a restart of the server."
        raise ChatError(Code.STORE_FAILED, text, rule="store")
    if isinstance(supply, ChatError):
        raise supply
    return Done()


def is_from(session: Session, network: str) -> bool:
    """Return whether the session's connection comes from ``network``."""
    try:
        place = ip_address(session.channel.address)
    except ValueError:
        return False
    return (getattr(place, "ipv4_mapped", None) or place) in ip_network(network)


def _room_for(chat: Chat, session: Session, act: Act, name: str) -> Room:
    room = chat.room(session, name)
    check(chat, session, act, room)
    return room


def _meant(
    chat: Chat, session: Session, act: Act, room_name: str, user: str, reason: str = ""
) -> tuple[Room, Target, str]:
    """Return the room, the one who is meant and the reason, if ``session`` may do ``act`` there to them."""
    room = _room_for(chat, session, act, room_name)
    if not user:
        raise ChatError(Code.BAD_FIELD, "The field user is missing.", field="user")
    target = find_target(chat, user)
    check_rank(chat, session, target.id, target.name, room)
    if reason:
        check_write(chat, session)  # order can be kept without a word
    return room, target, check_reason(chat, reason)


def _bans_of(chat: Chat, bans: list[Ban], user: str) -> list[Ban]:
    """Return those of ``bans`` that are of somebody, by the name of now or by the one of then."""
    person, account = chat.users.get(user), chat.accounts.get(user)
    ids = {str(one.id) for one in (person, account) if one is not None}
    names = {one.name.casefold() for one in bans if one.subject is Subject.PERSON and one.data in ids}
    names = names or {user.casefold()}
    return [one for one in bans if one.subject is not Subject.ADDRESS and one.name.casefold() in names]


def _is_below(chat: Chat, session: Session, other: Session, room: Room) -> bool:
    try:
        check_rank(chat, session, room.members[other].id, "", room)
    except ChatError:
        return False
    return True


def _ban(
    chat: Chat,
    session: Session,
    room: RoomId,
    subject: Subject,
    data: str,
    name: str,
    reason: str,
    end: int,
    *,
    kick: bool = False,
) -> Ban:
    return Ban(BanId(chat.new_id()), room, subject, data, name, reason, actor(session)[1], chat.now(), end, kick)


def _empty(chat: Chat, session: Session, room: Room, out: list[Session], act: str, reason: str, end: int = 0) -> None:
    """Put sessions out of a room."""
    event = PutOut(room.label, act, actor(session)[1], reason or UNSET, end or UNSET)
    for one in out:
        put_out(chat, one, room, event)
