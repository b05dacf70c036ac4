"""Accounts in the line client: registering, logging in, and what a pipe does about them."""

from __future__ import annotations

import pytest

from tcpchat.core.chat import Policy
from tests.client.guest import Guest
from tests.house import COMMON, House, Script

SECRET = "correct horse"
NEW, SAME = "A new password:", "The same once more:"
HELLO = "Hello, tina. Type /help to see what you can do."


@pytest.fixture
def bob(house: House) -> Script:
    """Somebody in the lobby, who hears what is said there."""
    bob = Script(house, "bob")
    bob.enter("lobby")
    return bob


def arrive(house: House, name: str = "visitor", *, interactive: bool = True) -> Guest:
    guest = Guest(house.clock, name, interactive=interactive)
    guest.connect(house)
    guest.take()
    return guest


def enrol(house: House, name: str = "tina") -> None:
    """Make an account, and go."""
    person = Script(house, name)
    person.ask("register", password=SECRET)
    person.ask("quit")


def type_all(guest: Guest, house: House, *lines: str) -> list[str]:
    for line in lines:
        guest.type(line)
        guest.pump(house)
    return guest.take()


def test_who_may_not_be_a_guest_registers_before_anything_else(house: House) -> None:
    house.chat.policy = Policy(guests=False, registration="invitation", invitations=frozenset({"sesame"}))
    guest = Guest(house.clock, None)
    assert guest.take() == ["What is your name?"]
    guest.type("/register tina sesame", COMMON, COMMON)
    assert guest.screen.lines[-2:] == [NEW, SAME]
    guest.connect(house)
    assert guest.take()[-2:] == [
        "That password is one of the first that anybody tries. Try again, or press Enter.",
        NEW,
    ]
    guest.type(SECRET, SECRET)
    guest.connect(house)
    lines = guest.take()
    assert "The name tina is yours now. To come back, type it, or /login tina." in lines
    assert HELLO in lines
    guest.lose()
    guest.take()
    guest.connect(house)
    assert guest.take()[0] == "You are connected again."


def test_what_needs_no_password_is_refused_before_one_is_asked_for(house: House) -> None:
    house.chat.policy = Policy(registration="closed")
    guest = arrive(house)
    assert type_all(guest, house, "/register")[0].startswith("Nobody can register here")
    assert type_all(guest, house, "/password") == ["You are a guest: register first."]
    assert not guest.screen.hidden
    assert guest.screen.reading


def test_a_password_that_will_not_do_is_asked_for_again_and_never_said(house: House, bob: Script) -> None:
    guest = arrive(house)
    guest.type("/register")
    assert not guest.screen.reading
    guest.pump(house)
    assert guest.screen.reading
    assert type_all(guest, house, "short")[-1] == NEW
    type_all(guest, house, COMMON)
    guest.type(COMMON)
    assert not guest.screen.reading
    guest.pump(house)
    assert guest.screen.reading
    assert guest.take()[-1] == NEW
    assert guest.screen.hidden
    assert type_all(guest, house, SECRET, "other", SECRET, SECRET)[-1].startswith("The name visitor is yours now.")
    assert type_all(guest, house, "/password", "wrong horse", SECRET, SECRET)[-2:] == [
        "That is not your password. Try again, or press Enter.",
        "Your password so far:",
    ]
    type_all(guest, house, "")
    assert bob.heard() == []


def test_a_wrong_password_before_the_login_is_asked_for_until_an_empty_line(house: House, bob: Script) -> None:
    enrol(house)
    bob.take()
    guest = Guest(house.clock, "tina")
    guest.connect(house)
    for _ in range(5):
        guest.type("wrong horse")
        guest.connect(house)
        assert guest.take()[-1] == "The password of tina:"
    guest.type("")
    assert guest.take() == ["What is your name?"]
    assert bob.saw() == []


def test_a_guest_logs_in_on_the_same_connection_and_stays_one_when_that_fails(house: House) -> None:
    enrol(house)
    guest = arrive(house)
    assert type_all(guest, house, "/login tina", "wrong horse")[-1] == "The password of tina:"
    assert type_all(guest, house, "/login")[-1] == "The password of tina:"
    assert type_all(guest, house, "", "/join tea", "/whois visitor")[-1].startswith("visitor is a guest")
    assert HELLO in type_all(guest, house, "/login tina", SECRET)
    assert type_all(guest, house, "/login bob")[-1] == "You are logged in as tina already. Type /logout first."
    guest.lose()
    guest.take()
    guest.connect(house)
    assert guest.take()[0] == "You are connected again."
    assert type_all(guest, house, "/whois tina")[-1].endswith("in lobby.")


def test_who_registers_under_another_name_is_in_the_rooms_again(house: House, bob: Script) -> None:
    guest = arrive(house)
    lines = type_all(guest, house, "/register tina", SECRET, SECRET)
    assert "The name tina is yours now. To come back, type it, or /login tina." in lines
    assert "You are in lobby, with bob." in lines
    type_all(guest, house, "hello")
    assert bob.heard() == ["tina in lobby: hello"]


def test_who_deletes_the_account_is_nobody_and_is_not_called_again(house: House) -> None:
    enrol(house)
    guest = arrive(house)
    type_all(guest, house, f"/login tina {SECRET}")
    assert type_all(guest, house, "/unregister", SECRET)[-2:] == [
        "Your account is deleted, and you are logged out.",
        "What is your name?",
    ]
    assert not guest.calling


def test_what_is_revoked_is_not_tried_again(house: House) -> None:
    enrol(house)
    guest, other = arrive(house), Script(house)
    type_all(guest, house, f"/login tina {SECRET}")
    other.ask("login", name="tina", password=SECRET)
    other.ask("password", old=SECRET, new="battery staple")
    guest.pump(house)
    assert guest.take()[-2:] == [
        "Your password was changed elsewhere: log in again with the new one.",
        "What is your name?",
    ]
    assert not guest.calling


# In a pipe.


def test_a_pipe_logs_in_and_says_the_rest_as_the_account(house: House, bob: Script) -> None:
    enrol(house)
    pipe = arrive(house, interactive=False)
    type_all(pipe, house, "one", f"/login tina {SECRET}", "two")
    pipe.shell.end()
    pipe.pump(house)
    assert bob.heard() == ["visitor in lobby: one", "tina in lobby: two"]
    assert (pipe.statuses, pipe.screen.complaints) == ([0], [])


def test_a_pipe_says_no_password_that_is_too_short(house: House, bob: Script) -> None:
    pipe = arrive(house, interactive=False)
    type_all(pipe, house, "/register", "short", "short")
    assert bob.heard() == []
    assert pipe.screen.complaints == ["Line 3: That password is too short."]


def test_a_pipe_that_begins_with_a_login_is_nobody_else_before(house: House, bob: Script) -> None:
    enrol(house)
    house.chat.policy = Policy(guests=False)
    bob.take()
    pipe = Guest(house.clock, "root", interactive=False, unasked=True)
    assert not pipe.calling
    pipe.type(f"/login tina {SECRET}")
    assert pipe.calling
    assert not pipe.screen.reading
    pipe.connect(house)
    assert pipe.screen.reading
    type_all(pipe, house, "one")
    pipe.shell.end()
    pipe.pump(house)
    assert bob.heard() == ["tina in lobby: one"]
    assert (pipe.statuses, pipe.screen.complaints) == ([0], [])


@pytest.mark.parametrize("lines", [["one", "two"], ["/me waves"], ["/login"], []])
def test_a_pipe_that_begins_with_anything_else_has_the_name_of_its_user(
    house: House, bob: Script, lines: list[str]
) -> None:
    pipe = Guest(house.clock, "ulla", interactive=False, unasked=True)
    bob.take()
    if lines:
        pipe.type(lines[0])
    else:
        pipe.shell.end()
    pipe.connect(house)
    if lines:
        assert pipe.screen.reading
        type_all(pipe, house, *lines[1:])
        pipe.shell.end()
        pipe.pump(house)
    assert bob.saw()[0] == "ulla joined lobby"
    assert pipe.statuses == [int(lines == ["/login"])]


def test_a_pipe_that_says_nothing_listens_under_the_name_of_its_user(house: House, bob: Script) -> None:
    pipe = Guest(house.clock, "ulla", interactive=False, verbose=True, unasked=True)
    house.clock.advance(1.9)
    assert not pipe.calling
    house.clock.advance(0.2)
    assert pipe.calling
    pipe.connect(house)
    bob.say("lobby", "hello")
    pipe.pump(house)
    assert "bob: hello" in pipe.take()


def test_a_pipe_whose_user_has_no_name_here_is_told_of_no_line(house: House) -> None:
    enrol(house)
    pipe = Guest(house.clock, "tina", interactive=False, unasked=True)
    pipe.type("one")
    pipe.connect(house)
    assert pipe.screen.complaints[0].startswith("The name tina is registered")
    assert pipe.statuses == [1]


def test_a_pipe_that_can_not_log_in_says_nothing_more(house: House) -> None:
    enrol(house)
    pipe = arrive(house, interactive=False)
    type_all(pipe, house, "/login tina wrong horse")
    assert pipe.screen.complaints == ["Line 1: That name and what proves it don't belong together."]
    assert pipe.statuses == [1]


def test_an_input_that_ends_with_a_login_waits_for_it(house: House) -> None:
    enrol(house)
    pipe = arrive(house, interactive=False)
    pipe.type(f"/login tina {SECRET}")
    pipe.shell.end()
    assert pipe.statuses == []
    pipe.pump(house)
    assert (pipe.statuses, pipe.screen.complaints) == ([0], [])


def test_a_pipe_can_not_log_out(house: House) -> None:
    pipe = arrive(house, interactive=False)
    type_all(pipe, house, "/logout")
    assert pipe.screen.complaints == ["Line 1: A pipe can't log out and go on: it ends with /quit, or with its input."]
    assert pipe.statuses == []


def test_a_pipe_prints_its_new_token(house: House) -> None:
    enrol(house)
    pipe = arrive(house, interactive=False)
    assert type_all(pipe, house, f"/login tina {SECRET}", "/tokens create backup") == [
        "The new token, shown this once: tcpchat_token"
    ]


def test_a_question_that_a_pipe_leaves_open_is_no_success(house: House) -> None:
    pipe = arrive(house, interactive=False)
    pipe.type("/register")
    pipe.shell.end()
    pipe.pump(house)
    assert pipe.screen.complaints == [f"The input ended before this was answered: {NEW}"]
    assert pipe.statuses == [1]


def test_a_pipe_under_a_registered_name_is_told_of_tokens(house: House) -> None:
    enrol(house)
    pipe = Guest(house.clock, "tina", interactive=False)
    pipe.connect(house)
    assert pipe.screen.complaints[0].endswith(
        "To log in to it, put a token of it into the environment variable TCPCHAT_TOKEN."
    )


def test_a_name_that_is_not_the_token_s_is_refused(house: House) -> None:
    owner = Script(house, "tina")
    owner.ask("register", password=SECRET)
    owner.ask("tokens", create={})
    pipe = Guest(house.clock, "bob", interactive=False, token="tcpchat_token")
    pipe.connect(house)
    assert pipe.statuses == [1]
    for name in ("Tina", None):
        pipe = Guest(house.clock, name, interactive=False, token="tcpchat_token")
        pipe.connect(house)
        assert (pipe.statuses, pipe.screen.complaints) == ([], [])


def lose_an_answer(house: House, guest: Guest, *, arrived: bool) -> None:
    """Let the connection break after something was sent, before or after the server has it."""
    if arrived:
        assert guest.server is not None
        guest.server.receive(guest.wire.sent)
        house.settle()
    guest.lose()


@pytest.mark.parametrize("arrived", [True, False])
def test_an_account_sends_again_what_it_is_unsure_of_and_says_it_once(
    house: House, bob: Script, *, arrived: bool
) -> None:
    enrol(house)
    guest = Guest(house.clock)
    guest.connect(house)
    guest.type(SECRET)
    guest.connect(house)
    bob.take()
    guest.type("one", "/msg bob two", "/me waves")
    lose_an_answer(house, guest, arrived=arrived)
    assert not [line for line in guest.take() if "not known" in line]
    guest.connect(house)
    assert sorted(bob.heard()) == ["* tina waves in lobby", "tina in lobby: one", "tina to bob: two"]
    lines = guest.take()
    assert [sum(line.startswith(said) for line in lines) for said in ("tina: one", "* tina waves")] == [1, 1]
    guest.type("three")
    guest.pump(house)
    assert bob.heard() == ["tina in lobby: three"]


def test_what_an_account_was_unsure_of_is_told_when_it_can_t_be_sent_again(house: House, bob: Script) -> None:
    enrol(house)
    guest = Guest(house.clock)
    guest.connect(house)
    guest.type(SECRET)
    guest.connect(house)
    guest.type("one")
    lose_an_answer(house, guest, arrived=False)
    house.clock.advance(house.chat.limits.resume_account_days * 86_400)
    house.hub.tick()
    house.store.credentials.clear()
    guest.take()
    guest.connect(house)
    assert "It is not known whether this was sent: one" in guest.take()
    guest.type("visitor")
    guest.connect(house)
    assert bob.heard() == []


def test_who_goes_without_a_connection_is_told_what_is_unknown(house: House) -> None:
    enrol(house)
    guest = Guest(house.clock)
    guest.connect(house)
    guest.type(SECRET)
    guest.connect(house)
    guest.type("one")
    lose_an_answer(house, guest, arrived=True)
    guest.take()
    guest.type("/quit")
    assert guest.take() == ["It is not known whether this was sent: one"]


def test_a_guest_sends_nothing_again(house: House, bob: Script) -> None:
    guest = arrive(house)
    bob.take()
    guest.type("one")
    lose_an_answer(house, guest, arrived=True)
    assert "It is not known whether this was sent: one" in guest.take()
    guest.connect(house)
    assert bob.heard() == ["visitor in lobby: one"]
