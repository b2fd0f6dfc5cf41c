"""One outgoing call of the test telephone: dial, talk, press, hang up, cancel, or vanish.

async with Caller.dial(Invite(switch=("127.0.0.1", 5060), dialled="+18005550100", caller="+16145550123")) as call:
    if await call.answered(10):
        await call.my_turn(15)
        await call.say(clip)
        await call.hang_up()
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from enum import Enum

from tollbridge.phone import dialogue as sip
from tollbridge.phone import sdp
from tollbridge.phone.clock import now_ms
from tollbridge.phone.dialogue import Dialogue, Invite
from tollbridge.phone.hearing import Hearing
from tollbridge.phone.media import Media, Pacing
from tollbridge.phone.message import SipMessage
from tollbridge.phone.signalling import Signalling

TICK_SECONDS = 0.02
CLOSE_SECONDS = 5.0


class CallState(Enum):
    """Where a call is. The last five are ends."""

    CALLING = "calling"
    RINGING = "ringing"
    TALKING = "talking"
    HUNG_UP = "hung_up"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    UNANSWERED = "unanswered"
    VANISHED = "vanished"


LIVE = frozenset({CallState.CALLING, CallState.RINGING, CallState.TALKING})


@dataclass(frozen=True, kw_only=True)
class CallTimes:
    """Moments by the telephone's own clock, epoch ms; None = did not happen."""

    invited_ms: float | None = None
    trying_ms: float | None = None
    ringing_ms: float | None = None
    answered_ms: float | None = None
    refused_ms: float | None = None
    cancel_sent_ms: float | None = None
    bye_sent_ms: float | None = None
    bye_received_ms: float | None = None
    vanished_ms: float | None = None

    @property
    def ended_ms(self) -> float | None:
        """The first moment at which the call was over for this telephone."""
        ends = (self.bye_sent_ms, self.bye_received_ms, self.refused_ms, self.vanished_ms)
        return min((end for end in ends if end is not None), default=None)


class Caller:
    """A live call. Made by `dial`; every wait takes seconds and returns False when they have passed."""

    def __init__(self, invite: Invite, media: Media) -> None:
        self.times = CallTimes()
        self.state = CallState.CALLING
        self.status: int | None = None
        self.reason = ""
        self.final_response: SipMessage | None = None
        self._invite = invite
        self._media = media
        self._signalling: Signalling | None = None
        self._dialogue: Dialogue | None = None
        self._answer_ack: SipMessage | None = None
        self._responded = asyncio.Event()
        self._final = asyncio.Event()
        self._over = asyncio.Event()
        self._request_done: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._my_last_ms = 0.0
        self._wants_cancel = False

    @classmethod
    @contextlib.asynccontextmanager
    async def dial(
        cls, invite: Invite, *, address: str = "127.0.0.1", port: int = 0
    ) -> AsyncIterator[Caller]:
        """Send the INVITE from `address`; on leaving, end whatever is left of the call. Raises OSError."""
        caller = cls(invite, await Media.open(address))
        try:
            await caller._open((address, port))
            yield caller
        finally:
            await caller._close()

    async def _open(self, address: tuple[str, int]) -> None:
        self._signalling = await Signalling.open(address, self._invite.switch, self._on_message)
        self._dialogue = Dialogue(
            invite=self._invite,
            local=self._signalling.address,
            call_id=secrets.token_hex(12),
            branch=_branch(),
            local_tag=secrets.token_hex(6),
        )
        offer = sdp.describe(self._media.address, secrets.randbits(31))
        request = sip.invite_request(self._dialogue, offer)
        self._note(invited_ms=now_ms())
        self._spawn(self._send_invite(request))

    async def _send_invite(self, request: SipMessage) -> None:
        assert self._signalling is not None
        if not await self._signalling.send_until(request, self._responded):
            self._end(CallState.UNANSWERED)

    # --- what a person with a telephone can do ---

    @property
    def hearing(self) -> Hearing:
        """What was heard so far."""
        return self._media.hearing

    @property
    def pacing(self) -> Pacing:
        return self._media.pacing

    @property
    def sip_call_id(self) -> str:
        return self._dialogue.call_id if self._dialogue else ""

    async def ringing(self, seconds: float) -> bool:
        """Wait until the other side rings or more."""
        return await self._until(lambda: self.times.ringing_ms is not None or self._final.is_set(), seconds)

    async def answered(self, seconds: float) -> bool:
        """Wait for the 200. False when refused, given up or not within `seconds`."""
        await self._until(lambda: self._final.is_set() or self._over.is_set(), seconds)
        return self.state is CallState.TALKING

    async def ended(self, seconds: float) -> bool:
        """Wait until the call is over, whoever ended it."""
        return await self._until(self._over.is_set, seconds)

    async def listen(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Listen until the call is over, `until` says so, or `seconds` have passed."""
        await self._until(lambda: self._over.is_set() or until(), seconds)

    async def my_turn(self, seconds: float) -> bool:
        """Wait until the other side has said something since my last word and been quiet for 600 ms."""
        await self._until(
            lambda: self._over.is_set() or self.hearing.is_my_turn(self._my_last_ms, now_ms()), seconds
        )
        return not self._over.is_set() and self.hearing.is_my_turn(self._my_last_ms, now_ms())

    async def hears_sound(self, seconds: float, *, since_ms: float = 0.0) -> bool:
        """Wait until some sound after `since_ms` (epoch) has come."""
        await self._until(
            lambda: self._over.is_set() or (self.hearing.last_sound_ms or 0) > since_ms, seconds
        )
        return (self.hearing.last_sound_ms or 0) > since_ms

    async def say(self, clip: bytes) -> float:
        """Speak mu-law audio to its end. Returns when the last of it left, epoch ms."""
        self._media.outgoing.say(clip)
        return await self._spoken()

    async def press(self, keys: str) -> float:
        """Press keys one after another. Raises ValueError for what is no key. Returns when they were sent."""
        self._media.outgoing.press(keys)
        return await self._spoken()

    async def _spoken(self) -> float:
        await self._media.drained()
        self._my_last_ms = now_ms()
        return self._my_last_ms

    async def hang_up(self) -> None:
        """End the call as a person would: BYE when talking, CANCEL before."""
        if self.state is CallState.TALKING:
            await self._bye()
        elif self.state in LIVE:
            await self.cancel()

    async def cancel(self) -> None:
        """Send CANCEL and wait for the end; a 200 that crosses it is acknowledged and followed by BYE."""
        if self.state not in (CallState.CALLING, CallState.RINGING):
            return
        assert self._dialogue is not None
        self._wants_cancel = True
        await self._until(self._responded.is_set, CLOSE_SECONDS)
        if self.state in (CallState.CALLING, CallState.RINGING):
            request = sip.cancel_request(self._dialogue)
            self._note(cancel_sent_ms=now_ms())
            self._spawn(self._request(request))
            await self.ended(CLOSE_SECONDS)

    async def vanish(self) -> None:
        """Stop RTP and signalling without a word, like a telephone that lost its network."""
        self._note(vanished_ms=now_ms())
        self._end(CallState.VANISHED)
        if self._signalling is not None:
            self._signalling.close()
        await self._media.stop()

    # --- signalling ---

    def _on_message(self, message: SipMessage, at_ms: float) -> None:
        if self._dialogue is None or not self._dialogue.owns(message):
            return
        if message.status is None:
            self._on_request(message, at_ms)
        elif message.method == "INVITE":
            self._on_invite_response(message, message.status, at_ms)
        elif message.status >= 200 and message.method in self._request_done:
            self._request_done[message.method].set()

    def _on_invite_response(self, message: SipMessage, status: int, at_ms: float) -> None:
        self._responded.set()
        if status < 200:
            self._on_provisional(message, status, at_ms)
        elif status < 300:
            self._on_answer(message, at_ms)
        else:
            self._on_refusal(message, status, at_ms)

    def _on_provisional(self, message: SipMessage, status: int, at_ms: float) -> None:
        if status == 100:
            self._note(trying_ms=self.times.trying_ms or at_ms)
            return
        self._note(ringing_ms=self.times.ringing_ms or at_ms)
        if self.state is CallState.CALLING:
            self.state = CallState.RINGING
        if message.body:
            self._start_media(message.body)

    def _on_answer(self, message: SipMessage, at_ms: float) -> None:
        assert self._dialogue is not None and self._signalling is not None
        if self._answer_ack is None:
            self._dialogue = self._dialogue.established(message)
            self._answer_ack = sip.ack_of_answer(self._dialogue, _branch(), self._dialogue.cseq)
            self._signalling.send(self._answer_ack)
            self.status, self.reason, self.final_response = 200, message.reason, message
            self._note(answered_ms=at_ms)
            self._my_last_ms = at_ms
            self.state = CallState.TALKING
            self._start_media(message.body)
            self._final.set()
            if self._wants_cancel:
                self._spawn(self._bye())
        else:
            self._signalling.send(self._answer_ack)

    def _on_refusal(self, message: SipMessage, status: int, at_ms: float) -> None:
        assert self._dialogue is not None and self._signalling is not None
        self._signalling.send(sip.ack_of_refusal(self._dialogue, message))
        if self._final.is_set():
            return
        self.status, self.reason, self.final_response = status, message.reason, message
        self._note(refused_ms=at_ms)
        self._end(CallState.CANCELLED if self._wants_cancel else CallState.REFUSED)

    def _on_request(self, request: SipMessage, at_ms: float) -> None:
        assert self._dialogue is not None and self._signalling is not None
        if request.method == "ACK":
            return
        if not self._dialogue.knows_peer(request):
            self._signalling.send(sip.response_to(request, 481, "Call/Transaction Does Not Exist"))
            return
        if request.method == "BYE":
            self._signalling.send(sip.response_to(request, 200, "OK"))
            if self.state in LIVE:
                self._note(bye_received_ms=at_ms)
                self._end(CallState.HUNG_UP)
            return
        answer = b""
        if request.method in ("INVITE", "UPDATE") and request.body:
            answer = sdp.describe(self._media.address, secrets.randbits(31))
            self._start_media(request.body)
        contact = self._dialogue.contact
        self._signalling.send(sip.response_to(request, 200, "OK", contact=contact, body=answer))

    def _start_media(self, body: bytes) -> None:
        peer = sdp.media_address(body)
        if peer is not None:
            self._media.send_to(peer)

    async def _bye(self) -> None:
        assert self._dialogue is not None
        if self.state is not CallState.TALKING:
            return
        self._dialogue = self._dialogue.next_request()
        request = sip.bye_request(self._dialogue, _branch())
        self._note(bye_sent_ms=now_ms())
        self._end(CallState.HUNG_UP)
        await self._request(request)

    async def _request(self, request: SipMessage) -> None:
        assert self._signalling is not None
        done = self._request_done.setdefault(request.method, asyncio.Event())
        await self._signalling.send_until(request, done)

    # --- ends ---

    def _note(self, **moments: float | None) -> None:
        self.times = replace(self.times, **moments)

    def _end(self, state: CallState) -> None:
        self.state = state
        self._final.set()
        self._over.set()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            if asyncio.get_running_loop().time() >= deadline:
                return False
            await asyncio.sleep(TICK_SECONDS)
        return True

    async def _close(self) -> None:
        # A switch that never said a word is not asked to end anything.
        if self._dialogue is not None and self._responded.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.hang_up(), CLOSE_SECONDS)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._media.stop()
        if self._signalling is not None:
            self._signalling.close()


def _branch() -> str:
    return f"z9hG4bK{secrets.token_hex(10)}"
