"""Arriving, and coming back after a lost connection: the same name and rooms, and what was said meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress

from msgspec import UnsetType
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from tcpchat.client.connection import Connection
from tcpchat.client.parts import Manner
from tcpchat.client.rooms import Rooms
from tcpchat.core.answers import Answer, Arrived, Greeting, HistoryPage, JoinedRoom, LoggedIn, Named, News, Resumed
from tcpchat.core.commands import Command, GoAway, Hello, History, Ignore, Join, Login, Register, Resume
from tcpchat.core.events import Event
from tcpchat.errors import ChatError, Code
from tcpchat.wire.phrases import greeting_lines, phrase_answer
from tcpchat.wire.view import View

# A server that has not noticed yet that our old connection is gone keeps our name: a few seconds, as a rule.
NAME_ATTEMPTS = 5
NAME_SECONDS = 3
_PAGE_ENTRIES = 200
# The session may be there all the same when coming back to it is refused so; until then nobody is told that we left.
_PASSING = (Code.BUSY, Code.RATE_LIMITED, Code.STORE_FAILED, Code.TOO_MANY_ATTEMPTS)
RESUME_ATTEMPTS = 3

Show = Callable[[Iterable[str]], None]


async def arrive(
    connection: Connection, manner: Manner, login: Login | Register, rooms: Rooms, view: View, show: Show
) -> str:
    """Log in for the first time, or register, and enter the rooms; return the name as the server writes it.

    Raises `ChatError` when the name is refused; in a pipe, also when a room is.
    """
    greeting = await connection.ask(Hello())
    assert isinstance(greeting, Greeting)
    show(greeting_lines(greeting)[:-1])  # without the question for a name
    return await enter_rooms(connection, manner, login, await connection.ask(login), rooms, view, show)


async def enter_rooms(
    connection: Connection,
    manner: Manner,
    login: Login | Register,
    answer: Answer,
    rooms: Rooms,
    view: View,
    show: Show,
) -> str:
    """Enter the rooms after the ``answer`` to a login; return the name. Raises `ChatError` in a pipe."""
    assert isinstance(answer, LoggedIn | Named)
    rooms.session = answer.session or ""
    name = answer.user.name
    show(phrase_answer(login, answer, name, view))
    first, *others = manner.rooms
    entered = await _enter(connection, manner, first, rooms)
    arrived = Arrived(answer.user, entered, _news(answer, manner))
    show(phrase_answer(None, arrived, name, view))
    for room in others:
        entered = await _enter(connection, manner, room, rooms)
        show([entered.text] if isinstance(entered, ChatError) else phrase_answer(None, entered, name, view))
    return name


def _news(answer: LoggedIn | Named, manner: Manner) -> News | None:
    """Return what waits for an account that has logged in, but in the rooms that it is about to enter."""
    if not isinstance(answer, LoggedIn) or isinstance(answer.following, UnsetType):
        return None
    following = [room for room in answer.following if room.room not in manner.rooms]
    return News(following, answer.directs or [], bool(answer.more_directs))


async def _enter(connection: Connection, manner: Manner, room: str, rooms: Rooms) -> JoinedRoom | ChatError:
    try:
        answer = await connection.ask(Join(room, last=None if manner.interactive else 0))
    except ChatError as error:
        if not manner.interactive:
            raise
        return error
    assert isinstance(answer, JoinedRoom)
    rooms.enter(answer)
    return answer


async def resume(connection: Connection, rooms: Rooms, clock: IReactorTime, show: Show) -> bool:
    """Go on with the session that was lost; False if there is none any more: then one logs in."""
    if not rooms.session:
        return False
    for attempt in range(1, RESUME_ATTEMPTS + 1):
        try:
            resumed = await connection.ask(Resume(rooms.session, rooms.cursors))
            break
        except ChatError as error:
            seconds = error.facts.get("retry_after", NAME_SECONDS)
            if error.code not in _PASSING or attempt == RESUME_ATTEMPTS or not isinstance(seconds, int):
                return False
        show([f"The server is not ready for you. Trying again in {seconds} s."])
        await deferLater(clock, seconds)
    assert isinstance(resumed, Resumed)
    rooms.session = resumed.session
    show(["You are connected again."])
    for lost in resumed.lost:
        if rooms.get(lost.room) is not None:
            rooms.leave(lost.room)
            show([lost.message])
    rooms.current = resumed.current or rooms.current
    return True


async def log_in_again(connection: Connection, login: Login, rooms: Rooms, clock: IReactorTime, show: Show) -> None:
    """Log in as before; when it is taken, try again a few times before that is raised."""
    for attempt in range(1, NAME_ATTEMPTS + 1):
        try:
            answer = await connection.ask(login)
            assert isinstance(answer, LoggedIn)
            rooms.session = answer.session or ""
            break
        except ChatError as error:
            if error.code is not Code.NAME_TAKEN or attempt == NAME_ATTEMPTS:
                raise
        show([f"The name {login.name} is in use. Trying again in {NAME_SECONDS} s."])
        await deferLater(clock, NAME_SECONDS)
    show(["You are connected again."])


async def set_again(connection: Connection, away: str, ignored: Iterable[str]) -> None:
    """Be away and ignore people as before; who has gone can't be ignored, and need not."""
    wanted: list[Command] = [GoAway(away)] if away else []
    for command in wanted + [Ignore(user) for user in ignored]:
        with suppress(ChatError):
            await connection.ask(command)


async def catch_up_all(
    connection: Connection, rooms: Rooms, view: View, show: Show, heard: Callable[[Event], None]
) -> None:
    """Join all rooms again, and show what was said meanwhile; ``heard`` is told what happened while that came."""
    for room in rooms.returning():
        if rooms.get(room) is None:  # deleted while we came back to another
            continue
        try:
            await catch_up(connection, rooms, room, view, show)
        except ChatError as error:
            rooms.leave(room)
            show([error.text])
        for event in rooms.release(room):
            heard(event)


async def catch_up(connection: Connection, rooms: Rooms, room: str, view: View, show: Show) -> None:
    """Join a room again, and show the entries since the last one that was shown.

    Its events are held meanwhile, for the caller to release.
    """
    place = rooms.hold(room)
    joined = await connection.ask(Join(room, after=place.shown))
    assert isinstance(joined, JoinedRoom)
    entries = joined.entries
    if joined.epoch != place.epoch:  # it is another room by now, and nothing of it was shown
        place.shown, place.epoch, entries = 0, joined.epoch, []
    while place.shown < joined.head:
        if not entries:
            page = await connection.ask(History(room, after=place.shown, limit=_PAGE_ENTRIES))
            assert isinstance(page, HistoryPage)
            entries = page.entries
        if not entries:
            break
        show(phrase_answer(None, HistoryPage(room, entries, more=False), "", view))
        place.shown = entries[-1].seq
        entries = []
