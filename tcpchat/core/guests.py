"""What a guest does at one go: take a name, enter the lobby, and speak there."""

from __future__ import annotations

from tcpchat.core.answers import Accepted
from tcpchat.core.chat import Chat
from tcpchat.core.commands import EnterAsGuest, Join, SayInLobby, SpeakAsGuest
from tcpchat.core.login import admit_guest
from tcpchat.core.membership import Arriving, join
from tcpchat.core.names import LOBBY
from tcpchat.core.requests import Append, Supply
from tcpchat.core.speech import check_text, say_in_lobby
from tcpchat.core.state import Session


def enter(chat: Chat, session: Session, command: EnterAsGuest, supply: Supply | None) -> Arriving:
    """Log in and enter the lobby, without its history; the login stands even when the lobby refuses."""
    if supply is None:
        admit_guest(chat, session, command.name, None)
    return join(chat, session, Join(LOBBY, last=0), supply)


def speak(chat: Chat, session: Session, command: SpeakAsGuest, supply: Supply | None) -> Accepted | Append:
    """Log in, enter the lobby and append to it; a text that can't be said makes nobody a guest."""
    if supply is None:
        check_text(command.text, chat.limits)
        admit_guest(chat, session, command.name, None)
    return say_in_lobby(chat, session, SayInLobby(command.text), supply)
