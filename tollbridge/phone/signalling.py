"""A telephone's SIP socket and the retransmission of its requests (RFC 3261, 17.1, over UDP)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import cast

from tollbridge.phone.clock import now_ms
from tollbridge.phone.message import SipMessage, build, parse

T1_SECONDS = 0.5
T2_SECONDS = 4.0
GIVE_UP_SECONDS = 64 * T1_SECONDS


def retransmission_waits(*, invite: bool) -> Iterator[float]:
    """Yield the waits between sendings of one request until it is given up (timers A/B and E/F)."""
    wait, waited = T1_SECONDS, 0.0
    while waited < GIVE_UP_SECONDS:
        step = min(wait, GIVE_UP_SECONDS - waited)
        yield step
        waited += step
        wait = wait * 2 if invite else min(wait * 2, T2_SECONDS)


class Signalling(asyncio.DatagramProtocol):
    """One SIP socket. Hands every message and its arrival (epoch ms) to `on_message`."""

    def __init__(self, on_message: Callable[[SipMessage, float], None]) -> None:
        self._on_message = on_message
        self._transport: asyncio.DatagramTransport | None = None
        self.switch: tuple[str, int] | None = None

    @classmethod
    async def open(
        cls,
        address: tuple[str, int],
        switch: tuple[str, int],
        on_message: Callable[[SipMessage, float], None],
    ) -> Signalling:
        """Bind `address` (port 0 = any free one). Raises OSError."""
        loop = asyncio.get_running_loop()
        _, signalling = await loop.create_datagram_endpoint(lambda: cls(on_message), local_addr=address)
        signalling.switch = switch
        return signalling

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own datagram transport is no subclass of DatagramTransport in Python 3.11.
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def address(self) -> tuple[str, int]:
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")[:2]
        return host, port

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        at_ms = now_ms()
        message = parse(data)
        if message is not None:
            self._on_message(message, at_ms)

    def send(self, message: SipMessage) -> float:
        """Send once. Returns when, epoch ms; a closed socket sends nothing."""
        at_ms = now_ms()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(build(message), self.switch)
        return at_ms

    async def send_until(self, message: SipMessage, done: asyncio.Event) -> bool:
        """Send a request again and again until `done` is set. Returns False when it was given up."""
        for wait in retransmission_waits(invite=message.method == "INVITE"):
            self.send(message)
            try:
                await asyncio.wait_for(done.wait(), wait)
            except TimeoutError:
                continue
            return True
        return False

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
