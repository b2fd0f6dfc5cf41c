"""A carrier's registrar on an address of the loopback: asks for a password, remembers who is where, answers OPTIONS."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from tollbridge.phone.message import SipMessage, build, parse, tag_of, uri_of

REALM = "carrier.example"
_COPIED = ("via", "from", "call-id", "cseq")
_DIGEST = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


@dataclass(kw_only=True)
class Registrar(asyncio.DatagramProtocol):
    """Takes whoever knows the password, for `expires_seconds` at a time; `refuses` everybody with that status."""

    username: str
    password: str
    expires_seconds: int = 11
    refuses: tuple[int, str] | None = None
    contact: str = ""
    """Where the one who registered wants its calls; empty while nobody is registered."""
    seen: list[str] = field(default_factory=list)
    """What was answered so far, one word a request."""
    _nonce: str = field(default_factory=lambda: secrets.token_hex(8))
    _transport: asyncio.DatagramTransport | None = None

    @classmethod
    @asynccontextmanager
    async def listening(
        cls, address: str, *, username: str, password: str, port: int = 0
    ) -> AsyncIterator[Registrar]:
        registrar = cls(username=username, password=password)
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: registrar, local_addr=(address, port))
        try:
            yield registrar
        finally:
            registrar.vanish()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def address(self) -> tuple[str, int]:
        assert self._transport is not None
        return cast("tuple[str, int]", self._transport.get_extra_info("sockname")[:2])

    def vanish(self) -> None:
        """Say nothing from now on."""
        if self._transport is not None:
            self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = parse(data)
        if request is None or request.status is not None or self._transport is None:
            return
        answer = self._register(request) if request.method == "REGISTER" else _answer(request, 200, "OK")
        self.seen.append(f"{request.method} {answer.status}")
        self._transport.sendto(build(answer), addr)

    def _register(self, request: SipMessage) -> SipMessage:
        if not self._is_right(request):
            challenge = f'Digest realm="{REALM}", nonce="{self._nonce}", algorithm=MD5, qop="auth"'
            return _answer(request, 401, "Unauthorized", ("WWW-Authenticate", challenge))
        if self.refuses is not None:
            return _answer(request, *self.refuses)
        self.contact = uri_of(request.header("contact"))
        kept = f"<{self.contact}>;expires={self.expires_seconds}"
        return _answer(request, 200, "OK", ("Contact", kept), ("Expires", str(self.expires_seconds)))

    def _is_right(self, request: SipMessage) -> bool:
        said = {name: a or b for name, a, b in _DIGEST.findall(request.header("authorization"))}
        if said.get("nonce") != self._nonce or said.get("username") != self.username:
            return False
        first = _md5(f"{self.username}:{REALM}:{self.password}")
        second = _md5(f"REGISTER:{said['uri']}")
        return said.get("response") == _md5(
            f"{first}:{self._nonce}:{said['nc']}:{said['cnonce']}:{said['qop']}:{second}"
        )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def _answer(request: SipMessage, status: int, reason: str, *headers: tuple[str, str]) -> SipMessage:
    copied = tuple((name, value) for name, value in request.headers if name.lower() in _COPIED)
    to = request.header("to")
    to = to if tag_of(to) else f"{to};tag={secrets.token_hex(4)}"
    return SipMessage(start=f"SIP/2.0 {status} {reason}", headers=(*copied, ("To", to), *headers))
