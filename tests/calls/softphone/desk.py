"""A buyer's desk whose telephone tells what it hears: it answers every call, says nothing, and never hangs up."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from tollbridge.phone import sdp
from tollbridge.phone.dialogue import response_to
from tollbridge.phone.hearing import Hearing
from tollbridge.phone.media import Media
from tollbridge.phone.message import SipMessage, tag_of
from tollbridge.phone.signalling import Signalling


class Desk:
    """One call after another, on one socket."""

    def __init__(self, media: Media) -> None:
        self._media = media
        self._signalling: Signalling | None = None
        self._tag = secrets.token_hex(6)

    @classmethod
    @asynccontextmanager
    async def answering(cls, switch: tuple[str, int]) -> AsyncIterator[Desk]:
        desk = cls(await Media.open("127.0.0.1"))
        desk._signalling = await Signalling.open(("127.0.0.1", 0), switch, desk._on_message)
        try:
            yield desk
        finally:
            desk._signalling.close()
            await desk._media.stop()

    @property
    def sip_uri(self) -> str:
        assert self._signalling is not None
        host, port = self._signalling.address
        return f"sip:desk@{host}:{port}"

    @property
    def hearing(self) -> Hearing:
        return self._media.hearing

    def _on_message(self, message: SipMessage, at_ms: float) -> None:
        assert self._signalling is not None
        if message.status is not None or message.method == "ACK":
            return
        to = message.header("to")
        headers = tuple(
            (name, f"{to};tag={self._tag}" if name.lower() == "to" and not tag_of(to) else value)
            for name, value in message.headers
        )
        asked, answer = replace(message, headers=headers), b""
        if message.method == "INVITE":
            answer = sdp.describe(self._media.address, secrets.randbits(31))
            peer = sdp.media_address(message.body)
            if peer is not None:
                self._media.send_to(peer)
        self._signalling.send(response_to(asked, 200, "OK", contact=f"<{self.sip_uri}>", body=answer))
