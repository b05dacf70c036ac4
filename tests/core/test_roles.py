"""The table of roles, walked whole."""

from __future__ import annotations

import pytest

from tcpchat.core.roles import Act, RoomRole, ServerRole

MODERATORS = {
    Act.SPEAK_READ_ONLY, Act.KICK, Act.MUTE, Act.BAN, Act.INVITE, Act.GIVE_VOICE, Act.REMOVE, Act.READ_ROOM_AUDIT,
}  # fmt: skip
OWNERS = {Act.PROMOTE, Act.SET_ROOM, Act.DELETE_ROOM}
VOICED = {Act.SPEAK_MODERATED, Act.SPEAK_FAST}
ROOMLESS = {
    Act.ENTER_ANY, Act.SEE_ANY, Act.DISCONNECT, Act.SERVER_BAN, Act.SUSPEND, Act.SEE_SESSIONS, Act.READ_AUDIT,
    Act.SUBSCRIBE, Act.BROADCAST, Act.SET_MOTD, Act.SET_NAMES, Act.SET_EMERGENCY, Act.WRITE_IN_EMERGENCY, Act.SHUT_DOWN,
    Act.SEE_LIMITS, Act.SEE_ACCOUNTS, Act.MANAGE_ACCOUNTS, Act.CHANGE_ROLE, Act.GIVE_ACCESS, Act.SEE_HEALTH,
}  # fmt: skip


def test_every_act_is_somebody_s() -> None:
    assert {Act.SPEAK} | MODERATORS | OWNERS | VOICED | ROOMLESS == set(Act)


@pytest.mark.parametrize("act", list(Act), ids=lambda act: act.name.lower())
@pytest.mark.parametrize("server", list(ServerRole), ids=lambda role: role.word)
@pytest.mark.parametrize("room", [None, *RoomRole], ids=lambda role: role.word if role is not None else "outside")
def test_who_may_do_what(act: Act, server: ServerRole, room: RoomRole | None) -> None:
    if act is Act.GIVE_ACCESS:
        allowed = server is ServerRole.OPERATOR
    elif act in (Act.CHANGE_ROLE, Act.MANAGE_ACCOUNTS):
        allowed = server in (ServerRole.OWNER, ServerRole.OPERATOR)
    elif server in (ServerRole.ADMIN, ServerRole.OWNER, ServerRole.OPERATOR):
        allowed = True
    elif room is None or act in ROOMLESS:
        allowed = False
    elif act in OWNERS:
        allowed = room is RoomRole.OWNER
    elif act in MODERATORS:
        allowed = room in (RoomRole.MODERATOR, RoomRole.OWNER)
    elif act in VOICED:
        allowed = room is not RoomRole.MEMBER
    else:
        allowed = True
    assert act.allows(server, room) is allowed


def test_a_refusal_says_who_may() -> None:
    assert Act.KICK.needs == "a moderator of the room, or an admin of this server"
    assert Act.CHANGE_ROLE.needs == "the owner of this server"
    assert Act.GIVE_ACCESS.needs == "whoever sits at the machine of this server"
    assert Act.BROADCAST.needs == "an admin of this server"
