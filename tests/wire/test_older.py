"""The older message form alone: from texts to commands, from answers and events to texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpchat.core.answers import Accepted, DirectNews, Done, Goodbye, Greeting, JoinedRoom, LeftRoom, LoggedIn
from tcpchat.core.commands import Command, EnterAsGuest, Join, Leave, Quit, SayInLobby, SpeakAsGuest, Tell, Visit
from tcpchat.core.events import (
    AwayChanged,
    Crowd,
    Deed,
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
    ReadOn,
    Refocused,
    Renamed,
    RoomCreated,
    RoomDeleted,
    RoomsChanged,
    ServerEvent,
    TopicChanged,
    User,
)
from tcpchat.errors import ChatError, Code
from tcpchat.wire.codec import Request
from tcpchat.wire.older import OlderCodec, is_older
from tests.wire.outlet import Outlet

TOKEN = "8d3f1b0a-0c55-4f6e-9f0e-00000000000a"
FORMS = pytest.mark.parametrize("tagged", [False, True], ids=["flat", "tagged"])
NINA = {"sender_username": "nina"}


def codec() -> OlderCodec:
    return OlderCodec(lambda: TOKEN)


def message(kind: str, fields: object, *, tagged: bool = False, token: object = None) -> bytes:
    body = {kind: fields} if tagged else fields
    return json.dumps({"message_type": kind, "message_body": body, "token": token}).encode()


def asked(text: bytes | str, name: str = "", of: OlderCodec | None = None) -> Any:
    """Return what a message asks for, from who is logged in as ``name``."""
    text = text.encode() if isinstance(text, str) else text
    return (of or codec()).feed(text, Outlet(name)).asks


def with_token() -> OlderCodec:
    """Return the codec of somebody who has sent Auth."""
    made = codec()
    made.reply(made.feed(message("Auth", NINA), Outlet()), LoggedIn(User("nina"), []))
    return made


def read(data: bytes) -> list[dict[str, Any]]:
    assert data.endswith(b"\n") or not data
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def told(data: bytes, *, tagged: bool = False) -> list[dict[str, Any]]:
    """Return messages as their bodies, each with its type in ``is``."""
    bodies = []
    for one in read(data):
        assert list(one) == ["message_type", "message_body", "token"]
        kind, body = one["message_type"], one["message_body"]
        if tagged:
            assert list(body) == [kind]
            body = body[kind]
        bodies.append({"is": kind, **body})
    return bodies


@pytest.mark.parametrize(
    ("text", "older"),
    [
        ('{"message_type":"Auth"}', True),
        ('{"token":null,"message_body":{"op":"x"},"message_type":"Zork"}', True),
        (' {"message_type":7}', True),
        ('{"op":"login","message_type":"Auth"}', False),
        ('{"op":"login","data":{"message_type":"Auth"}}', False),
        ("{}", False),
        ("[]", False),
        ('"message_type"', False),
        ("", False),
        ('{"message_type":"Auth"', False),
        ('{"a":' + "[" * 100_000, False),
    ],
)
def test_a_first_message_tells_the_form(text: str, older: bool) -> None:
    assert is_older(text.encode()) is older


def test_a_first_message_may_be_anything() -> None:
    assert is_older(b'{"\xff":1}') is False


@FORMS
@pytest.mark.parametrize(
    ("kind", "fields", "name", "command"),
    [
        ("Auth", {**NINA, "password": "secret"}, "", Visit("nina", password="secret")),
        ("Auth", NINA, "", Visit("nina")),
        ("Auth", {**NINA, "password": None}, "", Visit("nina")),
        ("Auth", {**NINA, "password": ""}, "", Visit("nina", password="")),
        ("Auth", {**NINA, "password": "secret"}, "bob", Visit("nina", password="secret")),
        ("Enter", NINA, "", EnterAsGuest("nina")),
        ("Enter", {}, "nina", Join("lobby", last=0)),
        ("Leave", {}, "nina", Leave("lobby")),
        ("GroupChat", {"content": "hello"}, "nina", SayInLobby("hello")),
        ("GroupChat", {**NINA, "content": "hello"}, "", SpeakAsGuest("nina", "hello")),
        ("PrivateChat", {"target_username": "bob", "content": "psst"}, "nina", Tell("bob", "psst")),
        ("GroupChat", {"content": "x", "password": 7, "a": [{}], "target_username": 1}, "nina", SayInLobby("x")),
    ],
)
def test_a_message_is_one_command(tagged: bool, kind: str, fields: dict[str, Any], name: str, command: Command) -> None:
    found = asked(message(kind, fields, tagged=tagged), name)
    assert (type(found), found) == (type(command), command)


@pytest.mark.parametrize("body", ["null", "{}", '"Leave"', '{"Leave":null}', '{"Leave":{}}'])
def test_a_body_without_fields_may_be_written_in_any_way(body: str) -> None:
    assert asked(f'{{"message_type":"Leave","message_body":{body}}}', "nina") == Leave("lobby")
    assert asked('{"message_type":"Leave"}', "nina") == Leave("lobby")


@pytest.mark.parametrize("sender", ["nina", "Nina", " nina ", "", None])
def test_who_sends_as_oneself_is_heard(sender: str | None) -> None:
    assert asked(message("GroupChat", {"sender_username": sender, "content": "x"}), "nina") == SayInLobby("x")


@FORMS
@pytest.mark.parametrize("kind", ["Enter", "Leave", "GroupChat", "PrivateChat"])
def test_who_sends_as_another_is_refused(tagged: bool, kind: str) -> None:
    fields = {"sender_username": "bob", "content": "x", "target_username": "ada"}
    error = asked(message(kind, fields, tagged=tagged), "nina")
    assert isinstance(error, ChatError)
    assert (error.code, error.facts) == (Code.NOT_ALLOWED, {"field": "sender_username"})
    assert error.text.startswith("You are nina on this connection")


@FORMS
@pytest.mark.parametrize("kind", ["Auth", "Enter", "Leave", "GroupChat", "PrivateChat"])
def test_after_auth_every_message_needs_the_token(tagged: bool, kind: str) -> None:
    fields = {**NINA, "content": "x", "target_username": "ada"}
    for token in (None, "", "x", TOKEN[:-1], f"{TOKEN} ", "\u00e9", TOKEN.replace("8", "9")):
        error = asked(message(kind, fields, tagged=tagged, token=token), "nina", with_token())
        assert isinstance(error, ChatError), token
        assert (error.code, error.facts) == (Code.BAD_CREDENTIALS, {"field": "token"})
    for token in (TOKEN, TOKEN.upper()):
        assert isinstance(asked(message(kind, fields, tagged=tagged, token=token), "nina", with_token()), Command)


def test_a_refused_auth_gives_no_token() -> None:
    made = codec()
    request = made.feed(message("Auth", NINA), Outlet())
    (answer,) = read(made.reply(request, ChatError(Code.BAD_CREDENTIALS, "No.")))
    assert answer["token"] is None
    assert asked(message("Enter", NINA), "", made) == EnterAsGuest("nina")


def test_another_auth_gives_another_token() -> None:
    tokens = iter("ab")
    made = OlderCodec(lambda: next(tokens))
    for token in (None, "a"):
        made.reply(made.feed(message("Auth", NINA, token=token), Outlet("nina")), LoggedIn(User("nina"), []))
    assert isinstance(asked(message("Leave", {}, token="a"), "nina", made), ChatError)
    assert asked(message("Leave", {}, token="b"), "nina", made) == Leave("lobby")


@pytest.mark.parametrize(
    ("text", "code", "field", "words"),
    [
        (b"", Code.BAD_JSON, None, "one JSON object"),
        (b"nonsense", Code.BAD_JSON, None, "one JSON object"),
        (b'{"message_type":"Enter"', Code.BAD_JSON, None, "one JSON object"),
        (b'{"message_type":"Enter"} x', Code.BAD_JSON, None, "one JSON object"),
        (b"[1]", Code.BAD_JSON, None, "one JSON object"),
        (b"7", Code.BAD_JSON, None, "one JSON object"),
        (b"null", Code.BAD_JSON, None, "one JSON object"),
        (b'{"message_type":"\\ud800"}', Code.BAD_JSON, None, "one JSON object"),
        (b"[" * 100_000, Code.BAD_JSON, None, "one JSON object"),
        (b'{"message_type":"\xff"}', Code.BAD_UTF8, None, "UTF-8"),
        (b"{}", Code.BAD_FIELD, "message_type", "Auth, Enter, Leave, GroupChat or PrivateChat"),
        (b'{"message_type":"Zork"}', Code.UNKNOWN_OP, "message_type", "no message_type Zork: it is Auth"),
        (b'{"message_type":"auth"}', Code.UNKNOWN_OP, "message_type", "it is Auth"),
        (b'{"message_type":"GroupInfo"}', Code.UNKNOWN_OP, "message_type", "it is Auth"),
        (message("GroupChat", {}), Code.BAD_FIELD, "content", "content is missing: GroupChat needs content"),
        (message("GroupChat", {"content": None}), Code.BAD_FIELD, "content", "content is missing"),
        (message("GroupChat", {}, tagged=True), Code.BAD_FIELD, "content", "content is missing"),
        (message("PrivateChat", {"content": "x"}), Code.BAD_FIELD, "target_username", "PrivateChat needs target"),
        (message("PrivateChat", {"target_username": "x"}), Code.BAD_FIELD, "content", "PrivateChat needs target"),
        (message("Auth", {}), Code.BAD_FIELD, "sender_username", "Auth needs sender_username"),
        (message("Auth", {"sender_username": ""}), Code.BAD_FIELD, "sender_username", "Auth needs sender_username"),
        (message("Auth", {**NINA, "password": "x" * 4097}), Code.BAD_FIELD, "password", "so long"),
        (
            b'{"message_type":"GroupChat","message_body":{"PrivateChat":{"content":"x"}}}',
            Code.BAD_FIELD,
            "message_body",
            "tagged PrivateChat, but message_type is GroupChat",
        ),
        (b'{"message_type":"Enter","message_body":"Leave"}', Code.BAD_FIELD, "message_body", "tagged Leave"),
    ],
)
def test_a_bad_message_is_told_what_is_wrong(text: bytes, code: Code, field: str | None, words: str) -> None:
    error = asked(text, "nina")
    assert isinstance(error, ChatError)
    assert (error.code, error.facts.get("field")) == (code, field)
    assert words in error.text


USED = {
    "Auth": ["sender_username", "password"],
    "Enter": ["sender_username"],
    "Leave": ["sender_username"],
    "GroupChat": ["sender_username", "content"],
    "PrivateChat": ["sender_username", "target_username", "content"],
}
WRONG = [(7, "a number"), (1.5, "a number"), (True, "true or false"), (["x"], "a list"), ({"a": 1}, "an object")]


@FORMS
@pytest.mark.parametrize(("value", "kind"), WRONG, ids=[kind for _, kind in WRONG])
@pytest.mark.parametrize(("type_", "field"), [(one, field) for one, fields in USED.items() for field in fields])
def test_a_field_of_a_wrong_type_is_named(tagged: bool, value: object, kind: str, type_: str, field: str) -> None:
    good = {"sender_username": "nina", "content": "x", "target_username": "ada", "password": "x"}
    error = asked(message(type_, {**good, field: value}, tagged=tagged), "nina")
    assert isinstance(error, ChatError)
    assert (error.code, error.facts) == (Code.BAD_FIELD, {"field": field})
    assert error.text == f"The field {field} is wrong: expected a string, not {kind}."


@pytest.mark.parametrize(("value", "kind"), WRONG, ids=[kind for _, kind in WRONG])
def test_so_is_one_around_the_body(value: object, kind: str) -> None:
    whole: dict[str, object] = {"message_type": "Leave", "message_body": {}, "token": None}
    for field in ("message_type", "token"):
        error = asked(json.dumps({**whole, field: value}), "nina")
        assert f"The field {field} is wrong" in error.text
        assert error.text.endswith(f", not {kind}.")
    for body in (value, {"Leave": value}):
        if body != {"a": 1} and body != {"Leave": {"a": 1}}:
            error = asked(json.dumps({**whole, "message_body": body}), "nina")
            assert (
                error.text
                == f"The field message_body is wrong: expected an object with the fields of Leave, not {kind}."
            )


@pytest.mark.parametrize("kind", ["Leave", "PrivateChat"])
def test_who_has_no_name_is_told_how_to_get_one(kind: str) -> None:
    error = asked(message(kind, {**NINA, "content": "x", "target_username": "ada"}))
    assert error.code is Code.NOT_LOGGED_IN
    assert "send Auth or Enter with sender_username" in error.text


@pytest.mark.parametrize("kind", ["Enter", "GroupChat"])
def test_a_guest_must_give_a_name(kind: str) -> None:
    error = asked(message(kind, {"content": "x"}))
    assert (error.code, error.facts) == (Code.BAD_FIELD, {"field": "sender_username"})


@given(st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["Auth", "Enter", "GroupChat", TOKEN]),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["message_type", "message_body", "token", "sender_username", "content", "GroupChat"]), inner
    ),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_whatever_comes_is_understood_or_refused(text: bytes) -> None:
    for one, name in ((codec(), ""), (codec(), "nina"), (with_token(), "nina")):
        request = one.feed(text, Outlet(name))
        assert isinstance(request.asks, Command | ChatError)
        if isinstance(request.asks, ChatError):
            (answer,) = read(one.reply(request, request.asks))
            assert answer["message_type"] == "PrivateInfo"
    is_older(text)


@FORMS
def test_auth_is_answered_with_the_token(tagged: bool) -> None:
    made = codec()
    request = made.feed(message("Auth", NINA, tagged=tagged), Outlet())
    data = made.reply(request, LoggedIn(User("nina"), [], session="secret"))
    assert read(data)[0]["token"] == TOKEN
    words = "You are logged in as nina. Send this token with every message from now on."
    assert told(data, tagged=tagged) == [{"is": "PrivateInfo", "content": words}]
    assert b"secret" not in data


def test_who_was_written_to_meanwhile_hears_so() -> None:
    made = codec()
    directs = [DirectNews("bob", "@1", 2), DirectNews("ada", "@2", 1)]
    (answer,) = told(
        made.reply(made.feed(message("Auth", NINA), Outlet()), LoggedIn(User("nina"), [], directs=directs))
    )
    assert answer["content"].endswith(
        "Written to you meanwhile, to be read with another client: 2 from bob, 1 from ada."
    )


def lobby(*names: str, topic: str = "") -> JoinedRoom:
    return JoinedRoom("lobby", topic, 7, 1, [User(name) for name in names], [], False, len(names))


@FORMS
@pytest.mark.parametrize(
    ("kind", "name", "answer", "words"),
    [
        ("Enter", "nina", lobby("nina"), "You are in lobby, alone."),
        ("Enter", "", lobby("Nina", "bob", topic="Tea"), "You are in lobby, with bob. The topic is: Tea"),
        ("Leave", "nina", LeftRoom("lobby", [User("bob")]), "You left lobby."),
    ],
)
def test_enter_and_leave_are_answered_in_words(tagged: bool, kind: str, name: str, answer: Any, words: str) -> None:
    made = codec()
    request = made.feed(message(kind, NINA, tagged=tagged), Outlet(name))
    assert told(made.reply(request, answer), tagged=tagged) == [{"is": "PrivateInfo", "content": words}]


def test_what_needs_no_answer_has_none() -> None:
    made = codec()
    request = made.feed(message("GroupChat", {"content": "x"}), Outlet("nina"))
    assert made.reply(request, Accepted("lobby", 1, 0)) == b""
    assert made.reply(Request(Quit()), Goodbye()) == b""
    assert made.reply(Request(Done()), Done()) == b""


@FORMS
def test_a_refusal_has_a_sentence_and_a_code(tagged: bool) -> None:
    made = codec()
    request = made.feed(message("GroupChat", {"content": "x"}, tagged=tagged), Outlet("nina"))
    data = made.reply(request, ChatError(Code.MUTED, "You are muted.", room="lobby"))
    assert told(data, tagged=tagged) == [{"is": "PrivateInfo", "content": "You are muted.", "code": "muted"}]


@pytest.mark.parametrize("code", [Code.ACCOUNT_NEEDED, Code.NAME_REGISTERED])
def test_who_needs_an_account_is_told_to_send_auth(code: Code) -> None:
    made = codec()
    (answer,) = told(made.reply(made.feed(message("Enter", NINA), Outlet()), ChatError(code, "No.")))
    assert answer["content"].endswith("end Auth with sender_username and password.")


def test_a_line_that_is_none_is_refused_as_the_peer_speaks() -> None:
    made = codec()
    made.feed(message("Enter", NINA, tagged=True), Outlet())
    error = ChatError(Code.LINE_TOO_LONG, "Too long.")
    (answer,) = told(made.reply(Request(error), error), tagged=True)
    assert answer["code"] == "line-too-long"


def test_the_peer_is_spoken_to_as_it_speaks() -> None:
    made, outlet = codec(), Outlet("nina")
    flat, shared = made.encoder(current=True), codec().encoder(current=False)
    assert flat is shared
    made.feed(message("Leave", {}), outlet)
    assert outlet.reformatted == 0
    first = made.feed(message("Leave", {}, tagged=True), outlet)
    assert outlet.reformatted == 1
    assert made.encoder(current=True) is not flat
    made.feed(b'{"message_type":"Leave"}', outlet)  # which tells nothing
    made.feed(b'{"message_type":"Leave","message_body":7}', outlet)
    assert outlet.reformatted == 1
    made.feed(message("Leave", {}), outlet)
    assert outlet.reformatted == 2
    assert made.encoder(current=True) is flat
    assert told(made.reply(first, LeftRoom("lobby", [])), tagged=True)


def test_a_program_is_not_greeted_and_all_it_sends_is_text() -> None:
    assert codec().greet(Greeting("tcpchat", "1.0", 1, (), {}, "Be kind.", 3)) == b""
    assert codec().strip(b"\xff\xfb\x01", Outlet()) == b"\xff\xfb\x01"


def said(text: str, **more: Any) -> Message:
    return Message("lobby", 1, 0, "bob", text, **{"kind": "message", **more})


BOB = User("bob")
GROUP, PRIVATE = "GroupInfo", "PrivateInfo"


@FORMS
@pytest.mark.parametrize(
    ("event", "body"),
    [
        (said("hello"), {"is": "GroupChat", "sender_username": "bob", "content": "hello"}),
        (said("waves", kind="action"), {"is": "GroupChat", "sender_username": "bob", "content": "* bob waves"}),
        (said("", kind="removed"), {"is": GROUP, "content": "What bob said here was removed."}),
        (said("", kind="removed", with_="bob"), {"is": PRIVATE, "content": "What bob said here was removed."}),
        (MemberJoined("lobby", BOB), {"is": GROUP, "content": "bob joined lobby."}),
        (MemberLeft("lobby", BOB), {"is": GROUP, "content": "bob left lobby."}),
        (
            MemberLeft("lobby", BOB, "ada", "Calm down."),
            {"is": GROUP, "content": "ada put bob out of lobby: Calm down."},
        ),
        (Crowd("lobby", 3, 2, 200), {"is": GROUP, "content": "In lobby 3 people joined and 2 left; 200 are there."}),
        (Members("lobby", [BOB], 1, 7), {"is": GROUP, "content": "Now in lobby: bob."}),
        (
            Gap("lobby", 1, 3, 9),
            {"is": GROUP, "content": "Of what was said in lobby, 1 to 3 are missing: it can't be read any more."},
        ),
        (Renamed("lobby", "bob", User("rob")), {"is": GROUP, "content": "bob is called rob now."}),
        (AwayChanged("lobby", BOB, "lunch"), {"is": GROUP, "content": "bob is away: lunch"}),
        (TopicChanged("lobby", 2, 0, "bob", "Tea"), {"is": GROUP, "content": "bob set the topic of lobby: Tea"}),
        (
            Moderated("lobby", 3, 0, "ada", Deed("mute", "bob")),
            {"is": GROUP, "content": "ada muted bob in lobby."},
        ),
        (PutOut("lobby", "kick", "ada"), {"is": PRIVATE, "content": "ada put you out of lobby."}),
        (Invited("tea", "ada"), {"is": PRIVATE, "content": "ada invited you to tea."}),
        (
            ServerEvent("duplicate-session", 0, "nina"),
            {"is": PRIVATE, "content": "(nina has logged in from another place, too.)"},
        ),
        (Notice("ada to everybody: hi", about="broadcast"), {"is": GROUP, "content": "ada to everybody: hi"}),
        (Notice("Be quick."), {"is": PRIVATE, "content": "Be quick."}),
        (Notice("Bye.", "kicked"), {"is": PRIVATE, "content": "Bye.", "code": "kicked"}),
    ],
)
def test_an_event_is_a_message(tagged: bool, event: Event, body: dict[str, str]) -> None:
    made = codec()
    made.feed(message("Leave", {}, tagged=tagged), Outlet("nina"))
    encoder = made.encoder(current=True)
    assert told(encoder.encode([event]), tagged=tagged) == [body]
    assert told(encoder.encode_to("nina", event), tagged=tagged) == [body]


def test_who_comes_and_goes_together_is_one_message() -> None:
    encoder = codec().encoder(current=True)
    moves = [MemberJoined("lobby", BOB), MemberLeft("lobby", User("ada"))]
    assert [one["content"] for one in told(encoder.encode([*moves, said("hi"), *moves]))] == [
        "bob joined lobby, ada left.",
        "hi",
        "bob joined lobby, ada left.",
    ]


@FORMS
def test_what_is_written_to_one_names_both(tagged: bool) -> None:
    made = codec()
    made.feed(message("Leave", {}, tagged=tagged), Outlet("nina"))
    encoder = made.encoder(current=False)
    assert encoder.personal
    mine, theirs = said("psst", with_="ada", waits=True, mine=True), said("psst", with_="bob")
    assert told(encoder.encode_to("nina", theirs), tagged=tagged) == [
        {"is": "PrivateChat", "sender_username": "bob", "target_username": "nina", "content": "psst"}
    ]
    assert told(encoder.encode_to("bob", mine), tagged=tagged) == [
        {"is": "PrivateChat", "sender_username": "bob", "target_username": "ada", "content": "psst"},
        {"is": "PrivateInfo", "content": "ada is not here, and will read it later."},
    ]


@pytest.mark.parametrize(
    "event",
    [RoomCreated("tea"), RoomDeleted("tea"), RoomsChanged(), Refocused("tea"), Refocused(), QuarterBegun(0),
     ReadOn("lobby", 3)],
)  # fmt: skip
def test_what_this_form_has_no_use_for_is_not_told(event: Event) -> None:
    encoder = codec().encoder(current=False)
    assert encoder.encode([event]) == encoder.encode_to("nina", event) == b""


@given(st.text(), st.text())
def test_nobody_s_words_end_a_message_or_add_to_it(name: str, text: str) -> None:
    event = Message("lobby", 1, 0, name, text, "message")
    encoder = codec().encoder(current=True)
    (body,) = told(encoder.encode([event]))
    assert body == {"is": "GroupChat", "sender_username": name, "content": text}
