"""What a person types, understood by the command table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any, Literal, get_args, get_origin

import msgspec

from tcpchat.core.acts import ReadActs, SetRoom
from tcpchat.core.answers import Answer, Completions
from tcpchat.core.commands import (
    Arrive,
    Certificates,
    ChangePassword,
    ComeBack,
    Command,
    Complete,
    Enrol,
    Keys,
    May,
    NewCertificate,
    NewKey,
    NewToken,
    Recolor,
    Say,
    Tokens,
    Unregister,
)
from tcpchat.core.names import HERE
from tcpchat.core.text import clean
from tcpchat.errors import ChatError, Code
from tcpchat.wire.completion import complete, is_begun
from tcpchat.wire.dialog import Dialog, new_password
from tcpchat.wire.local import (
    AskAudit,
    AskCertificates,
    AskKeys,
    AskLogin,
    AskPassword,
    AskRegister,
    AskRoom,
    AskTokens,
    AskUnregister,
    Color,
    Help,
    Timezone,
)
from tcpchat.wire.phrases import NAME_QUESTION, Words, help_lines, no_command
from tcpchat.wire.table import WORDS, Row, nearest
from tcpchat.wire.view import Adjust, parse_offset

_DELETING = "This deletes your account for good."
_SLIP = "That looks like a command with a password, so it was not said. Type yes to say it all the same:"
_CODE_SLIP = (
    "That looks like the code of a session, which nobody else should know, so it was not said. "
    "Type yes to say it all the same:"
)
# As `tcpchat.core.tickets` makes them, and the longest line that may be nothing but one.
_CODE = re.compile(r"(?<![\w-])[a-z2-7]{4}(?:-[a-z2-7]{4}){3}(?![\w-])", re.IGNORECASE)
_CODE_CHARACTERS = 40
# What may stand before a mistyped command, and how many words it has at most; a password may be several.
_MARKS = " /\\.:!-"
_SLIP_WORDS = 4
_PHRASE_WORDS = 12
# The last two are of other chats.
_SECRETIVE = ("login", "register", "password", "unregister", "identify", "nickserv")
# With the first few sentences begin; in those that do, one of the others comes next, which are hardly anybody's name.
_TELLING = ("login", "identify", "nickserv")
_VERBS = frozenset(("is", "isn't", "was", "has", "does", "doesn't", "works", "fails", "failed", "and", "to", "with"))

_KEY_CHARACTERS = 128
# As in 30s, 10min, 2 hours.
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_TIME = re.compile(r"0*([1-9][0-9]{0,5}) ?([smhdw]|secs?|seconds?|mins?|minutes?|hours?|days?|weeks?)(?: +|$)")
_CHOICE = re.compile(r"Invalid enum value .* - at `\$\.(\w+)`")
_NUMBER = re.compile(r"[1-9][0-9]{0,14}")


def understand(line: str, *, named: bool) -> Command | Answer | Adjust | None:
    """Return what a line asks for: a command, help, or speech for the current room; None if it is empty.

    Without a name what isn't a command is one. Raises `ChatError`, which shows the right form.
    """
    if is_begun(line):
        found = complete(line)
        return found if isinstance(found, Complete) else Completions(found, False)
    # A stray control character, as Ctrl-D leaves in telnet, must not make speech of a command.
    line = clean(line)
    if not line:
        return None if named else Words((NAME_QUESTION,))
    word, _, rest = line.partition(" ")
    word = word.lower()
    if word in WORDS:
        return _keep_local(_build(WORDS[word], word, rest.strip()))
    if line.startswith("//"):
        line = line[1:]
    elif line.startswith("/"):
        shown = word[:32]
        meant = nearest(word)
        facts = {"word": shown} | ({"suggestion": meant} if meant else {})
        raise ChatError(Code.UNKNOWN_COMMAND, no_command(shown, meant), **facts)
    if not named:
        code = _bare_code(line)
        return ComeBack(code) if code else Arrive(line)
    slip = _slip(line)
    return Dialog((slip,), partial(_confirmed, line), hidden=False) if slip else Say(HERE, line)


def _keep_local(command: Command) -> Command | Answer | Adjust:
    """Return what is to be done about ``command``: what only concerns the person's own screen isn't one any more."""
    match command:
        case Help(topic):
            return Words(tuple(help_lines(topic)))
        case Timezone(offset):
            return Adjust(offset=parse_offset(offset)) if offset else Adjust()
        case Color("on" | "off" as word):
            return Adjust(colors=word == "on")
        case Color(word):
            return Recolor(None if word.lower() == "none" else word.lower())
        case AskLogin(name, password):
            return Arrive(name, password) if password is not None else password_of(name)
        case AskRegister(name, code):
            return new_password((), lambda given: Enrol(given[0], name, code), May("register", name, code))
        case AskPassword():
            return new_password(("Your password so far:",), lambda given: ChangePassword(*given), May("password"))
        case AskUnregister():
            question = f"{_DELETING} Your password:"
            return Dialog((question,), lambda given: Unregister(given[0]), check=May("unregister"))
        case AskTokens() | AskKeys() | AskCertificates():
            return _credentials(command)
        case AskRoom(setting, value):
            return _room(setting.lower(), value)
        case AskAudit(room, limit, before):
            return ReadActs({"here": HERE, "all": ""}.get(room.lower(), room), before, limit)
    return command


def password_of(name: str) -> Dialog:
    """Return the question for the password of an account."""
    return Dialog((f"The password of {name}:",), lambda given: Arrive(name, given[0]), check=May("login", name))


def _credentials(command: AskTokens | AskKeys | AskCertificates) -> Command:
    """Return the command about tokens, keys or certificates; raises ``bad-field``."""
    match command:
        case AskTokens("", ""):
            return Tokens()
        case AskTokens("create", label, days):
            return Tokens(create=NewToken(label[:64], days))
        case AskTokens("revoke", ident) if ident:
            return Tokens(revoke=ident)
        case AskKeys("", ""):
            return Keys()
        case AskKeys("add", key) if key:
            return Keys(add=NewKey(key[:1024]))
        case AskKeys("remove", ident) if ident:
            return Keys(remove=ident)
        case AskCertificates("", ""):
            return Certificates()
        case AskCertificates("add", fingerprint):
            return Certificates(add=NewCertificate(fingerprint[:128]))
        case AskCertificates("remove", ident) if ident:
            return Certificates(remove=ident)
    raise _no_action(command)


_ACTIONS = {
    AskTokens: ("/tokens", {"create": "LABEL DAYS", "revoke": "ID"}),
    AskKeys: ("/keys", {"add": "KEY", "remove": "ID"}),
    AskCertificates: ("/certificates", {"add": "FINGERPRINT", "remove": "ID"}),
}


def _no_action(command: AskTokens | AskKeys | AskCertificates) -> ChatError:
    """Return the refusal of what can't be done with tokens, keys or certificates, with what can."""
    word, actions = _ACTIONS[type(command)]
    action = command.action[:32]
    wrong = f"What to {action} is missing" if action in actions else f"There is no {word} {action}"
    forms = ", ".join(f"{word} {verb} {rest}" for verb, rest in actions.items())
    return ChatError(Code.BAD_FIELD, f"{wrong}: type {word} alone to see them, or {forms}", field="action")


def _room(setting: str, value: str) -> SetRoom:
    """Return the command that changes one setting of the current room, or asks for all."""
    if not setting:
        return SetRoom(HERE)
    field = setting.replace("-", "_")
    word = value.lower()
    match field:
        case "public" | "listed" if not word:
            return SetRoom(HERE, unlisted=False)
        case "unlisted" | "invite_only" | "moderated" | "read_only" if word in ("", "on", "off"):
            return msgspec.convert({"room": HERE, field: word != "off"}, SetRoom)
        case "slow" | "limit" if word == "off" or _NUMBER.fullmatch(word):
            try:
                return msgspec.convert({"room": HERE, field: 0 if word == "off" else int(word)}, SetRoom)
            except msgspec.ValidationError:
                raise ChatError(Code.BAD_FIELD, "That number is too large.", field=field) from None
        case "key" if value and len(value) <= _KEY_CHARACTERS:
            return SetRoom(HERE, key="" if word == "off" else value)
    usage = {
        "slow": "/room slow SECONDS, or /room slow off",
        "limit": "/room limit PEOPLE, or /room limit off",
        "key": f"/room key WORD (of {_KEY_CHARACTERS} characters at most), or /room key off",
    }.get(field, "/room unlisted, invite-only, moderated or read-only, each with on or off; or slow, limit or key")
    raise ChatError(Code.BAD_FIELD, f"A room can't be set so: type {usage}.", field=field)


def _slip(line: str) -> str:
    """Return what is asked about a line of speech with what looks like a secret in it; nothing about all others.

    That is the code of a session, or a command with a password that was mistyped.
    """
    if line.count("-") > 2 and _CODE.search(line) is not None:
        return _CODE_SLIP
    bare = line.lstrip(_MARKS)
    words = bare.lower().split()
    if not 2 <= len(words) <= _PHRASE_WORDS:
        return ""
    if words[0] == "resume" and _bare_code(line):
        return _CODE_SLIP
    if len(words) > _SLIP_WORDS and bare == line:
        return _SLIP if words[0] in _TELLING and words[1] not in _VERBS else ""
    return _SLIP if get_close_matches(words[0], _SECRETIVE, n=1, cutoff=0.8) else ""


def _bare_code(line: str) -> str:
    """Return the code of a session that is all of a line, or all but the command before it; else nothing."""
    if len(line) > _CODE_CHARACTERS:
        return ""
    bare = line.strip(_MARKS)
    word, _, rest = bare.partition(" ")
    code = rest.strip() if word.lower() == "resume" else bare
    return code if _CODE.fullmatch(code.replace(" ", "-")) else ""


def _confirmed(line: str, given: Sequence[str]) -> Command:
    if given[0].strip().lower() not in ("yes", "y"):
        raise ChatError(Code.NOT_ALLOWED, "It was not said.")
    return Say(HERE, line)


def _build(row: Row, word: str, rest: str) -> Command:
    """Return the command of ``row`` with the words of ``rest``, or raise ``bad-field`` showing the right form."""
    usage = row.usage_of(word)
    fields: dict[str, Any] = dict(row.fixed)
    for parameter in row.parameters:
        if parameter.time:
            seconds, rest = _take_time(row, usage, rest)
            if seconds is not None:
                fields[parameter.field] = seconds
            continue
        if parameter.rest:
            value, rest = rest, ""
        else:
            value, _, rest = rest.partition(" ")
            rest = rest.strip()
        if parameter.place and not value.startswith("@"):
            value, rest = "", f"{value} {rest}".strip()
        if not value:
            if parameter.optional:
                continue
            if parameter.default is None:
                raise _misused(row, f"{parameter.name} is missing", usage, parameter.field)
            value = parameter.default
        if parameter.name == "USER":  # as one calls somebody in speech; no name ends so
            value = value.rstrip(",:")
        if parameter.number and not _NUMBER.fullmatch(value):
            raise _misused(row, f"{parameter.name} is a number, 1 or more", usage, parameter.field)
        fields[parameter.field] = int(value) if parameter.number else value
    if rest:
        raise _misused(row, f"There is too much after {word}", usage, "")
    try:
        return msgspec.convert(fields, row.command)
    except msgspec.ValidationError as error:
        wanted = _CHOICE.search(str(error))
        if wanted is None:
            raise _misused(row, "That number is too large", usage, "") from None
        field = wanted[1]
        raise _misused(row, f"{fields[field]} is not {_choices(row, field)}", usage, field) from None


def _take_time(row: Row, usage: str, rest: str) -> tuple[int | None, str]:
    """Return the seconds that ``rest`` begins with, if any, and what follows; raises ``bad-field`` for half a time."""
    time = _TIME.match(rest.lower())
    if time is not None:
        return int(time[1]) * _UNITS[time[2][0]], rest[time.end() :]
    if rest[:1].isdigit():  # it would become a part of the reason, and the act last for ever
        word = rest.split()[0][:32]
        raise _misused(row, f"{word} is no time, such as 30s, 10m, 2h or 7d, and no reason begins so", usage, "seconds")
    return None, rest


def _choices(row: Row, field: str) -> str:
    """Return the words that a field can be."""
    (kind,) = [one.type for one in msgspec.structs.fields(row.command) if one.name == field]
    words = [word for part in (kind, *get_args(kind)) if get_origin(part) is Literal for word in get_args(part)]
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _misused(row: Row, complaint: str, usage: str, field: str) -> ChatError:
    example = f", for example {row.example}" if row.parameters and usage.startswith(row.words[0]) else ""
    return ChatError(Code.BAD_FIELD, f"{complaint}: type {usage}{example}", field=field)
