"""The hub: the only writer of the registries. Every wire's every command passes `Hub.handle`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tcpchat.core import (
    acts,
    administration,
    announcements,
    backlog,
    catalogue,
    commands,
    credentials,
    enrolment,
    exclusion,
    guests,
    health,
    history,
    keeping,
    login,
    markers,
    membership,
    moderation,
    people,
    ranks,
    refusals,
    registration,
    restoration,
    resumption,
    sendings,
    speech,
    upkeep,
)
from tcpchat.core.accounts import Account
from tcpchat.core.answers import Answer
from tcpchat.core.audience import EVERYBODY
from tcpchat.core.bans import Ban
from tcpchat.core.chat import Chat, not_logged_in
from tcpchat.core.commands import Command
from tcpchat.core.entries import NOBODY, Entry, RoomId, RoomRecord
from tcpchat.core.events import QUARTER_MS, Members, QuarterBegun
from tcpchat.core.positions import Marker
from tcpchat.core.requests import (
    CredentialsChanged,
    Deleted,
    Enact,
    NameRule,
    ReadPage,
    Request,
    Result,
    Supply,
)
from tcpchat.core.roles import Membership
from tcpchat.core.rooms import Rooms
from tcpchat.core.server_state import Emergency
from tcpchat.core.state import Room, Session
from tcpchat.core.stored_session import StoredSession
from tcpchat.core.users import Users
from tcpchat.errors import ChatError, Code

Handler = Callable[[Chat, Session, Any, Supply | None], Answer | Request]

HANDLERS: dict[type[Command], Handler] = {
    commands.Hello: catalogue.hello,
    commands.Ping: catalogue.ping,
    commands.ListRooms: catalogue.rooms,
    commands.Complete: catalogue.complete,
    commands.Create: catalogue.create,
    commands.Delete: catalogue.delete,
    commands.Login: login.login,
    commands.Visit: login.login,
    commands.EnterAsGuest: guests.enter,
    commands.SpeakAsGuest: guests.speak,
    commands.Arrive: login.arrive,
    commands.AskChallenge: login.challenge,
    commands.May: registration.may,
    commands.Register: registration.register,
    commands.Enrol: registration.enrol,
    commands.ChangePassword: credentials.change_password,
    commands.Unregister: registration.unregister,
    commands.Tokens: credentials.tokens,
    commands.Keys: credentials.keys,
    commands.Certificates: credentials.certificates,
    commands.Resume: resumption.resume,
    commands.ComeBack: resumption.resume,
    commands.Detach: resumption.detach,
    commands.Logout: membership.logout,
    commands.Quit: membership.close,
    commands.Join: membership.join,
    commands.Leave: membership.leave,
    commands.ListMembers: membership.members,
    commands.ListUsers: membership.users,
    commands.Say: speech.say,
    commands.SayInLobby: speech.say_in_lobby,
    commands.Tell: speech.tell,
    commands.Reply: speech.reply,
    commands.Topic: speech.topic,
    commands.Switch: membership.switch,
    commands.Rename: people.rename,
    commands.Recolor: people.recolor,
    commands.GoAway: people.go_away,
    commands.WhoIs: people.who_is,
    commands.Ignore: people.ignore,
    commands.Unignore: people.unignore,
    commands.ListIgnored: people.ignored,
    commands.History: history.history,
    commands.Read: markers.read,
    acts.Kick: moderation.kick,
    acts.Mute: moderation.mute,
    acts.Unmute: moderation.unmute,
    acts.Ban: moderation.ban,
    acts.Unban: moderation.unban,
    acts.ListBans: moderation.bans,
    acts.Invite: moderation.invite,
    acts.Uninvite: moderation.uninvite,
    acts.SetRoomRole: moderation.set_role,
    acts.Remove: upkeep.remove,
    acts.SetRoom: upkeep.set_room,
    acts.Why: refusals.why,
    acts.Claim: ranks.claim,
    acts.SetRole: ranks.set_role,
    acts.Disconnect: exclusion.disconnect,
    acts.ServerBan: exclusion.ban,
    acts.ServerUnban: exclusion.unban,
    acts.Suspend: exclusion.suspend,
    acts.Unsuspend: exclusion.unsuspend,
    acts.ListLimits: administration.limits,
    acts.ListAccounts: enrolment.accounts,
    acts.CreateAccount: enrolment.create,
    acts.ResetPassword: enrolment.reset_password,
    acts.DeleteAccount: enrolment.delete,
    acts.Broadcast: administration.broadcast,
    acts.SetMotd: administration.set_motd,
    acts.Stop: administration.stop,
    acts.CancelStop: administration.cancel_stop,
    acts.RuleName: administration.rule_name,
    acts.ListNames: administration.names,
    acts.SetEmergency: administration.set_emergency,
    acts.AskHealth: health.ask,
    acts.ListSessions: administration.sessions,
    acts.ReadActs: administration.read_acts,
    acts.Subscribe: announcements.subscribe,
    acts.Unsubscribe: announcements.unsubscribe,
}


class Hub:
    """The chat's rules over the chat's state."""

    def __init__(self, chat: Chat, records: Iterable[RoomRecord]) -> None:
        self._chat = chat
        self._quarter = chat.now() // QUARTER_MS
        for record in records:
            chat.rooms.add(Room.from_record(record))

    def restore(
        self,
        memberships: Iterable[Membership],
        bans: Iterable[Ban],
        rules: Iterable[NameRule],
        state: Mapping[str, str],
        positions: Iterable[Marker] = (),
    ) -> None:
        """Take back what moderators and admins had set before a restart, and how far accounts had read."""
        chat = self._chat
        for marker in positions:
            chat.positions.restore(marker)
        for known in memberships:
            room = chat.rooms.log(known.room)
            if isinstance(room, Room) and chat.accounts.by_id(known.person) is not None:
                room.know(known)
        for ban in bans:
            chat.bans.add(ban)
        for rule in rules:
            chat.server.put(rule)
        if (level := state.get("emergency", "")) in set(Emergency):
            chat.server.emergency = Emergency(level)
            chat.server.settle()
        if (motd := state.get("motd")) is not None:
            chat.server.motd = motd.removeprefix("=")

    def restore_sessions(self, stored: Iterable[StoredSession], directs: Mapping[RoomId, RoomRecord]) -> None:
        """Take back the sessions of before a restart, after all else."""
        restoration.restore(self._chat, stored, directs)

    @property
    def users(self) -> Users:
        """Everybody logged in."""
        return self._chat.users

    @property
    def rooms(self) -> Rooms:
        """Every room."""
        return self._chat.rooms

    def handle(self, session: Session, command: Command, supply: Supply | None = None) -> Answer | Request:
        """Answer ``command``, or return the request that must be performed first.

        The result of a request comes back as ``supply``, with the same command: session, permission and
        state are looked at afresh then. Raises `ChatError` for everything that is refused.
        """
        if session.ended is not None and not isinstance(command, commands.Quit):
            return self._conclude(session, command, supply)
        if session.person is None:
            _check_nameless(session, command)
        chat = self._chat
        # What was on its way is answered by its end, though nobody may write by now.
        barred = chat.server.read_only and supply is None and command.writes
        handler = _barred if barred else HANDLERS[type(command)]
        audience = chat.audience
        # No answer overtakes what happened before it. What is said is answered after a flush, unless it is refused;
        # only who came to another room, and is told patiently, may come after that answer.
        if command.pipelined:
            try:
                return handler(chat, session, command, supply)
            except ChatError as error:
                if supply is None and (asked := sendings.recall(session, command, error)) is not None:
                    return asked
                session.refusal = error if "rule" in error.facts else session.refusal
                audience.catch_up(session)
                raise
        audience.catch_up(session)
        try:
            return handler(chat, session, command, supply)
        except ChatError as error:
            if supply is None and (asked := sendings.recall(session, command, error)) is not None:
                return asked
            session.refusal = error if "rule" in error.facts else session.refusal
            raise
        finally:
            audience.flush_soon()
            if session.ticket is not None and chat.tickets.is_stale(session):
                keeping.keep(chat, session)

    def read_on(
        self, session: Session, room: RoomId, after: int, supply: Supply | None = None
    ) -> backlog.Chunk | ReadPage | None:
        """Return what a session that fell behind is told next of a log, after the entry ``after``; None at the head.

        The result of a request comes back as ``supply``.
        """
        return backlog.read_on(self._chat, session, room, after, supply)

    def members(self, session: Session, room: RoomId) -> Members | None:
        """Return who is in a room, for a session that was not told who came and went; None if it isn't there."""
        return backlog.members(self._chat, session, room)

    def _conclude(self, session: Session, command: Command, supply: Supply | None) -> Answer:
        """Answer what a session that is being ended had begun, if it is committed and nothing is left but to tell.

        What was only proved or read by then leads to nothing more: nobody logs in or claims a name any longer.
        """
        assert session.ended is not None
        if isinstance(supply, Result):
            outcome = HANDLERS[type(command)](self._chat, session, command, supply)
            if isinstance(outcome, Answer):
                return outcome
        raise session.ended

    def commit(self, changes: Iterable[Result]) -> None:
        """Take what one batch has committed into the state, in its order, and tell the readers.

        What was refused has changed nothing.
        """
        said: dict[RoomId, list[Entry]] = {}
        self._chat.gone.clear()
        for change in changes:
            if type(change) is Entry:
                room = change.draft.room
                if room in said:
                    said[room].append(change)
                else:
                    said[room] = [change]
                continue
            speech.commit(self._chat, said)
            said = {}
            if isinstance(change, RoomRecord):
                catalogue.opened(self._chat, change)
            elif isinstance(change, Account):
                credentials.changed(self._chat, change)
            elif isinstance(change, CredentialsChanged):
                credentials.revoked(self._chat, change)
            elif isinstance(change, Deleted):
                catalogue.deleted(self._chat, change.room)
            elif isinstance(change, Enact):
                upkeep.enacted(self._chat, change.effects)
        speech.commit(self._chat, said)
        self._chat.audience.flush()

    def store_changed(self, error: str) -> None:
        """The database has begun to fail, in these words for admins, or with other words; or it works (no words)."""
        health.store_changed(self._chat, error)

    def space_known(self, free_bytes: int | None) -> None:
        """So much space is left for the database; None if that is not ours to know."""
        health.space_known(self._chat, free_bytes)

    @property
    def unready(self) -> str:
        """Why nothing can be said just now, in a word or two; empty when it can."""
        return health.unready(self._chat)

    def tick(self) -> None:
        """A moment has passed: tell what was kept for then. Called every ``count_seconds``."""
        membership.settle_moves(self._chat)
        credentials.expire(self._chat)
        exclusion.expire(self._chat)
        resumption.tick(self._chat)
        administration.count_down(self._chat)
        sendings.forget_old(self._chat)
        markers.look(self._chat)
        markers.save(self._chat)
        self._tell_time()

    def _tell_time(self) -> None:
        quarter = self._chat.now() // QUARTER_MS
        if quarter > self._quarter:
            self._chat.audience.publish(EVERYBODY, [QuarterBegun(quarter * QUARTER_MS)], [NOBODY])
            self._chat.audience.flush_soon()
        self._quarter = quarter

    def close(self) -> None:
        """Stop telling people that others leave: everybody is about to."""
        self._chat.closing = True

    def save(self) -> None:
        """Have what is otherwise stored from time to time stored now: everybody has gone."""
        markers.save_all(self._chat)


def _check_nameless(session: Session, command: Command) -> None:
    """Raise what keeps a session without a name from giving ``command``; the operator never gets one."""
    if not session.operator:
        if command.needs_login:
            raise not_logged_in()
    elif not command.operable:
        text = "The operator has no name here, and can't do that: it is for those who talk."
        raise ChatError(Code.NOT_ALLOWED, text, rule="operator")


def _barred(chat: Chat, session: Session, command: Command, supply: Supply | None) -> Answer | Request:
    """Do what is asked for while the whole server is read-only, for those who may."""
    health.check_write(chat, session, command)
    return HANDLERS[type(command)](chat, session, command, supply)
