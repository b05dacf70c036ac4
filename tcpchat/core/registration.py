"""Making an account and deleting it, and who may."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from tcpchat.core import standing
from tcpchat.core.accounts import Account, CredentialKind, State
from tcpchat.core.announcements import announce
from tcpchat.core.answers import Allowed, Arrived, Done, Named
from tcpchat.core.chat import Chat, not_logged_in
from tcpchat.core.claims import check_allowed, check_free, claim
from tcpchat.core.commands import Enrol, May, Register, Unregister
from tcpchat.core.credentials import DAY_MS, own_account, own_password, protected
from tcpchat.core.entries import PersonId
from tcpchat.core.events import User
from tcpchat.core.health import check_keeping
from tcpchat.core.keeping import issue
from tcpchat.core.login import admit, check_anonymous, check_kept, land
from tcpchat.core.markers import follow
from tcpchat.core.membership import sign_out
from tcpchat.core.names import check_person_name, fold
from tcpchat.core.people import call, rooms_of
from tcpchat.core.permissions import server_ban
from tcpchat.core.proofs import PasswordProof
from tcpchat.core.ranks import check_other_owner
from tcpchat.core.requests import Invite, Protect, Protected, Prove, Proven, Request, SaveAccount, Supply
from tcpchat.core.server_state import Emergency
from tcpchat.core.state import Session
from tcpchat.errors import ChatError, Code


def may(chat: Chat, session: Session, command: May, supply: Supply | None) -> Allowed | Invite:
    """Check what needs no password of a login, a registration or a change; raises what these would."""
    if isinstance(supply, ChatError):
        raise supply
    match command.what:
        case "login":
            check_anonymous(session)
            check_kept(chat, command.name)
            account = chat.accounts.get(command.name)
            return Allowed(account.name if account else command.name)
        case "register":
            name = _check_registration(chat, session, command.name, command.code)
            if supply is None and chat.policy.registration == "invitation":
                return Invite(chat.policy.invites(command.code))
            return Allowed(name)
        case _:
            account = own_account(chat, session)
            if command.what == "unregister":
                check_other_owner(chat, account)
            return Allowed(account.name)


def register(chat: Chat, session: Session, command: Register, supply: Supply | None) -> Named | Request:
    """Make an account of a guest, who stays the same person, or of a free name, and log in to it."""
    if isinstance(supply, Account | ChatError):
        chat.claims.pop(session, None)
    if isinstance(supply, ChatError):
        raise supply
    if isinstance(supply, Account):
        before = session.person
        user = _become(chat, session, supply)
        session.reads = session.reads or command.reads or isinstance(command, Enrol)
        if session.person is before:  # the session goes on
            return Named(user)
        return Named(user, session=issue(chat, session) or UNSET)
    name = _check_registration(chat, session, command.name, command.code)
    if supply is None and chat.policy.registration == "invitation":
        return Invite(chat.policy.invites(command.code))
    if not isinstance(supply, Protected):
        return Protect(command.password, name)
    person = session.person
    ident = person.id if person is not None and fold(name) == fold(person.name) else PersonId(chat.new_id())
    account = new_account(chat, ident, name, person.color if person else None)
    claim(chat, session, account)
    return SaveAccount(account, protected(chat, session, ident, supply))


def enrol(chat: Chat, session: Session, command: Enrol, supply: Supply | None) -> Named | Arrived | Request:
    """Register; who is another person from then on lands in the lobby, as after a login."""
    before = session.person
    landing = supply is not None and before is not None and before.registered
    if not landing:
        answer = register(chat, session, command, supply)
        if not isinstance(answer, Named) or session.person is before:
            return answer
        supply = None
    return land(chat, session, chat.person(session), supply)


def unregister(chat: Chat, session: Session, command: Unregister, supply: Supply | None) -> Done | Request:
    """Delete the account with all that proves it, and log out; its name is kept from others for a while."""
    deleting, session.deleting = session.deleting, False
    account = own_account(chat, session)
    if supply is None:
        check_other_owner(chat, account)
    # Another of its sessions may have been first.
    if deleting and account.state is State.DELETED:
        sign_out(chat, session)
        return Done()
    if isinstance(supply, ChatError):
        raise own_password(supply)
    if isinstance(supply, Proven):
        session.deleting = True
        return deletion(chat, account)
    return Prove(account.id, PasswordProof(command.password))


def new_account(chat: Chat, ident: PersonId, name: str, color: str | None = None) -> Account:
    """Return an account to be stored."""
    return Account(ident, fold(name), name, color, State.GOOD, "", 0, chat.now())


def deletion(chat: Chat, account: Account) -> SaveAccount:
    """Return the change that deletes an account with all that proves it, and keeps its name for a while."""
    until = chat.now() + chat.limits.held_days * DAY_MS
    return SaveAccount(msgspec.structs.replace(account, state=State.DELETED, until=until), (), before=account)


def _check_registration(chat: Chat, session: Session, name: str, code: str) -> str:
    """Return the name to be registered, as it will be spelled; raises what stands against it."""
    person = session.person
    if person is not None and person.registered:
        raise ChatError(Code.ALREADY_LOGGED_IN, f"You have an account already: it is called {person.name}.")
    if person is None and not name:
        raise not_logged_in()
    _check_policy(chat, code)
    if chat.server.emergency in (Emergency.ACCOUNTS_ONLY, Emergency.READ_ONLY):
        raise ChatError(Code.EMERGENCY, "Nobody can register for now: please try again later.", rule="emergency")
    check_keeping(chat)
    name = check_person_name(name or (person.name if person else ""), chat.limits, chat.policy.forbidden)
    if banned := server_ban(chat, None, name, session.channel.address):
        raise banned
    check_allowed(chat, session, name)
    check_free(chat, name, person)
    return name


def _check_policy(chat: Chat, code: str) -> None:
    policy = chat.policy
    if policy.registration == "closed":
        raise ChatError(Code.NOT_ALLOWED, "Nobody can register here: ask who runs this server for an account.")
    if policy.registration == "invitation" and not code:
        raise ChatError(Code.NOT_ALLOWED, "To register here one needs an invitation code.", field="code")


def _become(chat: Chat, session: Session, account: Account) -> User:
    person = session.person
    credential = session.next_credential
    assert credential is not None
    announce(chat, "registration", user=account.name)
    if person is not None and person.id == account.id:
        person.registered = True
        standing.keep(chat, person)
        for room in rooms_of(person):
            follow(chat, session, room)
        for direct in person.directs.values():
            direct.stored = not direct.lasting  # from the next word on it is kept for both
        session.credential, session.proof = credential, CredentialKind.PASSWORD
        chat.tickets.touch(session)
        call(chat, person, account.name)  # it may be spelled another way
        return person.user
    return admit(chat, session, Proven(account, credential)).user
