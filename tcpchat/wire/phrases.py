"""The program's words on the text wire: who, what, when, in that order, without decoration.

Nobody can speak with the program's voice: a line of speech begins with a name and a colon (``nina:``,
``nina in tea:``, ``nina to you:``) or with ``* nina``, and no name holds a space, a colon or a star.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from msgspec import UnsetType

from tcpchat.core.answers import (
    Accepted,
    Answer,
    Arrived,
    Away,
    Completions,
    Done,
    Goodbye,
    Greeting,
    HistoryPage,
    Ignored,
    JoinedRoom,
    LeftRoom,
    MemberList,
    Named,
    Profile,
    RoomList,
    RoomNamed,
    Switched,
    TopicText,
    UserList,
)
from tcpchat.core.commands import Create, History, Ping, Rename
from tcpchat.core.events import (
    AwayChanged,
    Crowd,
    Event,
    MemberJoined,
    MemberLeft,
    Message,
    Notice,
    QuarterBegun,
    Refocused,
    Renamed,
    RoomDeleted,
    TopicChanged,
    User,
)
from tcpchat.errors import ChatError
from tcpchat.wire.table import GROUPS, TABLE, WORDS
from tcpchat.wire.view import Spoken, View

NAME_QUESTION = "What is your name?"
# More names than this are counted, not listed.
_NAMES_SHOWN = 30
# Of those who came and went together.
_MOVES_SHOWN = 5


class Words(Answer, frozen=True):
    """Lines that the text wire itself answers with."""

    lines: tuple[str, ...]


def greeting_lines(greeting: Greeting) -> list[str]:
    """Return the welcome."""
    here = {0: "Nobody else is here.", 1: "One person is here."}.get(
        greeting.people, f"{greeting.people} people are here."
    )
    return [f"This is {greeting.server} {greeting.version}. {here}", *greeting.motd.splitlines(), NAME_QUESTION]


def help_lines(topic: str) -> list[str]:
    """Return the list of commands, or the form of one."""
    row = WORDS.get(topic.lower()) or WORDS.get(f"/{topic.lower()}")
    if row is not None:
        others = f" Also: {', '.join(row.words[1:])}." if row.words[1:] else ""
        return [f"{row.usage}: {row.summary}{others}", f"For example: {row.example}"]
    lines = [f"There is no command {topic[:32]}. These there are:"] if topic else []
    lines += ["What you type is said in the room you are in. Commands begin with a slash."]
    for group in GROUPS:
        lines.append(f"{group}:")
        lines += [f"{row.usage}: {row.summary}" for row in TABLE if row.words and row.group == group]
    return [*lines, "To say something that begins with a slash, type it twice."]


def phrase_events(events: Iterable[Event], view: View, *, current: bool) -> list[str]:
    """Return a room's events as lines, those who come and go one after another summed up in one.

    ``current``: it is the room that the reader is speaking in.
    """
    lines: list[str] = []
    for moving, group in groupby(events, key=_is_move):
        if moving:
            lines.append(_moves(list(group)))  # type: ignore[arg-type]  # they are
        else:
            lines += filter(None, (_phrase(event, view, current=current) for event in group))
    return lines


def _is_move(event: Event) -> bool:
    return isinstance(event, MemberJoined | MemberLeft)


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
            clauses.append(f"{_series(names)} {later if clauses else first}")
    return f"{', '.join(clauses)}."


def _series(names: list[str]) -> str:
    if len(names) > _MOVES_SHOWN + 1:
        return f"{', '.join(names[:_MOVES_SHOWN])} and {len(names) - _MOVES_SHOWN} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _phrase(event: Event, view: View, *, current: bool) -> str:
    match event:
        case Message():
            return _speech(event, current=current)
        case Crowd(room, joined, left, people):
            moves = [f"{_count(joined, 'person', 'people')} joined" if joined else "", f"{left} left" if left else ""]
            return f"In {room} {' and '.join(filter(None, moves))}; {people} are there."
        case Renamed(room, old, user):
            return f"{old} is called {user.name} now{_where(room, current=current)}."
        case AwayChanged(room, user, text):
            word = f"is away: {text}" if text else "is back"
            return f"{user.name} {word}{_where(room, current=current)}."
        case TopicChanged(room, _, _, name, text):
            return f"{name} set the topic of {room}: {text}" if text else f"{name} took the topic of {room} away."
        case RoomDeleted(room):
            return f"The room {room} was deleted."
        case Refocused(room):
            return _focus(room)
        case QuarterBegun(at) if view.begins_day(at):
            return f"It is {view.day(at)}."
        case Notice(text):
            return text
    return ""


def phrase_answer(asked: object, answer: Answer, me: str, view: View) -> list[str]:
    """Return the answer to what was ``asked`` as lines for the person called ``me``."""
    match answer:
        case Words(lines):
            return list(lines)
        case Arrived(user, lobby):
            arrival = [lobby.text] if isinstance(lobby, ChatError) else _joined(lobby, user.name, view)
            return [f"Hello, {user.name}. Type /help to see what you can do.", *arrival]
        case JoinedRoom():
            return _joined(answer, me, view)
        case LeftRoom(room, _, current):
            return [f"You left {room}. {_focus(current)}"]
        case MemberList(room, users):
            return [f"{_people(users)} in {room}: {_listed(users)}." if users else f"Nobody is in {room}."]
        case UserList(users):
            return [f"{_people(users)} here: {_listed(users)}."]
        case RoomList(rooms):
            return [
                f"{room.room}: {_count(room.members, 'person', 'people')}, {_count(room.head, 'entry', 'entries')}"
                + (f". {room.topic}" if room.topic else "")
                for room in rooms
            ]
        case RoomNamed(room) if isinstance(asked, Create):
            return [f"The room {room} is there now. Type /join {room} to enter it."]
        case HistoryPage(room, entries):
            if not entries:
                return [f"Nothing has been said in {room} yet."]
            older = []
            if isinstance(asked, History) and answer.more and asked.after is None and asked.around is None:
                older = [f"For what was said before, type /history {asked.limit} {entries[0].seq}"]
            return [*_log(entries, view), *older]
        case TopicText(room, text):
            return [f"The topic of {room} is: {text}" if text else f"{room} has no topic. Type /topic TEXT to set one."]
        case Switched(room):
            return [_focus(room)]
        case Named(user) if isinstance(asked, Rename):
            return [f"You are called {user.name} now."]
        case Away(text):
            return [f"You are away: {text}" if text else "You are back."]
        case Profile():
            return [_profile(answer, view)]
        case Completions(names, more):
            listed = ", ".join(names) + (" and more" if more else "")
            return [f"It could be: {listed}." if names else "Nothing begins so."]
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
    lines.append("What is said here is logged, and shown to those who come later.")
    return lines + _log(answer.entries, view)


def _log(entries: list[Message], view: View) -> list[str]:
    """Return entries of a log as lines, with the day before the first of it."""
    lines: list[str] = []
    for day, group in groupby(entries, key=lambda entry: view.day(entry.at)):
        lines.append(f"On {day}:" if lines else f"This was said before, on {day}, times in {view.zone}:")
        lines += [_logged(entry, view) for entry in group]
    return lines


def _profile(answer: Profile, view: View) -> str:
    since = f"{view.time(answer.since)} {view.zone} on {view.day(answer.since)}"
    rooms = f"in {_named(answer.rooms)}" if answer.rooms else "in no room"
    away = f" Away: {answer.away}" if answer.away else ""
    return f"{answer.user.name} is a guest, here since {since}, {rooms}.{away}"


def _where(room: str, *, current: bool) -> str:
    return "" if current else f" (in {room})"


def _focus(room: str | UnsetType) -> str:
    return f"You are speaking in {room} now." if room else "You are in no room now."


def _speech(message: Message, *, current: bool, suffix: str = "") -> str:
    """Return what somebody said or did; it names its room unless that is the ``current`` one."""
    name, text = message.from_, message.text
    speaker = name
    if message.with_:
        speaker, hearer = (name, "you") if message.with_ == name else ("you", message.with_)
        line = f"{speaker} to {hearer}: {text}"
    elif message.kind == "topic":
        line = f"{name} set the topic of {message.room}: {text}" if text else f"{name} took the topic away"
    elif message.kind == "action":
        line = f"* {name} {text}" if current else f"* {name} (in {message.room}) {text}"
    else:
        line = f"{name}: {text}" if current else f"{name} in {message.room}: {text}"
    return Spoken.by(speaker, message.color or "", line + suffix)


def _logged(message: Message, view: View) -> str:
    return _speech(message, current=True, suffix=f" ({view.time(message.at)}, {message.room}:{message.seq})")


def _people(users: list[User]) -> str:
    return "One person is" if len(users) == 1 else f"{len(users)} people are"


def _listed(users: list[User], count: int | None = None) -> str:
    return _named([f"{user.name} (away)" if user.away else user.name for user in users], count)


def _named(names: list[str], count: int | None = None) -> str:
    """Return the first names, and how many more there are; ``count`` says how many there are in all."""
    shown = ", ".join(names[:_NAMES_SHOWN])
    hidden = (len(names) if count is None else count) - min(len(names), _NAMES_SHOWN)
    return f"{shown} and {hidden} more" if hidden > 0 else shown


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
