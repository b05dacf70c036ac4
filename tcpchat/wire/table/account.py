"""Accounts, and what proves them."""

from __future__ import annotations

from tcpchat.core import commands
from tcpchat.wire import local
from tcpchat.wire.table.row import Parameter, Row

GROUP = "Your account"

ROWS = (
    Row(
        commands.Login,
        GROUP,
        "Log in as a guest, or with one proof to an account; a token needs no name.",
        op="login",
        data="name?, color?; one of password?, token?, signature? (base64), certificate? (true); reads?",
        reply="user, rooms; of an account following: [{room, unread, mentions}], directs: [{with, room, unread}], "
        "more_directs?, session?",
    ),
    Row(
        local.AskLogin,
        GROUP,
        "Log in to an account; its password is asked for if you don't give it.",
        words=("/login",),
        parameters=(Parameter("NAME", "name"), Parameter("PASSWORD", "password", rest=True, optional=True)),
        example="/login nina",
    ),
    Row(
        commands.Resume,
        GROUP,
        "Go on with a session whose connection broke, by its code; what you have missed follows.",
        op="resume",
        data="session, cursors? ({room: seq, or {seq, epoch?}})",
        reply="user, session, rooms: [{room, topic, head, epoch, after, people}], lost: [{room, code, message}], "
        "current?",
    ),
    Row(
        commands.ComeBack,
        GROUP,
        "Go on where the screen stopped when your connection broke, by the code that was shown when you came, if any.",
        words=("/resume",),
        parameters=(Parameter("CODE", "session", rest=True),),
        example="/resume kx3m-7pqa-b2zw-ymth",
    ),
    Row(
        commands.Logout,
        GROUP,
        "Log out and stay connected.",
        op="logout",
        words=("/logout",),
        example="/logout",
    ),
    Row(
        commands.Register,
        GROUP,
        "Make an account of the guest you are, or of a free name: the name is yours from then on.",
        op="register",
        data="password, name?, code?, reads?",
        reply="user, session?",
    ),
    Row(
        local.AskRegister,
        GROUP,
        "Make an account, of the guest you are unless you give a name; you are asked for a password.",
        words=("/register",),
        parameters=(Parameter("NAME", "name", optional=True), Parameter("CODE", "code", optional=True)),
        example="/register nina",
    ),
    Row(
        commands.ChangePassword,
        GROUP,
        "Take another password; who logged in with the old one elsewhere is logged out.",
        op="password",
        data="old, new",
    ),
    Row(
        local.AskPassword,
        GROUP,
        "Take another password; who logged in with the old one elsewhere is logged out.",
        words=("/password",),
        example="/password",
    ),
    Row(
        commands.Unregister,
        GROUP,
        "Delete your account, and log out; its name is kept from others for 90 days.",
        op="unregister",
        data="password",
    ),
    Row(
        local.AskUnregister,
        GROUP,
        "Delete your account, and log out; its name is kept from others for 90 days.",
        words=("/unregister",),
        example="/unregister",
    ),
    Row(
        commands.Tokens,
        GROUP,
        "List your tokens, with which programs log in; make one, or revoke one.",
        op="tokens",
        data="create? ({label?, expires? in days}) or revoke? (an id), user? (for the operator)",
        reply="credentials: [{id, label, created, expires?, used?}], token?",
    ),
    Row(
        local.AskTokens,
        GROUP,
        "List your tokens, with which programs log in; or create LABEL DAYS, or revoke ID.",
        words=("/tokens",),
        parameters=(
            Parameter("ACTION", "action", default=""),
            Parameter("LABEL", "argument", default=""),
            Parameter("DAYS", "days", number=True, optional=True),
        ),
        example="/tokens create backup 365",
    ),
    Row(
        commands.Keys,
        GROUP,
        "List the Ed25519 keys with which you can log in; add one, or remove one.",
        op="keys",
        data="add? ({key, label?}) or remove? (an id)",
        reply="credentials: [{id, label, created, used?}]",
    ),
    Row(
        local.AskKeys,
        GROUP,
        "List the Ed25519 keys with which programs can log in for you; or add a line of OpenSSH's, or remove ID.",
        words=("/keys",),
        parameters=(Parameter("ACTION", "action", default=""), Parameter("KEY", "argument", default="", rest=True)),
        example="/keys remove 1f0c",
    ),
    Row(
        commands.Certificates,
        GROUP,
        "List the TLS client certificates with which you can log in; add one, or remove one.",
        op="certificates",
        data="add? ({fingerprint?, label?}) or remove? (an id)",
        reply="credentials: [{id, label, created, used?}]",
    ),
    Row(
        local.AskCertificates,
        GROUP,
        "List the TLS client certificates with which programs can log in for you; or add the one of this connection "
        "or a FINGERPRINT, or remove ID.",
        words=("/certificates",),
        parameters=(
            Parameter("ACTION", "action", default=""),
            Parameter("FINGERPRINT", "argument", default="", rest=True),
        ),
        example="/certificates add",
    ),
    Row(
        commands.AskChallenge,
        GROUP,
        "Ask for what is to be signed with a key, and for a name as its account spells it.",
        op="challenge",
        data="name?",
        reply="nonce, server, bound, name",
    ),
    Row(
        commands.May,
        GROUP,
        "Ask whether you may do what takes a password, before you ask a person for one.",
        op="may",
        data="what (login, register, password or unregister), name?, code?",
        reply="name",
    ),
)
