"""Order in a room."""

from __future__ import annotations

from tcpchat.core import acts
from tcpchat.core.names import HERE
from tcpchat.wire import local
from tcpchat.wire.table.row import REASON, TIME, USER, Parameter, Row

GROUP = "Moderation"

ROWS = (
    Row(
        acts.Kick,
        GROUP,
        "Put somebody out of this room; for half a minute they can't come back.",
        op="kick",
        data="room, user, reason?",
        words=("/kick",),
        parameters=(USER, REASON),
        example="/kick bob Please calm down.",
        fixed={"room": HERE},
    ),
    Row(
        acts.Mute,
        GROUP,
        "Let somebody not speak in this room, for a time (30m, 2h, 7d) or until that is undone.",
        op="mute",
        data="room, user, seconds?, reason?",
        words=("/mute",),
        parameters=(USER, TIME, REASON),
        example="/mute bob 10m Let others speak.",
        fixed={"room": HERE},
    ),
    Row(
        acts.Unmute,
        GROUP,
        "Let somebody speak again.",
        op="unmute",
        data="room, user",
        words=("/unmute",),
        parameters=(USER,),
        example="/unmute bob",
        fixed={"room": HERE},
    ),
    Row(
        acts.Ban,
        GROUP,
        "Keep somebody out of this room, for a time (30m, 2h, 7d) or for ever.",
        op="ban",
        data="room, user? or address? (for admins), seconds?, reason?",
        words=("/ban",),
        parameters=(USER, TIME, REASON),
        example="/ban bob 7d Advertising",
        fixed={"room": HERE},
    ),
    Row(
        acts.Unban,
        GROUP,
        "Let somebody into this room again.",
        op="unban",
        data="room, user? or address? (for admins)",
        words=("/unban",),
        parameters=(USER,),
        example="/unban bob",
        fixed={"room": HERE},
    ),
    Row(
        acts.ListBans,
        GROUP,
        "List who is banned from this room.",
        op="bans",
        data="room?; without one, the bans from the server",
        reply="room?, bans: [{name, by, at, until?, reason?}]",
        words=("/bans",),
        example="/bans",
        fixed={"room": HERE},
    ),
    Row(
        acts.Invite,
        GROUP,
        "Let somebody into this room, if it is for the invited only, and tell them.",
        op="invite",
        data="room, user",
        words=("/invite",),
        parameters=(USER,),
        example="/invite bob",
        fixed={"room": HERE},
    ),
    Row(
        acts.Uninvite,
        GROUP,
        "Take an invitation back.",
        op="uninvite",
        data="room, user",
        words=("/uninvite",),
        parameters=(USER,),
        example="/uninvite bob",
        fixed={"room": HERE},
    ),
    Row(
        acts.SetRoomRole,
        GROUP,
        "Make somebody an owner, a moderator, one with a voice, or a plain member of a room.",
        op="room-role",
        data="room, user, role: owner, moderator, voice or member",
    ),
    *(
        Row(
            acts.SetRoomRole,
            GROUP,
            summary,
            words=(f"/{word}",),
            parameters=(USER,),
            example=f"/{word} bob",
            fixed={"room": HERE, "role": role},
        )
        for word, role, summary in (
            ("voice", "voice", "Let somebody speak in this room when it is moderated."),
            ("unvoice", "member", "Make somebody a plain member of this room."),
            ("moderator", "moderator", "Let somebody keep order in this room."),
            ("unmoderator", "member", "Let somebody keep order in this room no more."),
            ("owner", "owner", "Make somebody an owner of this room, as you are."),
        )
    ),
    Row(
        acts.Remove,
        GROUP,
        "Remove the text of an entry by its number: your own, or as a moderator anybody's.",
        op="remove",
        data="room, seq, reason?",
        words=("/remove",),
        parameters=(Parameter("NUMBER", "seq", number=True), REASON),
        example="/remove 120",
        fixed={"room": HERE},
    ),
    Row(
        acts.SetRoom,
        GROUP,
        "Change how a room is, or ask.",
        op="room-set",
        data="room, unlisted?, invite_only?, moderated?, read_only?, slow? (seconds), limit? (people), key?",
        reply="room, settings",
    ),
    Row(
        local.AskRoom,
        GROUP,
        "Tell how this room is, or change it: unlisted, invite-only, moderated, read-only (on or off); "
        "slow SECONDS, limit PEOPLE, key WORD (or off).",
        words=("/room",),
        parameters=(
            Parameter("SETTING", "setting", default=""),
            Parameter("VALUE", "value", default="", rest=True),
        ),
        example="/room slow 10",
    ),
    Row(
        acts.Why,
        GROUP,
        "Ask which rule refused you last, and what can be done.",
        op="why",
        reply="rule?, text?, advice?",
        words=("/why",),
        example="/why",
    ),
)
