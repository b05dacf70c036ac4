"""One peer's dialogue with the hub: commands in their order, answers in the same order, on any transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall

from tcpchat.core.answers import Answer, Done, Goodbye, Resumed
from tcpchat.core.commands import Command, Detach, Hello, Leave, Quit
from tcpchat.core.events import Notice
from tcpchat.core.names import HERE
from tcpchat.core.requests import Supply
from tcpchat.core.state import Session
from tcpchat.errors import ChatError, Code
from tcpchat.server.outbox import Outbox
from tcpchat.server.pace import REGISTRATIONS, Pace
from tcpchat.server.services import Services
from tcpchat.server.slot import UNHEARD, Slot
from tcpchat.wire.codec import Codec, Encoder, Request

# About what it takes to say that a line is too long.
_REFUSAL_BYTES = 256
# What may be said by a peer that is behind and wait for it to read so far: 256 KiB of texts at the most.
_SAID_BEHIND = 16
# What an empty line asks for. It takes its turn, so that empty lines are no cheaper than others.
_NOTHING = Request(Done())


class Peer(Protocol):
    """The transport's side of a connection; ``address`` is where it comes from."""

    address: str

    @property
    def hung_up(self) -> bool:
        """Whether it sends nothing more: it may still read, or be gone."""

    def finish(self, last: bytes) -> None:
        """Send ``last`` and close."""

    def dismiss(self, text: str, code: Code) -> None:
        """Tell the peer why, and close."""

    def proceed(self) -> None:
        """Lines may be handed over again: the connection is no longer blocked."""


class Connection:
    """Hands a peer's lines to the hub one by one, and the answers back in their order.

    What is said is pipelined. Every other command waits until the earlier ones are committed, delivered and
    answered; while one waits or is under way the connection is ``blocked``, and the transport keeps its lines.

    A peer that doesn't read falls behind (`tcpchat.server.laggards`). Then an answer waits until the entry that it
    tells of is read, and any other command than speaking and leaving waits, with what was under way, until the peer has
    caught up: what is asked and answered always belongs to what was read.
    """

    def __init__(self, services: Services, codec: Codec, peer: Peer, outbox: Outbox, pace: Pace | None) -> None:
        self.session = Session()
        self.codec = codec
        self.services = services
        self._peer = peer
        self._outbox = outbox
        self.pace = pace
        self._slots: list[Slot] = []
        self._waiting: Request | None = None
        # Whether that has waited for its tokens already.
        self._paid = False
        self._barrier = False
        self._pause: IDelayedCall | None = None
        self._later: IDelayedCall | None = None
        # Bytes of what is accepted and not committed.
        self.uncommitted = 0
        self._held: list[bytes] | None = None
        self._ended = self._over = self._hurried = False
        # Whether the session goes on here by an answer that perhaps nobody has seen.
        self._unseen = False
        # Whether the peer has fallen behind; and what is to be done once it has caught up.
        self.behind = False
        self._postponed: tuple[Slot, Supply] | None = None
        services.publisher.attach(self.session, self)

    # What the transport's side calls.

    @property
    def blocked(self) -> bool:
        """Whether the next line must wait."""
        return self._waiting is not None or self._barrier

    @property
    def over(self) -> bool:
        """Whether the farewell is said: nothing is left to do."""
        return self._over

    @property
    def logged_in(self) -> bool:
        """Whether the session is somebody's: a person's, or the operator's."""
        return self.session.person is not None or bool(self.session.operator)

    def greet(self) -> None:
        """Send what this wire says first."""
        greeting = self.services.hub.handle(self.session, Hello())
        self._outbox.write(self.codec.greet(greeting))  # type: ignore[arg-type]

    def receive(self, line: bytes) -> bool:
        """Take one line, without its line end; False if the next one must wait. Not to be called while ``blocked``."""
        if self._ended:
            return True
        self._waiting = self.codec.feed(line, self) or _NOTHING
        self._advance()
        return self._waiting is None and not self._barrier

    def refuse(self, error: ChatError) -> None:
        """Answer what isn't a line at all, in the order of the answers."""
        self._start(Request(error))
        self._outbox.count(_REFUSAL_BYTES)  # that is taken from who doesn't read, too

    def end(self, *, torn: bool = False) -> None:
        """No more lines will come: when all is answered, log out and close; ``torn``: leave the session behind.

        Who was gone before the answer to a resume has not said goodbye to what goes on with it.
        """
        if not self._ended:
            self._ended = True
            self._forget_later()
            self.pace = None
            self._waiting = Request(Detach() if torn or self._unseen else Quit())
            self._advance()

    def hurry(self) -> None:
        """Slow the peer no more: it is going, and what it has sent is soon done, or refused if it is too much."""
        self._hurried = True
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
            self._barrier = False
        self.services.laggards.abandon(self.session)
        self._catch_up()
        self._unblock()

    def filled(self) -> None:
        """The peer doesn't read. Who is going reads no logs any more, which may be closed by now."""
        if not self._over and not self._hurried:
            self.services.laggards.note(self.session, self)

    def drained(self) -> None:
        """The peer has read what was written."""
        if self.behind:
            self.services.laggards.serve(self.session)
        self._unblock()

    def notify(self, text: str, code: Code | None = None) -> bytes:
        """Return a word from the server, as this wire says it."""
        notice = Notice(text, code.value) if code else Notice(text)
        return self.codec.encoder(current=True).encode((notice,))

    # What the publisher calls, and who looks after those that fell behind.

    def encoder(self, *, current: bool) -> Encoder:
        """Return how this connection's wire encodes a room's events."""
        return self.codec.encoder(current=current)

    @property
    def writable(self) -> bool:
        """Whether the peer takes more just now."""
        return self._held is None and not self._outbox.clogged

    @property
    def unsent(self) -> int:
        """How many bytes the peer has yet to take."""
        return self._outbox.unsent

    @property
    def arrived(self) -> bool:
        """Whether everything written has surely arrived on the peer's machine."""
        return self._held is None and self._outbox.arrived

    def deliver(self, data: bytes) -> None:
        """Send encoded events, or answers."""
        if self._held is None:
            self._outbox.write(data)
        else:
            self._held.append(data)

    def address(self, data: bytes) -> None:
        """Send what is for this peer alone and in no log: only so much of it may wait for a peer that doesn't read."""
        self.deliver(data)
        self._outbox.count(len(data))

    def fell_behind(self) -> None:
        """What happens is read from the logs from here on."""
        self.behind = True

    def go_back(self) -> None:
        """The session goes on from another connection: what it has missed is read from the logs first."""
        self.services.laggards.begin(self.session, self)

    def read_on(self) -> None:
        """The peer has read on in the logs: the answers to what is read may go."""
        self._answer()
        if self._waiting is not None:
            self._unblock()

    def caught_up(self) -> None:
        """The peer is told what happens again: what has waited may be done."""
        self._catch_up()
        self._unblock()

    def dismiss(self, text: str, code: Code) -> None:
        """Tell the peer why, and close."""
        self._peer.dismiss(text, code)

    # What the codec calls.

    @property
    def name(self) -> str:
        """What the person is called by now; empty without a login."""
        return self.session.person.name if self.session.person is not None else ""

    def answer(self, data: bytes) -> None:
        """Send what the codec has to say at once, such as telnet's answers: they belong to no line."""
        self.address(data)

    def later(self, seconds: float, say: Callable[[], None]) -> None:
        """Let the codec say something after so many seconds, if the connection lasts."""
        self._forget_later()
        if not self._ended:
            self._later = self.services.clock.callLater(seconds, say)

    def reformat(self) -> None:
        """Let the publisher encode for this reader as the codec says by now."""
        self.services.publisher.resort(self.session)

    # What the commits call.

    def hold(self) -> None:
        """Gather what is sent until `release`: the events of a batch and the answers to it are one write."""
        if self._held is None:
            self._held = []

    def release(self) -> None:
        """Send what was gathered."""
        try:
            self._answer()
        finally:
            held, self._held = self._held, None
            if held:
                self._outbox.write(b"".join(held))
        if self.behind:
            self.services.laggards.serve(self.session)
        if self._waiting is not None:
            self._unblock()

    # What the slots call.

    @property
    def peer_address(self) -> str:
        """Where the peer is."""
        return self._peer.address

    def settled(self, slot: Slot) -> None:
        """See to an answer, at once, unless more of a batch's answers come: then with them."""
        if slot.pipelined and self._held is not None:
            return
        if slot.pipelined:
            self._answer()
        else:
            self._barrier = False
            self._answer_measured(slot)
        if not slot.pipelined or self._waiting is not None:
            self._unblock()

    def postpone(self, slot: Slot, supply: Supply) -> None:
        """Go on with a slot once the peer has caught up: no more than one waits for that, as all behind it do."""
        self._postponed = slot, supply

    # One order.

    def _advance(self) -> None:
        """Start the waiting request if its turn has come."""
        request = self._waiting
        if request is None or self._barrier:
            return
        if (self._slots or self.behind or self._outbox.clogged) and self._must_wait(request):
            return
        pace = self.pace
        if pace is not None:
            if not self._paid and (delay := pace.charge(request.asks, self.session.person, self._hurried)) is not None:
                self._pause = self.services.clock.callLater(delay, self._resume)
                self._barrier = self._paid = True
                return
            self._paid = False
            if pace.refusal is not None:
                refusal, pace.refusal, self._waiting = pace.refusal, None, None
                if "rule" in refusal.facts:
                    self.session.refusal = refusal
                self._settle_at_once(request, refusal)
                return
        self._waiting = None
        self._start(request)

    def _must_wait(self, request: Request) -> bool:
        if self._outbox.clogged and not isinstance(request.asks, Quit):
            return True  # who doesn't read its answers gets no more of them
        speaks = isinstance(request.asks, Command) and request.asks.pipelined
        if self.behind and not _leaves(request):
            return not speaks or len(self._slots) >= _SAID_BEHIND
        if not self._slots:
            return False
        if isinstance(request.asks, Command) and not speaks:
            return True
        limits = self.services.limits
        return len(self._slots) >= limits.pipelined_requests or self.uncommitted > limits.uncommitted_connection_bytes

    def _resume(self) -> None:
        """The pause for a too fast peer is over."""
        self._pause = None
        self._barrier = False
        self._unblock()

    def _unblock(self) -> None:
        self._advance()
        if not self.blocked and not self._over:
            self._peer.proceed()

    def _start(self, request: Request) -> None:
        asks = request.asks
        if isinstance(asks, Command):
            pipelined = asks.pipelined
            slot = Slot(self, request, pipelined)
            self._slots.append(slot)
            self._barrier = not pipelined
            slot.step(asks)
        else:
            self._settle_at_once(request, asks)

    def _settle_at_once(self, request: Request, answer: Answer | ChatError) -> None:
        """Answer what the hub isn't asked, in its turn."""
        slot = Slot(self, request, True, 0, answer)
        self._slots.append(slot)
        self.settled(slot)

    def _answer(self) -> None:
        """Send all the answers whose turn has come."""
        slots = self._slots
        replies: list[bytes] = []
        while slots and (answer := slots[0].answer) is not None and not (self.behind and self._is_ahead(slots[0])):
            request = slots.pop(0).request
            if answer is not UNHEARD and (reply := self.codec.reply(request, answer)):
                replies.append(reply)
            # A failed farewell is one all the same: nobody may stay behind as a ghost.
            if isinstance(answer, Goodbye) or isinstance(request.asks, Quit):
                self._farewell(b"".join(replies))
                return
        if replies:
            self.deliver(b"".join(replies))

    def _answer_measured(self, slot: Slot) -> None:
        """Send an answer that had to be waited for, at its author's expense."""
        if isinstance(slot.answer, Resumed):
            self._unseen = self._peer.hung_up
        pace = self.pace
        if pace is None:
            self._answer()
            return
        # One that was made counts, even if its owner was not let in after that.
        if type(slot.request.asks) in REGISTRATIONS and not slot.registered:
            pace.give_back_registration()
        charge = pace.measure(self.session.person)
        self._answer()
        charge()

    def _is_ahead(self, slot: Slot) -> bool:
        """Return whether an answer tells of an entry that the peer has yet to read."""
        return slot.entry is not None and not self.services.laggards.has_read(self.session, *slot.entry)

    def _catch_up(self) -> None:
        """Do what has waited for the peer to read on."""
        if not self.behind:
            return
        self.behind = False
        postponed, self._postponed = self._postponed, None
        if postponed is not None:
            slot, supply = postponed
            slot.go_on(supply)
        self._answer()

    def _farewell(self, last: bytes) -> None:
        self._ended = self._over = True
        self._forget_later()
        self.services.laggards.abandon(self.session)
        self.services.publisher.detach(self.session)
        held, self._held = self._held, None
        self._peer.finish(b"".join([*(held or ()), last]))

    def _forget_later(self) -> None:
        if self._later is not None and self._later.active():
            self._later.cancel()
        self._later = None


def _leaves(request: Request) -> bool:
    """Return whether a request asks for less to read: who can't keep up with a room must be able to leave it.

    The room must be named: the current one may be another than the peer has read.
    """
    asks = request.asks
    return isinstance(asks, Quit) or (isinstance(asks, Leave) and asks.room != HERE)
