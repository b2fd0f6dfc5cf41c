"""A real SMTP server on the loopback that keeps what it is given."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from web.mail import Encryption, MailConfig

WEB_URL = "https://switch.example"


class Letterbox:
    """The mails that came in, and where the server listens."""

    def __init__(self, encryption: Encryption = Encryption.NONE) -> None:
        self.encryption = encryption
        self.port = 0
        self.logins: list[tuple[bytes, bytes]] = []
        self.mails: list[EmailMessage] = []
        self._came = asyncio.Condition()

    def log_in(
        self, server: Any, session: Any, envelope: Any, mechanism: str, login: LoginPassword
    ) -> AuthResult:
        self.logins.append((login.login, login.password))
        return AuthResult(success=True)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        async with self._came:
            self.mails.append(mail)
            self._came.notify_all()
        return "250 OK"

    async def wait_for(self, count: int) -> list[EmailMessage]:
        """Return the mails once there are `count` of them."""
        async with self._came:
            await asyncio.wait_for(self._came.wait_for(lambda: len(self.mails) >= count), 20)
        return self.mails

    @property
    def config(self) -> MailConfig:
        return MailConfig(
            host="127.0.0.1",
            port=self.port,
            sender="Tollbridge <switch@switch.example>",
            web_url=WEB_URL,
            encryption=self.encryption,
        )


def link_in(mail: EmailMessage) -> str:
    """Return the path of the link in a mail."""
    found = re.search(rf"{re.escape(WEB_URL)}(/link/\S+)", mail.get_content())
    assert found, mail.get_content()
    return found[1]


@asynccontextmanager
async def open_letterbox(
    encryption: Encryption = Encryption.NONE, certificate: Path | None = None
) -> AsyncIterator[Letterbox]:
    """A server that has a `certificate` offers STARTTLS, or with Encryption.TLS speaks nothing else."""
    box = Letterbox(encryption)
    loop = asyncio.get_running_loop()
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    at_once, later = (context, None) if encryption is Encryption.TLS else (None, context)

    def session() -> SMTP:
        # A login before there is encryption would be taken, so that a test sees it.
        return SMTP(
            box,
            hostname="localhost",
            loop=loop,
            tls_context=later,
            authenticator=box.log_in,
            auth_require_tls=False,
        )

    server = await loop.create_server(session, "127.0.0.1", 0, ssl=at_once)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()
