"""A telephone's RTP socket: sends one packet every 20 ms, hears what comes."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import cast

from tollbridge.phone.clock import now_ms
from tollbridge.phone.hearing import Hearing
from tollbridge.phone.rtp import PACKET_MS, Outgoing, unpack
from tollbridge.phone.sdp import PCMU, TELEPHONE_EVENT

PACING_HISTORY = 50 * 60
_LATE_SECONDS = 0.2


@dataclass(kw_only=True)
class Pacing:
    """How exactly packets left: moments of sending, epoch ms, the newest `PACING_HISTORY` of them."""

    sent_ms: list[float] = field(default_factory=list)

    def note(self, at_ms: float) -> None:
        if len(self.sent_ms) < PACING_HISTORY:
            self.sent_ms.append(at_ms)

    def deviations_ms(self) -> list[float]:
        """Return by how much each gap between two packets differed from 20 ms."""
        return [
            later - earlier - PACKET_MS
            for earlier, later in zip(self.sent_ms, self.sent_ms[1:], strict=False)
        ]


class Media(asyncio.DatagramProtocol):
    """One audio stream. `open` binds, `start` begins to send, `stop` ends both ways."""

    def __init__(self) -> None:
        self.hearing = Hearing()
        self.pacing = Pacing()
        self.outgoing = Outgoing(
            random.getrandbits(32), sequence=random.getrandbits(15), timestamp=random.getrandbits(31)
        )
        self.keys_heard: list[int] = []
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: tuple[str, int] | None = None
        self._sending: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, address: str) -> Media:
        """Bind a free port on `address`. Raises OSError."""
        loop = asyncio.get_running_loop()
        _, media = await loop.create_datagram_endpoint(cls, local_addr=(address, 0))
        return media

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
        packet = unpack(data)
        if packet is None:
            return
        if packet.payload_type == PCMU:
            self.hearing.add(packet.payload, at_ms)
        elif packet.payload_type == TELEPHONE_EVENT and packet.marker and packet.payload:
            self.keys_heard.append(packet.payload[0])

    def send_to(self, peer: tuple[str, int]) -> None:
        """Send to `peer` from now on; begins the stream at the first call."""
        self._peer = peer
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), name="rtp")

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while self._transport is not None and not self._transport.is_closing():
            for datagram in self.outgoing.tick():
                self._transport.sendto(datagram, self._peer)
            self.pacing.note(now_ms())
            due += PACKET_MS / 1000
            if loop.time() - due > _LATE_SECONDS:
                due = loop.time()
            await asyncio.sleep(due - loop.time())

    async def drained(self) -> None:
        """Wait until all that was queued has been sent."""
        # The pacing task is the clock of all this: looking once a packet is exact enough.
        while self.outgoing.busy and self._sending is not None and not self._sending.done():  # noqa: ASYNC110
            await asyncio.sleep(PACKET_MS / 1000)

    async def stop(self) -> None:
        """Stop sending and close the socket. Safe to call again."""
        if self._sending is not None:
            self._sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sending
        if self._transport is not None:
            self._transport.close()
