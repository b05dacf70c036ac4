"""Telnet options agreed by the Q method (RFC 1143), which answers only changes of state: so no loop can arise."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

IAC, DONT, DO, WONT, WILL, SB, EL, EC, AYT, SE = 255, 254, 253, 252, 251, 250, 248, 247, 246, 240
# The least of the commands: SUSP, ABORT and EOR follow (RFC 1184 section 2.1, RFC 885). Ctrl-Z is sent as one.
EOF = 236

# RFC 856, 857, 858, 1091 and 1073.
BINARY, ECHO, SUPPRESS_GO_AHEAD, TERMINAL_TYPE, NAWS = 0, 1, 3, 24, 31

# What we agree to when the peer proposes it: to do ourselves, and to let the peer do. That we should suppress
# go-ahead is refused, against RFC 1123 section 3.2.2: telnet and PuTTY take our WILL for the word that each key is to
# be sent as it is typed, and leave a person without Backspace, Ctrl-U, Ctrl-C and a cursor that moves at Enter. After
# our WONT they go on editing and echoing the line themselves. No go-ahead is sent all the same: nobody waits for one.
_OURS = frozenset({BINARY})
_THEIRS = frozenset({BINARY, SUPPRESS_GO_AHEAD, TERMINAL_TYPE, NAWS})
# RFC 1700, "Terminal Type Names".
_TERMINAL_CHARACTERS = 40


class _State(Enum):
    """The states of RFC 1143 section 7; ``_OPPOSITE`` is its queue bit."""

    NO = auto()
    YES = auto()
    WANT_NO = auto()
    WANT_NO_OPPOSITE = auto()
    WANT_YES = auto()
    WANT_YES_OPPOSITE = auto()


class Side:
    """The options of one side of a connection: what is on, and what was asked for and not answered yet.

    ``yes`` and ``no`` are the words we use for this side: WILL and WONT for ours, DO and DONT for the peer's.
    """

    __slots__ = ("_agreed", "_no", "_reply", "_states", "_yes")

    def __init__(self, yes: int, no: int, agreed: frozenset[int], reply: Callable[[bytes], None]) -> None:
        self._yes = yes
        self._no = no
        self._agreed = agreed
        self._reply = reply
        # Of those options only that are, or were, on or asked for.
        self._states: dict[int, _State] = {}

    def on(self, option: int) -> bool:
        """Return whether both have agreed to the option."""
        return self._states.get(option) is _State.YES

    def pending(self, option: int) -> bool:
        """Return whether we wait for an answer about the option."""
        return self._states.get(option, _State.NO) not in (_State.NO, _State.YES)

    def request(self, option: int) -> None:
        """Ask for the option."""
        match self._states.get(option, _State.NO):
            case _State.NO:
                self._turn(option, _State.WANT_YES, self._yes)
            case _State.WANT_NO:
                self._turn(option, _State.WANT_NO_OPPOSITE)
            case _State.WANT_YES_OPPOSITE:
                self._turn(option, _State.WANT_YES)

    def withdraw(self, option: int) -> None:
        """Ask for the option's end."""
        match self._states.get(option, _State.NO):
            case _State.YES:
                self._turn(option, _State.WANT_NO, self._no)
            case _State.WANT_YES:
                self._turn(option, _State.WANT_YES_OPPOSITE)
            case _State.WANT_NO_OPPOSITE:
                self._turn(option, _State.WANT_NO)

    def receive_yes(self, option: int) -> None:
        """The peer says WILL or DO."""
        match self._states.get(option, _State.NO):
            case _State.NO if option in self._agreed:
                self._turn(option, _State.YES, self._yes)
            case _State.NO:
                self._say(self._no, option)
            case _State.WANT_NO:  # a wrong answer to our "no", which stands
                self._turn(option, _State.NO)
            case _State.WANT_NO_OPPOSITE | _State.WANT_YES:
                self._turn(option, _State.YES)
            case _State.WANT_YES_OPPOSITE:
                self._turn(option, _State.WANT_NO, self._no)

    def receive_no(self, option: int) -> None:
        """The peer says WONT or DONT, which nobody may refuse."""
        match self._states.get(option, _State.NO):
            case _State.YES:
                self._turn(option, _State.NO, self._no)
            case _State.WANT_NO_OPPOSITE:
                self._turn(option, _State.WANT_YES, self._yes)
            case _State.WANT_NO | _State.WANT_YES | _State.WANT_YES_OPPOSITE:
                self._turn(option, _State.NO)

    def _turn(self, option: int, state: _State, word: int | None = None) -> None:
        self._states[option] = state
        if word is not None:
            self._say(word, option)

    def _say(self, word: int, option: int) -> None:
        self._reply(bytes((IAC, word, option)))


class Negotiation:
    """What a peer that speaks telnet has agreed to, and what it has told about its terminal.

    ``width`` and ``height`` are in columns and lines, 0 while unknown; ``terminal`` is the type's name, in ASCII.
    ``replies`` is what is to be sent; whoever sends it empties it.
    """

    __slots__ = ("height", "ours", "replies", "terminal", "theirs", "width")

    def __init__(self) -> None:
        self.replies = bytearray()
        self.ours = Side(WILL, WONT, _OURS, self.replies.extend)
        self.theirs = Side(DO, DONT, _THEIRS, self.replies.extend)
        self.width = 0
        self.height = 0
        self.terminal = ""

    def begin(self) -> None:
        """Ask for what we want to know."""
        self.theirs.request(NAWS)
        self.theirs.request(TERMINAL_TYPE)

    def receive(self, word: int, option: int) -> None:
        """Take WILL, WONT, DO or DONT."""
        side = self.theirs if word in (WILL, WONT) else self.ours
        was_on = side.on(option)
        (side.receive_yes if word in (WILL, DO) else side.receive_no)(option)
        if side is self.theirs and side.on(option) != was_on:
            self._learned(option, on=not was_on)

    def _learned(self, option: int, *, on: bool) -> None:
        if option == TERMINAL_TYPE and on:
            self.replies += bytes((IAC, SB, TERMINAL_TYPE, 1, IAC, SE))  # SEND
        elif option == NAWS and not on:
            self.width = self.height = 0

    def receive_block(self, block: bytes) -> None:
        """Take a subnegotiation: its option, and what follows it with each IAC undoubled.

        What is of a wrong length, or about an option that wasn't agreed to, is passed over.
        """
        if not block or not self.theirs.on(block[0]):
            return
        if block[0] == NAWS and len(block) == 5:
            self.width = int.from_bytes(block[1:3], "big")
            self.height = int.from_bytes(block[3:5], "big")
        elif block[0] == TERMINAL_TYPE and block[1:2] == b"\0":  # IS
            name = block[2:].decode("ascii", "replace")
            if name.isascii() and name.isprintable() and len(name) <= _TERMINAL_CHARACTERS:
                self.terminal = name
