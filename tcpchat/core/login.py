"""Logging in, as a guest or with whatever proves an account. Every way ends in `admit`."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from tcpchat.core.accounts import Account, CredentialKind, State, farewell, is_barred
from tcpchat.core.administration import check_guest
from tcpchat.core.announcements import announce
from tcpchat.core.answers import Arrived, Challenge, JoinedRoom, LoggedIn
from tcpchat.core.audience import EVERYBODY
from tcpchat.core.catalogue import summaries
from tcpchat.core.chat import Chat
from tcpchat.core.claims import check_allowed, check_free, free_variant
from tcpchat.core.commands import Arrive, AskChallenge, Join, Login, Visit
from tcpchat.core.entries import PersonId
from tcpchat.core.keeping import issue
from tcpchat.core.membership import join, sign_out
from tcpchat.core.names import LOBBY, check_color, check_person_name, fold
from tcpchat.core.news import news
from tcpchat.core.people import call
from tcpchat.core.permissions import server_ban, span
from tcpchat.core.proofs import (
    NONCE_BYTES,
    CertificateProof,
    PasswordProof,
    Proof,
    SignatureProof,
    TokenProof,
    login_message,
)
from tcpchat.core.requests import Prove, Proven, ReadNews, Request, StoredNews, Supply
from tcpchat.core.roles import ServerRole
from tcpchat.core.server_state import Emergency
from tcpchat.core.state import Person, Session
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code

# A nonce that is to be signed is good for this connection, for one login, so long.
_NONCE_MS = 120_000


def login(chat: Chat, session: Session, command: Login, supply: Supply | None) -> LoggedIn | Prove | ReadNews:
    """Log in as a guest, or with the one proof that is given; joins nothing by itself."""
    if isinstance(supply, Proven):
        if command.token is not None and command.name and fold(command.name) != fold(supply.account.name):
            raise _refused()
        person = admit(chat, session, supply)
        session.reads = command.reads
        return ReadNews(person.id, chat.limits.directs_told)
    if supply is not None:
        person = _admitted(session, supply)
        waiting = news(chat, session, person, supply)
        return LoggedIn(
            person.user,
            summaries(chat, session),
            waiting.following,
            waiting.directs,
            waiting.more or UNSET,
            _code(chat, session, command),
        )
    check_anonymous(session)
    proof = _proof(chat, session, command)
    if proof is None:
        person = admit_guest(chat, session, command.name, command.color)
        session.reads = command.reads
        return LoggedIn(person.user, summaries(chat, session), session=_code(chat, session, command))
    account = chat.accounts.get(command.name)
    return Prove(account.id if account else None, proof)


def _code(chat: Chat, session: Session, command: Login) -> str | UnsetType:
    """Return the code that will resume the session; a visit has none, or it would leave a ghost behind."""
    return UNSET if isinstance(command, Visit) else issue(chat, session) or UNSET


def arrive(chat: Chat, session: Session, command: Arrive, supply: Supply | None) -> Arrived | Request:
    """Log in and join the lobby; the name of an account needs its password."""
    if supply is None:
        check_anonymous(session)
        account = chat.accounts.get(command.name)
        if command.password is not None:
            return Prove(account.id if account else None, PasswordProof(command.password))
        person = admit_guest(chat, session, command.name, None)
        session.reads = True
    elif isinstance(supply, Proven):
        person = admit(chat, session, supply)
        session.reads = True
        return ReadNews(person.id, chat.limits.directs_told)
    elif command.password is None:
        person = chat.person(session)
    else:
        person = _admitted(session, supply)
        if session.news is None:  # this is what was asked for first
            session.news = supply if isinstance(supply, StoredNews) else StoredNews(())
            supply = None
    return land(chat, session, person, supply)


def land(chat: Chat, session: Session, person: Person, supply: Supply | None) -> Arrived | Request:
    """Enter the lobby after a login; that stands even when the lobby refuses."""
    lobby: JoinedRoom | ChatError | Request
    try:
        lobby = join(chat, session, Join(LOBBY), supply)
    except ChatError as error:
        lobby = error.detached()
    if not isinstance(lobby, JoinedRoom | ChatError):
        return lobby
    found, session.news = session.news, None
    waiting = None if found is None else news(chat, session, person, found)
    return Arrived(person.user, lobby, waiting, issue(chat, session, screen=True) or UNSET)


def challenge(chat: Chat, session: Session, command: AskChallenge, supply: Supply | None) -> Challenge:
    """Give the connection a nonce, to be signed once within two minutes."""
    nonce = b"".join(chat.new_id().to_bytes(8, "big") for _ in range(NONCE_BYTES // 8))
    session.nonce = (nonce, chat.now() + _NONCE_MS)
    account = chat.accounts.get(command.name)
    name = account.name if account else command.name
    return Challenge(nonce.hex(), chat.identity.server, session.channel.exporter is not None, name)


def admit(chat: Chat, session: Session, proven: Proven) -> Person:
    """Make the session that of an account: the one function through which every proof ends.

    Raises ``suspended``, ``banned``, or ``bad-credentials`` for an account that has gone. A guest who holds the name
    is given another. Of an account that is connected as often as it can be, the password ends the oldest session that
    was proved otherwise: a token that was stolen must not keep the owner out.
    """
    account = chat.accounts.by_id(proven.account.id) or proven.account
    _check_account(chat, session, account)
    check_anonymous(session)
    person = chat.users.by_id(account.id)
    if person is not None and len(person.sessions) >= chat.limits.sessions_per_account:
        _end_one(chat, person, proven.kind)
    sign_out(chat, session)
    person = chat.users.by_id(account.id)
    if person is None:
        _make_room(chat, account)
        person = Person(account.id, account.name, account.color, registered=True, since=chat.now())
        chat.users.add(person)
    _begin(chat, session, person)
    session.credential, session.proof = proven.credential, proven.kind
    if proven.expires is not None:
        chat.expiring[session] = proven.expires
    return person


def check_welcome(chat: Chat, session: Session, person: Person) -> None:
    """Raise what keeps somebody who was here from coming back by ``session``, as from logging in.

    A guest who comes back is not a new one.
    """
    account = chat.accounts.by_id(person.id)
    if account is not None:
        _check_account(chat, session, account)
        return
    if not chat.policy.guests:
        raise ChatError(Code.ACCOUNT_NEEDED, "Guests are not let in here: log in with an account.")
    if chat.server.emergency is Emergency.ACCOUNTS_ONLY:
        check_guest(chat)
    if banned := server_ban(chat, None, person.name, session.channel.address):
        raise banned


def _check_account(chat: Chat, session: Session, account: Account) -> None:
    check_state(account, chat.now())
    if account.role < ServerRole.ADMIN and (banned := server_ban(chat, account.id, "", session.channel.address)):
        raise banned


def admit_guest(chat: Chat, session: Session, name: str, color: str | None) -> Person:
    """Make the session that of a guest with a free name."""
    if session.person is not None:
        raise ChatError(Code.ALREADY_LOGGED_IN, f"You are logged in as {session.person.name} already.")
    if not chat.policy.guests:
        account = chat.accounts.get(name)
        check_kept(chat, name)
        facts = {"registered": account.name} if account else {}
        raise ChatError(Code.ACCOUNT_NEEDED, "Guests are not let in here: log in with an account.", **facts)
    if chat.accounts.get(name) is not None:  # its owner logs in, whatever is kept from others
        check_free(chat, name, None)
    name = check_person_name(name, chat.limits, chat.policy.forbidden)
    color = check_color(color)
    if banned := server_ban(chat, None, name, session.channel.address):
        raise banned
    check_allowed(chat, session, name)
    check_free(chat, name, None)
    check_guest(chat)
    person = Person(PersonId(chat.new_id()), name, color, since=chat.now())
    chat.users.add(person)
    _begin(chat, session, person)
    return person


def check_kept(chat: Chat, name: str) -> None:
    """Raise ``bad-credentials`` for the name of a deleted account: nobody needs to look for its password."""
    account = chat.accounts.get(name)
    if account is not None and account.state is State.DELETED and account.until > chat.now():
        raise ChatError(Code.BAD_CREDENTIALS, farewell(account))


def check_state(account: Account, now: int) -> None:
    """Raise what keeps an account from being used at ``now``."""
    if account.state is State.DELETED:
        raise _refused()
    if is_barred(account, now):
        raise barred(account, now)


def barred(account: Account, now: int) -> ChatError:
    """Return what is told of an account that is suspended or banned: until when, and why."""
    code, word = (Code.BANNED, "banned") if account.state is State.BANNED else (Code.SUSPENDED, "suspended")
    end = f" for another {span(account.until - now)}" if account.until else ""
    reason = f": {clean(account.reason)}" if account.reason else "."
    facts = {"until": account.until, "retry_after": -(-(account.until - now) // 1000)} if account.until else {}
    return ChatError(code, f"The account {account.name} is {word}{end}{reason}", **facts)


def _end_one(chat: Chat, person: Person, proof: CredentialKind) -> None:
    """End the oldest session that another may take the place of, first of all one without a connection.

    Raises ``too-many-connections`` if there is none.
    """
    ghost = next((session for session in person.sessions if session.detached), None)
    if ghost is not None:
        sign_out(chat, ghost)
        return
    by_token = (session for session in person.sessions if session.proof is not CredentialKind.PASSWORD)
    oldest = next(by_token, None) if proof is CredentialKind.PASSWORD else None
    if oldest is None:
        raise ChatError(
            Code.TOO_MANY_CONNECTIONS,
            f"You are connected {len(person.sessions)} times, as often as one can be: close one first.",
            max=chat.limits.sessions_per_account,
        )
    sign_out(chat, oldest)
    text = "You have logged in with your password elsewhere, and that often nobody can be connected."
    chat.audience.dismiss(oldest, text, Code.TOO_MANY_CONNECTIONS)


def _begin(chat: Chat, session: Session, person: Person) -> None:
    if person.sessions:
        announce(chat, "duplicate-session", user=person.name, person=person)
    else:
        announce(chat, "login", user=person.name)
    person.sessions[session] = None
    session.person = person
    session.since = chat.now()
    session.nonce = None
    chat.audience.enter(EVERYBODY, session)


def _make_room(chat: Chat, account: Account) -> None:
    """Give another name to the guest who holds that of an account, or one that looks like it."""
    for guest in dict.fromkeys((chat.users.get(account.name), chat.users.alike(account.name))):
        if guest is not None and not guest.registered:
            other = free_variant(chat, guest.name)
            call(chat, guest, other)
            for session in guest.sessions:
                chat.audience.tell(session, f"Your name belongs to an account: you are called {other} now.")


def check_anonymous(session: Session) -> None:
    """Raise ``already-logged-in`` for an account; a guest may become one."""
    if session.person is not None and session.person.registered:
        raise ChatError(Code.ALREADY_LOGGED_IN, f"You are logged in as {session.person.name} already.")


def _admitted(session: Session, supply: Supply) -> Person:
    """Return who was admitted already, and is only to be told more; raise what a proof came to that proved nothing."""
    if session.person is None or not session.person.registered:
        raise supply if isinstance(supply, ChatError) else _refused()
    return session.person


def _proof(chat: Chat, session: Session, command: Login) -> Proof | None:
    """Return the one proof that is given, if any; a nonce is good once, whatever becomes of it."""
    given = [
        name
        for name in ("password", "token", "signature", "certificate")
        if getattr(command, name) not in (None, False)
    ]
    if len(given) > 1:
        raise ChatError(Code.BAD_FIELD, f"Give only one proof, not {' and '.join(given)}.", field=given[1])
    if given and given != ["token"] and not command.name:
        raise ChatError(Code.BAD_FIELD, "The name is missing: only a token tells whose it is.", field="name")
    if command.password is not None:  # one that is empty is wrong, and makes nobody a guest
        return PasswordProof(command.password)
    if command.token is not None:
        return TokenProof(command.token)
    if command.certificate:
        if session.channel.fingerprint is None:
            raise ChatError(Code.BAD_CREDENTIALS, "You have shown no certificate: connect by TLS with one.")
        return CertificateProof(session.channel.fingerprint)
    if command.signature is not None:
        nonce, session.nonce = session.nonce, None
        if nonce is None or nonce[1] <= chat.now():
            raise ChatError(Code.BAD_CREDENTIALS, "There is nothing to sign any more: ask for a challenge first.")
        account = chat.accounts.get(command.name)
        name = account.name if account else command.name
        message = login_message(chat.identity.server, name, nonce[0], session.channel.exporter)
        return SignatureProof(command.signature, message)
    return None


def _refused() -> ChatError:
    return ChatError(Code.BAD_CREDENTIALS, "The name or what proves it is wrong.")
