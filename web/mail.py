"""Mail to people who sign in: by the SMTP server of the settings, or not at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from enum import StrEnum
from typing import Any

import aiosmtplib
from aiohttp import web

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
UNDER_WAY_MAXIMUM = 20
"""Mails that wait for the server at a time. More are not sent: who asked asks again."""


class Encryption(StrEnum):
    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class MailConfig:
    """The SMTP server. `web_url` is how people reach these pages; links in a mail never follow a request's Host."""

    host: str
    port: int
    sender: str
    web_url: str
    username: str = ""
    # No repr: a log must not hold it.
    password: str = field(default="", repr=False)
    encryption: Encryption = Encryption.STARTTLS


class Mailer:
    """Sends mails one by one, now or beside a request."""

    def __init__(self, config: MailConfig) -> None:
        self.config = config
        self._under_way: set[asyncio.Task[None]] = set()

    async def send(self, *, to: str, subject: str, text: str) -> bool:
        """Send a mail; False when the server did not take it (the log says why)."""
        config = self.config
        try:
            await aiosmtplib.send(
                _message(config.sender, to, subject, text),
                hostname=config.host,
                port=config.port,
                username=config.username or None,
                password=config.password or None,
                use_tls=config.encryption is Encryption.TLS,
                start_tls=config.encryption is Encryption.STARTTLS,
                timeout=TIMEOUT_SECONDS,
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as fault:
            log.warning("mail to the SMTP server %s:%s failed: %s", config.host, config.port, fault)
            return False
        return True

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do some work that sends mail while its request is answered: how long it takes tells nobody anything."""
        if len(self._under_way) >= UNDER_WAY_MAXIMUM:
            work.close()
            log.warning("%d mails are under way: one more is not sent", UNDER_WAY_MAXIMUM)
            return
        task = asyncio.create_task(_logged(work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish(self, seconds: float) -> None:
        """Wait a little for what is under way, and give the rest up."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=seconds)
            for task in late:
                task.cancel()


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("a mail was not sent")


def _message(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=_domain(sender))
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def _domain(sender: str) -> str:
    """Return the sender's domain; make_msgid would name this machine instead."""
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


MAILER: web.AppKey[Mailer] = web.AppKey("mailer", Mailer)
"""Only there when the settings name an SMTP server."""
