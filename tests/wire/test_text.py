from __future__ import annotations

from typing import Any

import pytest

from tcpchat.core.answers import Answer, Arrived, Greeting, HistoryPage, JoinedRoom, RoomList, RoomSummary, UserList
from tcpchat.core.commands import (
    Arrive,
    Command,
    Create,
    Delete,
    History,
    Join,
    Leave,
    ListMembers,
    ListRooms,
    ListUsers,
    Ping,
    Quit,
    Recolor,
    Say,
    Tell,
)
from tcpchat.core.events import MemberJoined, Message, RoomCreated, User
from tcpchat.core.names import HERE
from tcpchat.errors import ChatError, Code
from tcpchat.wire.codec import Request
from tcpchat.wire.local import LocalCommand
from tcpchat.wire.phrases import Words
from tcpchat.wire.table import TABLE
from tcpchat.wire.text import TextCodec
from tests.wire.outlet import OUTLET, Outlet


def named() -> TextCodec:
    """Return a codec whose person has a name."""
    codec = TextCodec()
    codec.reply(Request(Arrive("nina")), Arrived(User("nina"), JoinedRoom("lobby", "", 0, 1, [], [], False)))
    return codec


@pytest.fixture
def codec() -> TextCodec:
    return named()


def understand(codec: TextCodec, line: str, outlet: Outlet = Outlet("nina")) -> Any:
    request = codec.feed(line.encode(), outlet)
    assert request is not None
    return request.asks


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("hello", Say(HERE, "hello")),
        ("  hello  there ", Say(HERE, "hello  there")),
        (":)", Say(HERE, ":)")),
        (":quitter", Say(HERE, ":quitter")),
        ("//help me", Say(HERE, "/help me")),
        ("/join tea", Join("tea")),
        ("/JOIN tea", Join("tea")),
        ("/join   tea  ", Join("tea")),
        ("/leave", Leave(HERE)),
        ("/leave tea", Leave("tea")),
        ("/rooms", ListRooms()),
        ("/who", ListMembers(HERE)),
        ("/who tea", ListMembers("tea")),
        ("/users", ListUsers()),
        ("/msg bob hi  there", Tell("bob", "hi  there")),
        ("/me waves back", Say(HERE, "waves back", action=True)),
        ("/history", History(HERE, limit=20)),
        ("/history 7", History(HERE, limit=7)),
        ("/history 7 120", History(HERE, limit=7, before=120)),
        ("/color teal", Recolor("teal")),
        ("/color none", Recolor()),
        ("/create tea", Create("tea")),
        ("/delete tea", Delete("tea")),
        ("/say tea hi you", Say("tea", "hi you")),
        ("/quit", Quit()),
        (":quit", Quit()),
        (":ping", Ping()),
        (":pm bob hi there", Tell("bob", "hi there")),
        (":users", ListUsers()),
        (":cr tea", Create("tea")),
        (":jr tea", Join("tea")),
        (":lr tea", Leave("tea")),
        (":lrs", ListRooms()),
        (":lru tea", ListMembers("tea")),
        (":rm tea hi there", Say("tea", "hi there")),
    ],
)
def test_a_line_is_a_command_or_speech(codec: TextCodec, line: str, command: Command) -> None:
    assert understand(codec, line) == command


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/join", "ROOM is missing: type /join ROOM [KEY], for example /join tea"),
        (":pm bob", "TEXT is missing: type :pm USER TEXT"),
        ("/join tea its key", "There is too much after /join: type /join ROOM [KEY], for example /join tea"),
        ("/history x", "COUNT is a number, 1 or more: type /history [@USER] [COUNT] [NUMBER], for example /history 50"),
        (
            "/history 20 99999999999999999",
            "NUMBER is a number, 1 or more: type /history [@USER] [COUNT] [NUMBER], for example /history 50",
        ),
        (
            "/history 9999999",
            "That number is too large: type /history [@USER] [COUNT] [NUMBER], for example /history 50",
        ),
        ("/history 0", "COUNT is a number, 1 or more: type /history [@USER] [COUNT] [NUMBER], for example /history 50"),
        ("/history ²", "COUNT is a number, 1 or more: type /history [@USER] [COUNT] [NUMBER], for example /history 50"),
        ("/quit now", "There is too much after /quit: type /quit"),
        ("/jion tea", "There is no command /jion. Did you mean /join?"),
        ("/zzzzzz", "There is no command /zzzzzz. Type /help to see those there are."),
        ("/", "There is no command /. Type /help to see those there are."),
    ],
)
def test_a_mistyped_command_is_told_how(codec: TextCodec, line: str, sentence: str) -> None:
    error = understand(codec, line)
    assert isinstance(error, ChatError)
    assert error.text == sentence


def test_the_first_line_is_a_name_and_commands_still_work() -> None:
    codec = TextCodec()
    assert understand(codec, "nina", OUTLET) == Arrive("nina")
    assert understand(codec, "/quit", OUTLET) == Quit()
    assert isinstance(understand(codec, "/help", OUTLET), Words)
    assert codec.reply(Request(Words(())), ChatError(Code.NAME_TAKEN, "Taken.")) == b"Taken.\r\nWhat is your name?\r\n"


@pytest.mark.parametrize("stray", ["\x04", "\x01 ", " \t", "\x1b"])
def test_a_stray_control_character_makes_no_speech_of_a_command(codec: TextCodec, stray: str) -> None:
    assert understand(codec, f"{stray}/quit") == Quit()
    assert understand(codec, f"{stray}/msg bob secret") == Tell("bob", "secret")


def test_bytes_that_are_not_utf8_are_refused_in_a_sentence(codec: TextCodec) -> None:
    request = codec.feed(b"caf\xe9", OUTLET)
    assert request is not None
    assert isinstance(request.asks, ChatError)
    assert request.asks.code is Code.BAD_UTF8


def test_help_knows_every_command(codec: TextCodec) -> None:
    lines = " ".join(
        line for topic in ("", " moderation", " administration") for line in understand(codec, f"/help{topic}").lines
    )
    for row in TABLE:
        for word in row.words[:1]:
            assert word in lines
    assert understand(codec, "/help join").lines == (
        "/join ROOM [KEY]: Enter a room, with its key if it has one; it is created when absent. Also: :jr.",
        "For example: /join tea",
    )
    assert understand(codec, "/help :pm").lines[0] == "/msg USER TEXT: Say something to one person only. Also: :pm."


def test_every_example_is_a_line_that_works() -> None:
    for row in TABLE:
        if row.words:
            asked = understand(named(), row.example)
            local = issubclass(row.command, LocalCommand)
            assert isinstance(asked, Answer | Command if local else row.command), row.example


def test_the_greeting_says_who_is_here_and_asks_for_a_name() -> None:
    greeting = Greeting("tcpchat", "1.0", 1, (), {}, "Be kind.\nBe brief.", 3)
    assert TextCodec().greet(greeting).decode().splitlines() == [
        "This is tcpchat 1.0. 3 people are here.",
        "Be kind.",
        "Be brief.",
        "What is your name?",
    ]


def lines_of(codec: TextCodec, asked: Command, answer: Any) -> list[str]:
    return codec.reply(Request(asked), answer).decode().split("\r\n")[:-1]


def test_joining_shows_who_is_here_and_what_was_said(codec: TextCodec) -> None:
    entry = Message("tea", 7, 1_700_000_000_000, "bob", "hi", "message")
    action = Message("tea", 8, 1_700_000_000_000, "bob", "waves", "action")
    answer = JoinedRoom("tea", "leaves", 8, 1, [User("bob"), User("nina")], [entry, action], False)
    assert lines_of(codec, Join("tea"), answer) == [
        "You are in tea, with bob.",
        "The topic is: leaves",
        "This was said before, on Tuesday 14 November 2023, times in UTC:",
        "bob: hi (22:13, tea:7)",
        "* bob waves (22:13, tea:8)",
    ]


def test_lists_are_sentences(codec: TextCodec) -> None:
    rooms = RoomList([RoomSummary("tea", "leaves", 1, 2), RoomSummary("lobby", "", 0, 1)])
    assert lines_of(codec, ListRooms(), rooms) == [
        "2 rooms:",
        "Room tea: 1 person, 2 entries. The topic is: leaves",
        "Room lobby: 0 people, 1 entry.",
    ]
    assert lines_of(codec, ListRooms("x"), RoomList([])) == ["No room is called so, and no topic says so."]
    assert lines_of(codec, ListUsers(), UserList([User("nina")])) == ["One person is here: nina."]
    many = UserList([User(f"p{number}") for number in range(40)])
    assert lines_of(codec, ListUsers(), many)[0].endswith("p29 and 10 more.")
    assert lines_of(codec, History(HERE), HistoryPage("tea", [], False)) == ["Nothing has been said in tea yet."]


@pytest.mark.parametrize(
    ("message", "here", "elsewhere"),
    [
        (Message("tea", 1, 0, "bob", "hi", "message"), "bob: hi", "bob in tea: hi"),
        (Message("tea", 1, 0, "bob", "waves", "action"), "* bob waves", "* bob (in tea) waves"),
        (Message("@1", 1, 0, "bob", "hi", "message", with_="bob"), "bob to you: hi", "bob to you: hi"),
        (Message("@1", 1, 0, "nina", "hi", "message", with_="bob", mine=True), "you to bob: hi", "you to bob: hi"),
    ],
)
def test_speech_says_who_where_what(codec: TextCodec, message: Message, here: str, elsewhere: str) -> None:
    assert codec.encoder(current=True).encode([message]).decode() == f"{here}\r\n"
    assert codec.encoder(current=False).encode([message]).decode() == f"{elsewhere}\r\n"


def test_what_only_programs_want_is_not_shown(codec: TextCodec) -> None:
    assert codec.encoder(current=True).encode([RoomCreated("tea")]) == b""
    assert codec.encoder(current=True).encode([MemberJoined("tea", User("bob"))]) == b"bob joined tea.\r\n"
