"""Questions for passwords at a terminal: what comes before them, what may be typed, and that no secret is said."""

from __future__ import annotations

import pytest

from tcpchat.core.chat import Policy
from tests.house import COMMON, House, Script, Terminal
from tests.test_accounts import SECRET, registered, shown

DO_ECHO, DONT_ECHO = b"\xff\xfd\x01", b"\xff\xfe\x01"
NEW, SAME = "A new password:", "The same once more:"
ASKED = "The password of nina:"
SEEN = " (It may be seen on your screen.)"


@pytest.fixture
def house() -> House:
    return House()


def asked(terminal: Terminal) -> list[str]:
    """Return the lines on the screen once whoever doesn't hide what is typed has been waited for."""
    terminal.house.clock.advance(1)
    return shown(terminal)


def type_all(terminal: Terminal, *lines: str) -> list[str]:
    for line in lines:
        terminal.type(line)
    return asked(terminal)


def due(house: House) -> list[object]:
    """Return what is to happen within a second, as questions that wait do."""
    now = house.clock.seconds()
    return [call for call in house.clock.getDelayedCalls() if call.getTime() <= now + 1]


def listener(house: House) -> Terminal:
    """Return somebody in the lobby, who hears what is said there."""
    bob = Terminal(house, "bob")
    bob.take()
    return bob


# What is typed again after a refusal.


def test_a_new_password_that_will_not_do_is_asked_for_again_and_never_said(house: House) -> None:
    nina = Terminal(house, "nina")
    bob = listener(house)
    nina.take()
    assert type_all(nina, "/register", SECRET, "another one") == [
        NEW + SEEN, SAME, "These were not the same. Try again, or press Enter.", NEW,
    ]  # fmt: skip
    short = "The password is too short: it needs at least 8 characters. Several words are good."
    short += " Try again, or press Enter."
    assert type_all(nina, "short") == [short, NEW]
    assert type_all(nina, "short") == [short, NEW]
    assert type_all(nina, COMMON, COMMON)[-2:] == [
        "That password is one of the first that anybody tries. Try again, or press Enter.", NEW + SEEN,
    ]  # fmt: skip
    assert type_all(nina, SECRET, SECRET)[-1] == "The name nina is yours now. To come back, type it, or /login nina."
    assert bob.take() == []


def test_a_wrong_old_password_is_asked_for_again_and_never_said(house: House) -> None:
    registered(house).ask("quit")
    nina = Terminal(house)
    type_all(nina, f"/login nina {SECRET}")
    bob = listener(house)
    nina.take()
    old = "Your password so far:"
    assert type_all(nina, "/password", "wrong horse", "battery staple", "battery staple")[-2:] == [
        "That is not your password. Try again, or press Enter.", old + SEEN,
    ]  # fmt: skip
    assert type_all(nina, SECRET, COMMON, COMMON)[-1] == NEW + SEEN
    assert type_all(nina, "battery staple", "battery staple")[-1] == "Your password is changed."
    assert type_all(nina, "/unregister", SECRET)[-2:] == [
        "That is not your password. Try again, or press Enter.",
        "This deletes your account for good. Your password:" + SEEN,
    ]
    assert type_all(nina, "")[-1] == "Nothing was done."
    assert bob.take() == []


@pytest.mark.parametrize("name", [None, "visitor"])
def test_a_wrong_password_is_asked_for_until_an_empty_line_and_becomes_no_name(house: House, name: str | None) -> None:
    registered(house).ask("quit")
    bob = listener(house)
    person = Terminal(house, name)
    bob.take()
    assert type_all(person, "/login nina", *(f"hunter{number}" for number in range(6)))[-1] == ASKED + SEEN
    assert bob.take() == []
    assert [user.name for user in house.hub.users] == ["bob", *([name] if name else [])]
    assert type_all(person, "")[-1] == ("Nothing was done." if name else "What is your name?")


@pytest.mark.parametrize("name", [None, "visitor"])
def test_a_password_that_came_too_fast_is_asked_for_again(house: House, name: str | None) -> None:
    registered(house).ask("quit")
    bob = listener(house)
    person = Terminal(house, name)
    type_all(person, "/login nina")
    bob.take()
    house.factory.admission.paces.work.take("192.0.2.1", 1.0)  # by somebody else behind the same router
    assert type_all(person, SECRET)[-2:] == [
        "That is too much at once, so it was not done. Please try again in 10 seconds. To give up, press Enter.",
        ASKED + SEEN,
    ]
    house.clock.advance(10)
    assert "Hello, nina. Type /help to see what you can do." in type_all(person, SECRET)
    assert not [line for line in bob.take() if SECRET in line]


def test_a_new_password_that_could_not_be_stored_is_asked_for_again(house: House) -> None:
    bob, nina = listener(house), Terminal(house, "nina")
    bob.take()
    type_all(nina, "/register", SECRET)
    house.store.failing = True
    assert type_all(nina, SECRET)[-1] == NEW + SEEN
    house.store.failing = False
    assert type_all(nina, SECRET, SECRET)[-1].startswith("The name nina is yours now.")
    assert bob.take() == []


def test_a_mistyped_login_at_a_question_leaves_the_question(house: House) -> None:
    registered(house).ask("quit")
    bob, person = listener(house), Terminal(house, "visitor")
    type_all(person, "/login nina")
    bob.take()
    assert type_all(person, "/login")[-1] == ASKED
    assert "Hello, nina. Type /help to see what you can do." in type_all(person, SECRET)
    assert not [line for line in bob.take() if SECRET in line]


@pytest.mark.parametrize(
    "line",
    [
        "login nina correct horse battery staple",
        ".login nina correct horse battery",
        "identify hunter2",
        "nickserv identify hunter2",
    ],
)
def test_a_mistyped_login_with_words_that_may_be_a_password_is_not_said(house: House, line: str) -> None:
    bob, person = listener(house), Terminal(house, "visitor")
    person.take()
    bob.take()
    person.type(line)
    assert bob.take() == []
    person.type("no")
    person.type("password managers keep many words for you")
    assert [text.partition(": ")[2] for text in bob.take()] == ["password managers keep many words for you"]


# What is asked of the hub before.


def test_what_needs_no_password_is_refused_before_one_is_asked_for(house: House) -> None:
    registered(house, "ada")
    guest = Terminal(house, "visitor")
    assert type_all(guest, "/password") == ["You are a guest: register first."]
    assert type_all(guest, "/unregister") == ["You are a guest: register first."]
    assert "is registered" in type_all(guest, "/register ada")[0]
    assert type_all(guest, "/register -x") != [NEW + SEEN]
    house.chat.policy = Policy(registration="closed")
    assert type_all(guest, "/register")[0].startswith("Nobody can register here")
    house.chat.policy = Policy(registration="invitation", invitations=frozenset({"sesame"}))
    how = "Type /register NAME CODE with yours."
    assert type_all(guest, "/register") == [f"To register here one needs an invitation code. {how}"]
    assert type_all(guest, "/register nina sesam") == [f"That is no invitation code. {how}"]
    assert type_all(guest, "/register nina sesame") == [NEW + SEEN]
    type_all(guest, SECRET, SECRET)
    assert type_all(guest, "/login ada") == ["You are logged in as nina already. Type /logout first."]
    assert type_all(guest, "/register ada sesame") == [
        "You have an account already: it is called nina. Type /logout first."
    ]


def test_the_name_of_a_deleted_account_asks_for_no_password(house: House) -> None:
    nina = registered(house)
    nina.ask("unregister", password=SECRET)
    person = Terminal(house)
    kept = "The account nina was deleted; its name is kept until 12 February 2024."
    assert type_all(person, "nina")[-2:] == [f"{kept} nina2 is free.", "What is your name?"]
    assert type_all(person, "/login nina")[-2:] == [kept, "What is your name?"]
    house.chat.policy = Policy(guests=False)
    assert type_all(person, "nina")[-2:] == [kept, "What is your name?"]


def test_who_deletes_the_account_stays_connected_without_a_name(house: House) -> None:
    registered(house).ask("quit")
    nina = Terminal(house)
    type_all(nina, f"/login nina {SECRET}")
    assert type_all(nina, "/unregister", SECRET)[-2:] == [
        "Your account is deleted, and you are logged out.", "What is your name?",
    ]  # fmt: skip
    assert "Hello, other. Type /help to see what you can do." in type_all(nina, "other")


# What else may be typed at a question.


def test_who_is_asked_for_a_password_may_still_quit(house: House) -> None:
    registered(house).ask("quit")
    pipe = Terminal(house)
    pipe.transport.receive(b"nina\nthe build is green\n/quit\n")
    house.settle()
    assert shown(pipe)[-1] == "Goodbye."
    assert pipe.transport.write_closed


def test_help_and_login_work_at_a_question(house: House) -> None:
    for name in ("nina", "ada"):
        registered(house, name).ask("quit")
    nina = Terminal(house)
    help_, question = type_all(nina, "ada", "/help")[-2:]
    assert help_.startswith("Answer the question, or press Enter to give up.")
    assert question == "The password of ada:"
    assert type_all(nina, "/login nina")[-1] == ASKED + SEEN
    assert "Hello, nina. Type /help to see what you can do." in type_all(nina, SECRET)


def test_a_password_may_begin_with_a_slash(house: House) -> None:
    for name, password in (("nina", "/secret horse"), ("ada", "//quit now")):
        person = Terminal(house, name)
        assert type_all(person, "/register", password, password)[-1].startswith(f"The name {name} is yours now.")
        person.type("/quit")
        assert f"Hello, {name}. Type /help to see what you can do." in type_all(Terminal(house), name, password)
    Script(house).ask("login", name="ada", password="/quit now")


# Whether a terminal hides what is typed.


def test_a_question_waits_for_the_terminal_to_hide_the_answer(house: House) -> None:
    registered(house).ask("quit")
    nina = Terminal(house)
    nina.type("nina")
    assert shown(nina)[-1] == "The name nina is registered. If it is not yours, press Enter."
    house.clock.advance(0.9)
    assert nina.take() == []
    nina.transport.receive(DO_ECHO)
    assert nina.take() == [ASKED]
    house.clock.advance(1)
    assert nina.take() == []
    nina.type("")
    assert nina.transport.take() == b"\r\n\xff\xfc\x01What is your name?\r\n"
    nina.transport.receive(DONT_ECHO)
    nina.type("nina")
    shown(nina)
    nina.transport.receive(DO_ECHO)
    assert nina.take() == [ASKED]


def test_a_terminal_that_will_not_hide_or_does_not_answer_is_warned_of(house: House) -> None:
    registered(house).ask("quit")
    refusing, silent = Terminal(house), Terminal(house)
    refusing.type("nina")
    refusing.transport.receive(DONT_ECHO)
    assert shown(refusing)[-1] == ASKED + SEEN
    silent.type("nina")
    house.clock.advance(1)
    assert shown(silent)[-1] == ASKED + SEEN
    silent.type("")
    silent.type("nina")  # it was waited for in vain
    assert shown(silent)[-1] == ASKED + SEEN


def test_what_is_typed_before_the_question_is_its_answer(house: House) -> None:
    registered(house).ask("quit")
    nina = Terminal(house)
    nina.transport.receive(f"nina\r\n{SECRET}\r\nhello\r\n".encode())
    house.settle()
    lines = shown(nina)
    assert lines.index(ASKED + SEEN) < lines.index("Hello, nina. Type /help to see what you can do.")
    assert lines[-1] == "nina: hello"
    house.clock.advance(1)
    assert nina.take() == []


def test_who_hangs_up_before_the_question_leaves_nothing_behind(house: House) -> None:
    registered(house).ask("quit")
    nina = Terminal(house)
    nina.transport.receive(b"nina\r\n")
    nina.transport.end()
    house.settle()
    assert shown(nina)[-2:] == [ASKED + SEEN, "Goodbye."]
    assert not due(house)
    torn = Terminal(house)
    torn.type("nina")
    torn.transport.tear()
    assert not due(house)
    quitting = Terminal(house)
    quitting.type("nina")
    quitting.type("/quit")
    quitting.transport.end()
    assert not due(house)


# Registering under another name.


def test_who_registers_under_another_name_lands_in_the_lobby(house: House) -> None:
    guest, bob = Terminal(house, "visitor"), Script(house, "bob")
    bob.enter("lobby")
    bob.take()
    guest.enter("tea")
    told = [line for line in type_all(guest, "/register nina", SECRET, SECRET) if "/resume" not in line]
    assert told[-4:] == [
        "The name nina is yours now. To come back, type it, or /login nina.",
        "Hello, nina. Type /help to see what you can do.",
        "What is said here is logged, and shown to those who come later.",
        "You are in lobby, with bob.",
    ]
    guest.say("lobby", "hello")
    house.settle()
    assert bob.heard() == ["nina in lobby: hello"]


def test_who_registers_the_own_name_stays_where_one_is(house: House) -> None:
    guest = Terminal(house, "nina")
    guest.enter("tea")
    told = "The name Nina is yours now. To come back, type it, or /login Nina."
    assert told in type_all(guest, "/register Nina", SECRET, SECRET)
    assert type_all(guest, "/who") == ["One person is in tea: Nina (owner)."]


def test_where_guests_are_not_let_in_the_greeting_says_what_to_type(house: House) -> None:
    house.chat.policy = Policy(guests=False)
    text = "Guests are not let in here: log in to your account with /login NAME, or make one with /register NAME."
    person = Terminal(house)
    assert asked(person)[-2:] == [text, "What is your name?"]
    house.chat.policy = Policy(guests=False, registration="closed")
    assert asked(Terminal(house))[-2] == "Guests are not let in here: log in to your account with /login NAME."


def test_who_takes_another_name_is_told_by_which_to_log_in(house: House) -> None:
    registered(house).ask("quit")
    nina = Terminal(house)
    type_all(nina, f"/login nina {SECRET}")
    told = "You are called kim now. From now on you log in as kim; your old name is free for others."
    assert told in type_all(nina, "/nick kim")
    guest = Terminal(house, "guest")
    assert "You are called nina now." in type_all(guest, "/nick nina")
