"""Tells a buyer's people by mail that their wallet runs low, is empty, or has money again.

A notice is written once for each crossing (billing.wallet_watch) with a row for each person; here the rows that are due
are claimed, sent and marked. Without a mail server the rows stay, and the notice is on the buyer's pages all the same.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy.ext.asyncio import AsyncEngine

from billing import wallet_mail_queries as queries
from billing.wallet_mail_queries import DueMail
from billing.wallets import Notice
from rules.money import format_dollars
from web.mail import Mailer

AT_ONCE = 20


async def send_wallet_mails(engine: AsyncEngine, mailer: Mailer, now: dt.datetime) -> int:
    """Send what is due; return how many were taken by the server. What it refuses is tried again later.

    Killed between the server's yes and our mark, a mail goes out twice; it never goes missing.
    """
    async with engine.begin() as connection:
        due = await queries.claim_due(connection, now, AT_ONCE)
    sent = 0
    for mail in due:
        if await mailer.send(
            to=mail.email, subject=subject_of(mail), text=text_of(mail, mailer.config.web_url)
        ):
            async with engine.begin() as connection:
                await queries.mark_sent(connection, mail.notice_id, mail.user_id, now)
            sent += 1
    return sent


_SUBJECTS = {
    Notice.LOW: "The wallet of {buyer} runs low",
    Notice.PAUSED: "The wallet of {buyer} is empty: no calls come in",
    Notice.RESUMED: "The wallet of {buyer} has money again: calls come in",
}
_TEXTS = {
    Notice.LOW: "{left} is left of the wallet and credit of {buyer}, less than the limit you are told at. When nothing"
    " is left, no calls come in until it is topped up.",
    Notice.PAUSED: "Nothing is left of the wallet and credit of {buyer}, so its targets get no calls. They go on by"
    " themselves with the first caller after it is topped up.",
    Notice.RESUMED: "The wallet of {buyer} was topped up: {left} is left, and calls come in again.",
}


def subject_of(mail: DueMail) -> str:
    return _SUBJECTS[mail.kind].format(buyer=_one_line(mail.buyer))


def text_of(mail: DueMail, web_url: str) -> str:
    text = _TEXTS[mail.kind].format(buyer=_one_line(mail.buyer), left=format_dollars(mail.left_micros))
    when = f"{mail.noticed_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    return f"{text}\n\nAs of {when}. What moved, and how to top up:\n{web_url}/buyer/wallet\n"


def _one_line(name: str) -> str:
    """A name goes into a header: no line may end in it."""
    return " ".join(name.split())
