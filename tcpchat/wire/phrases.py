"""The program's words on the text wire: who, what, when, in that order, without decoration.

Nobody can speak with the program's voice: a line of speech begins with a name and a colon (``nina:``,
``nina in tea:``, ``nina to you:``, ``nina mentions you:``) or with ``* nina``, and no name holds a space, a colon or
a star.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from msgspec import UNSET, UnsetType

from tcpchat.core.answers import (
    Accepted,
    Answer,
    Arrived,
    Away,
    Completions,
    CredentialSummaries,
    Done,
    Goodbye,
    Greeting,
    HistoryPage,
    Ignored,
    JoinedRoom,
    LeftRoom,
    MemberList,
    Named,
    News,
    Profile,
    Resumed,
    RoomList,
    RoomNamed,
    RoomSummary,
    Switched,
    TopicText,
    UserList,
)
from tcpchat.core.commands import (
    Certificates,
    ChangePassword,
    Create,
    Enrol,
    History,
    Ignore,
    Keys,
    Logout,
    Ping,
    Recolor,
    Register,
    Rename,
    Tokens,
    Unignore,
    Unregister,
)
from tcpchat.core.events import (
    AwayChanged,
    Crowd,
    Event,
    Gap,
    Invited,
    MemberJoined,
    MemberLeft,
    Members,
    Message,
    Moderated,
    Notice,
    PutOut,
    QuarterBegun,
    Refocused,
    Renamed,
    RoomDeleted,
    ServerEvent,
    TopicChanged,
    User,
)
from tcpchat.errors import ChatError, Code
from tcpchat.wire.order_phrases import phrase_deed, phrase_order, phrase_put_out, phrase_server_event
from tcpchat.wire.table import GROUPS, TABLE, WORDS, nearest
from tcpchat.wire.view import Spoken, View

NAME_QUESTION = "What is your name?"
# More names than this are counted, not listed.
_NAMES_SHOWN = 30
# Of those who came and went together.
_MOVES_SHOWN = 5
_WORD_CHARACTERS = 32
# Of the rooms in which something waits.
_NEWS_SHOWN = 20
# What most people never need: the help only says that it is there.
_FOR_FEW = ("Moderation", "Administration")
_LOGGING = "What is said here is logged, and shown to those who come later."
_REPEATED = "This was said meanwhile; of the first lines you may have seen some."
_ENTER = "Type /join lobby to enter one, or /rooms to see them."


class Words(Answer, frozen=True):
    """Lines that the text wire itself answers with."""

    lines: tuple[str, ...]


def greeting_lines(greeting: Greeting) -> list[str]:
    """Return the welcome."""
    here = {0: "Nobody else is here.", 1: "One person is here."}.get(
        greeting.people, f"{greeting.people} people are here."
    )
    lines = [f"This is {greeting.server} {greeting.version}. {here}", *greeting.motd.splitlines()]
    if not greeting.guests:
        code = " CODE" if greeting.registration == "invitation" else ""
        register = "" if greeting.registration == "closed" else f", or make one with /register NAME{code}"
        lines.append(f"Guests are not let in here: log in to your account with /login NAME{register}.")
    return [*lines, NAME_QUESTION]


def help_lines(topic: str) -> list[str]:
    """Return the commands by their groups, those of one group, or one of them."""
    named = (f"{mark}{topic.lower()}" for mark in ("", "/", ":"))
    row = next((WORDS[word] for word in named if word in WORDS), None)
    if row is not None:
        others = f" Also: {', '.join(row.words[1:])}." if row.words[1:] else ""
        return [f"{row.usage}: {row.summary}{others}", f"For example: {row.example}"]
    if group := next((group for group in GROUPS if topic and group.lower().endswith(topic.lower())), None):
        return [f"{row.usage}: {row.summary}" for row in TABLE if row.words and row.group == group]
    if topic:
        return [no_command(topic[:_WORD_CHARACTERS], nearest(f"/{topic.lower()}"))]
    lines = ["What you type is said in the room you are in. Commands begin with a slash."]
    for group in (group for group in GROUPS if group not in _FOR_FEW):
        words = [row.words[0] for row in TABLE if row.words and row.group == group]
        lines.append(f"{group}: {_series(words)}.")
    return [
        *lines,
        "To keep order in a room, type /help moderation; to run the server, /help administration. After a refusal, "
        "/why tells by which rule it was.",
        "For what they do, type /help and one of these words, as in /help join or /help rooms.",
        "To say something that begins with a slash, type the slash twice. A Tab and Enter after the beginning of a "
        "command show how it may go on.",
    ]


def no_command(word: str, meant: str | None) -> str:
    """Return what somebody is told who has typed a command that isn't one; ``meant`` may be what it should be."""
    advice = f"Did you mean {meant}?" if meant else "Type /help to see those there are."
    return f"There is no command {word}. {advice}"


def phrase_error(error: ChatError) -> str:
    """Return a refusal, with what one can do next where that isn't said already."""
    room = error.facts.get("room", "ROOM")
    advice = {
        Code.ALREADY_LOGGED_IN: "Type /logout first.",
        Code.NO_SUCH_USER: "Type /users to see who is here." if "user" in error.facts else "",
        Code.NO_SUCH_ROOM: f"Type /rooms to see those there are, or /join {room} to create it."
        if "room" in error.facts
        else "",
        Code.NOT_IN_ROOM: f"Type /join {room} to enter it." if "room" in error.facts else _ENTER,
        Code.ROOM_EXISTS: f"Type /join {room} to enter it.",
        Code.NOT_ALLOWED: "Type /register NAME CODE with yours." if error.facts.get("field") == "code" else "",
    }.get(error.code, "")
    return f"{error.text} {advice}".rstrip()


def phrase_events(events: Iterable[Event], view: View, *, current: bool, me: str = "") -> list[str]:
    """Return a room's events as lines, those who come and go one after another summed up in one.

    ``current``: it is the room that the reader is speaking in. ``me``: what mentions this name says so.
    """
    lines: list[str] = []
    moves: list[MemberJoined | MemberLeft] = []
    for event in events:
        if type(event) is MemberJoined or (type(event) is MemberLeft and not event.by):
            moves.append(event)
            continue
        if moves:
            lines.append(_moves(moves))
            moves = []
        if line := _phrase(event, view, me, current=current):
            lines.append(line)
    if moves:
        lines.append(_moves(moves))
    return lines


def _moves(events: list[MemberJoined | MemberLeft]) -> str:
    """Return who came and went, those first who came and stayed."""
    room = events[0].room
    turns: dict[str, list[bool]] = {}
    for event in events:
        turns.setdefault(event.user.name, []).append(isinstance(event, MemberJoined))
    clauses: list[str] = []
    for came, stayed, first, later in (
        (True, True, f"joined {room}", "joined"),
        (False, False, f"left {room}", "left"),
        (True, False, f"came to {room} and went", "came and went"),
        (False, True, f"left {room} and came back", "left and came back"),
    ):
        if names := [name for name, moves in turns.items() if (moves[0], moves[-1]) == (came, stayed)]:
            shown = _named(names, shown=_MOVES_SHOWN) if len(names) > _MOVES_SHOWN + 1 else _series(names)
            clauses.append(f"{shown} {later if clauses else first}")
    return f"{', '.join(clauses)}."


def _phrase(event: Event, view: View, me: str, *, current: bool) -> str:
    match event:
        case Message():
            return _speech(event, view, me, current=current)
        case MemberLeft(room, user, by, reason):
            return f"{by} put {user.name} out of {room}" + (f": {reason}" if reason else ".")
        case Crowd(room, joined, left, people):
            moves = [f"{_count(joined, 'person', 'people')} joined" if joined else "", f"{left} left" if left else ""]
            return f"In {room} {' and '.join(filter(None, moves))}; {people} are there."
        case Members(room, users, people):
            return f"Now in {room}: {_listed(users, people)}."
        case Gap(room, _, 0):
            return f"What was said in {room} was taken away, and its numbers begin anew."
        case Gap(room, first, last):
            missing = f"{first} is" if first == last else f"{first} to {last} are"
            return f"Of what was said in {room}, {missing} missing: it can't be read any more."
        case Renamed(room, old, user):
            return f"{old} is called {user.name} now{_where(room, current=current)}."
        case AwayChanged(_, user, text) if current:  # elsewhere too, but once is enough
            return f"{user.name} is away: {text}" if text else f"{user.name} is back."
        case TopicChanged(room, _, _, name, text):
            return _topic(name, room, text) + ("" if text else ".")
        case RoomDeleted(room):
            return f"The room {room} was deleted."
        case Refocused(room):
            return _focus(room)
        case QuarterBegun(at) if view.begins_day(at):
            return f"It is {view.day(at)}."
        case Notice(text):
            return text
        case Moderated(room, _, _, name, deed, late):
            # Who is kicked has just been seen to go.
            return "" if deed.act == "kick" and not late else phrase_deed(name, deed, room, view)
        case PutOut():
            return phrase_put_out(event, view)
        case Invited(room, by):
            return f"{by} invited you to {room}. Type /join {room} to enter it."
        case ServerEvent():
            return phrase_server_event(event)
    return ""


def phrase_answer(asked: object, answer: Answer, me: str, view: View) -> list[str]:
    """Return the answer to what was ``asked`` as lines for the person called ``me``."""
    if (order := phrase_order(asked, answer, view)) is not None:
        return order
    match answer:
        case Words(lines):
            return list(lines)
        case Arrived(user) if isinstance(asked, Enrol):
            return [_registered(user), *phrase_answer(None, answer, me, view)]
        case Arrived(user, lobby, news):
            hello = f"Hello, {user.name}. Type /help to see what you can do."
            code = [f"If the connection breaks, come back with /resume {answer.session}"] if answer.session else []
            if isinstance(lobby, ChatError):
                return [hello, *code, phrase_error(lobby), *_news(news)]
            return [hello, _LOGGING, *code, *_joined(lobby, user.name, view), *_news(news, lobby.room)]
        case Resumed():
            return _resumed(answer)
        case JoinedRoom():
            return _joined(answer, me, view)
        case LeftRoom(room, _, current):
            return [f"You left {room}. {_focus(current)}"]
        case MemberList(room, users):
            return [
                f"{_people(users)} in {room}: {_named(list(map(_with_role, users)))}."
                if users
                else f"Nobody is in {room}."
            ]
        case UserList(users):
            return [f"{_people(users)} here: {_listed(users)}."]
        case RoomList(rooms):
            if not rooms:
                return ["No room is called so, and no topic says so."]
            return [f"{_count(len(rooms), 'room', 'rooms')}:", *map(_room, rooms)]
        case RoomNamed(room) if isinstance(asked, Create):
            return [f"The room {room} is there now. Type /join {room} to enter it."]
        case HistoryPage(room, entries):
            if not entries:
                return [f"Nothing has been said in {room} yet."]
            older = isinstance(asked, History) and answer.more and asked.after is None and asked.around is None
            place = f"@{entries[0].with_} " if entries[0].with_ else ""
            return _log(entries, view, me, older=older, place=place)
        case TopicText(room, text):
            return [f"The topic of {room} is: {text}" if text else f"{room} has no topic. Type /topic TEXT to set one."]
        case Switched(room):
            return [_focus(room)]
        case Named(user) if isinstance(asked, Register):
            return [_registered(user)]
        case Done() if isinstance(asked, ChangePassword):
            return ["Your password is changed."]
        case Done() if isinstance(asked, Unregister):
            return ["Your account is deleted, and you are logged out.", NAME_QUESTION]
        case Done() if isinstance(asked, Logout):
            return ["You are logged out.", NAME_QUESTION]
        case CredentialSummaries():
            return _credentials(asked, answer, view)
        case Named(user, login) if isinstance(asked, Rename):
            account = f" From now on you log in as {login}; your old name is free for others." if login else ""
            return [f"You are called {user.name} now.{account}"]
        case Named(user) if isinstance(asked, Recolor):
            return [f"Your colour is {user.color} now." if user.color else "You have no colour of your own now."]
        case Away(text):
            return [f"You are away: {text}" if text else "You are back."]
        case Profile():
            return [_profile(answer, view)]
        case Completions(names, more):
            listed = ", ".join(names) + (" and more" if more else "")
            return [f"It could be: {listed}." if names else "Nothing begins so."]
        case Ignored() if isinstance(asked, Ignore):
            return [f"You don't read {asked.user} any more."]
        case Ignored() if isinstance(asked, Unignore):
            return [f"You read {asked.user} again."]
        case Ignored(users):
            return [f"You ignore {_named(users)}." if users else "You ignore nobody."]
        case Done() if isinstance(asked, Ping):
            return ["pong"]
        case Goodbye():
            return ["Goodbye."]
        case Accepted() | _:
            return []


def _joined(answer: JoinedRoom, me: str, view: View) -> list[str]:
    others = [user for user in answer.members if user.name != me]
    company = f"with {_listed(others, max(answer.people - 1, len(others)))}" if others else "alone"
    lines = [f"You are in {answer.room}, {company}."]
    if answer.topic:
        lines.append(f"The topic is: {answer.topic}")
    return lines + _log(answer.entries, view, me, older=answer.more, read=None if answer.read is UNSET else answer.read)


def _log(
    entries: list[Message], view: View, me: str, *, older: bool, read: int | None = None, place: str = ""
) -> list[str]:
    """Return entries of a log as lines, with the day before the first of it; ``older``: there are older ones.

    ``place``: what a command calls the log if that isn't the current room's. Before the first one after the number
    ``read``, if that is among them, a line says that it is new.
    """
    lines: list[str] = []
    new = next((entry.seq for entry in entries if entry.seq > read), 0) if read is not None else 0
    for day, group in groupby(entries, key=lambda entry: view.day(entry.at)):
        lines.append(f"On {day}:" if lines else f"This was said before, on {day}, times in {view.zone}:")
        for entry in group:
            if entry.seq == new:
                lines.append("What follows is new to you:")
            lines.append(_logged(entry, view, me))
    if older and entries:
        lines.append(f"For what was said before, type /history {place}{len(entries)} {entries[0].seq}")
    return lines


def _resumed(answer: Resumed) -> list[str]:
    """Return what is said to who comes back, before what was missed."""
    rooms = f" You are in {_named([room.room for room in answer.rooms])}." if answer.rooms else ""
    lines = [
        f"Welcome back, {answer.user.name}.{rooms}",
        f"The next time, come back with /resume {answer.session}",
        _focus(answer.current),
    ]
    return [*lines, _REPEATED] if answer.repeated else lines


def _room(room: RoomSummary) -> str:
    if room.closed:
        why = {
            "invite-only": "for the invited only",
            "key": "it has a key",
            "banned": "you are banned from it",
            "kicked": "you were put out of it",
        }
        return f"Room {room.room}: {why.get(room.closed, room.closed)}."
    company, log = _count(room.members, "person", "people"), _count(room.head, "entry", "entries")
    new = f", {_new(room.unread, room.mentions or 0)}" if room.unread else ""
    return f"Room {room.room}: {company}, {log}{new}." + (f" The topic is: {room.topic}" if room.topic else "")


def _news(news: News | None, here: str = "") -> list[str]:
    """Return what waits elsewhere, a line for each room and person, the first of them."""
    if news is None:
        return []
    rooms = [room for room in news.following if room.unread and room.room != here]
    lines = [f"{_new(room.unread, room.mentions)} in {room.room}: type /join {room.room}" for room in rooms]
    told = lines[:_NEWS_SHOWN]
    if len(lines) > _NEWS_SHOWN:
        told.append(f"There is something new in {len(lines) - _NEWS_SHOWN} more rooms: type /rooms")
    told += [f"{direct.unread} new from {direct.with_}: type /history @{direct.with_}" for direct in news.directs]
    return told + (["More people have written to you: read these first, and log in again."] if news.more else [])


def _new(unread: int, mentions: int) -> str:
    """Return how much is new: ``3 new (1 mentions you)``."""
    return f"{unread} new" + (f" ({mentions} {'mentions' if mentions == 1 else 'mention'} you)" if mentions else "")


def _credentials(asked: object, answer: CredentialSummaries, view: View) -> list[str]:
    """Return one's tokens or keys, or what has become of them; a new token is shown this once."""
    word = "token" if isinstance(asked, Tokens) else "key" if isinstance(asked, Keys) else "certificate"
    if answer.token:
        return [f"The new token, shown this once: {answer.token}"]
    if isinstance(asked, Tokens) and asked.revoke:
        return ["The token is good no longer."]
    if isinstance(asked, Keys | Certificates) and (asked.add or asked.remove):
        return [f"The {word} is added." if asked.add else f"The {word} is good no longer."]
    if not answer.credentials:
        return [f"You have no {word}s."]
    return [f"{_count(len(answer.credentials), word, word + 's')}:"] + [
        f"{one.label or word}, id {one.id}, made on {view.day(one.created)}"
        + (f", good until {view.day(one.expires)}" if one.expires else "")
        + (f", last used on {view.day(one.used)}." if one.used else ", never used.")
        for one in answer.credentials
    ]


def _registered(user: User) -> str:
    return f"The name {user.name} is yours now. To come back, type it, or /login {user.name}."


def _profile(answer: Profile, view: View) -> str:
    since = f"{view.time(answer.since)} {view.zone} on {view.day(answer.since)}"
    rooms = f"in {_named(answer.rooms)}" if answer.rooms else "in no room"
    away = f" Away: {answer.away}" if answer.away else ""
    kind = "registered" if answer.registered else "a guest"
    if answer.role:
        kind = f"an {answer.role} of this server"
    return f"{answer.user.name} is {kind}, here since {since}, {rooms}.{away}"


def _topic(name: str, room: str, text: str) -> str:
    return f"{name} set the topic of {room}: {text}" if text else f"{name} took the topic of {room} away"


def _where(room: str, *, current: bool) -> str:
    return "" if current else f" (in {room})"


def _focus(room: str | UnsetType) -> str:
    return f"You are speaking in {room} now." if room else f"You are in no room now. {_ENTER}"


def _speech(message: Message, view: View, me: str, *, current: bool, suffix: str = "") -> str:
    """Return what somebody said or did; it names its room unless that is the ``current`` one."""
    name, text = message.from_, message.text
    mentions = bool(me) and me in (message.mentions or ())
    if message.with_:
        name, hearer = ("you", message.with_) if message.mine else (name, "you")
        hearer += ", who will read it later" if message.waits else ""
        line = f"{name} to {hearer}: {text}"
    elif message.kind == "topic":
        line = _topic(name, message.room, text)
    elif message.deed:
        line = phrase_deed(name, message.deed, "" if current else message.room, view)
    elif message.kind == "removed":
        line = f"What {name} said here was removed."
    elif message.kind == "action":
        notes = ["mentioning you"] * mentions + [f"in {message.room}"] * (not current)
        line = f"* {name} ({' '.join(notes)}) {text}" if notes else f"* {name} {text}"
    else:
        where = "" if current else f" in {message.room}"
        line = f"{name} mentions you{where}: {text}" if mentions else f"{name}{where}: {text}"
    line += suffix
    return Spoken.by(name, message.color or "", line) if view.colors else line


def _logged(message: Message, view: View, me: str) -> str:
    return _speech(message, view, me, current=True, suffix=f" ({view.time(message.at)}, {message.room}:{message.seq})")


def _people(users: list[User]) -> str:
    return "One person is" if len(users) == 1 else f"{len(users)} people are"


def _listed(users: list[User], count: int | None = None) -> str:
    return _named([f"{user.name} (away)" if user.away else user.name for user in users], count)


def _with_role(user: User) -> str:
    """Return somebody's name with what one should know in a list of a room's people."""
    marks = [mark for mark in (user.role, "away" if user.away else "") if mark]
    return f"{user.name} ({', '.join(marks)})" if marks else user.name


def _named(names: list[str], count: int | None = None, shown: int = _NAMES_SHOWN) -> str:
    """Return the first names, and how many more there are; ``count`` says how many there are in all."""
    hidden = (len(names) if count is None else count) - min(len(names), shown)
    return f"{', '.join(names[:shown])} and {hidden} more" if hidden > 0 else _series(names)


def _series(words: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
