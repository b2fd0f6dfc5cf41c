"""What payment providers tell us of by themselves: no sign-in, no CSRF check; their signature alone is believed."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.payment_provider import NotAPayment, ProviderRefused
from billing.payments import Payment, ReversedPayment
from billing.post_once import Posted
from billing.record_payment import PaymentRefused, record_payment
from billing.reverse_payment import reverse_payment
from web.audit import Actor, Via, write_audit
from web.keys import ENGINE, PAYMENTS

log = logging.getLogger(__name__)

ADDRESS = "/hooks/stripe"
SIGNATURE_CHARACTERS_MAXIMUM = 2_000


async def payment_event(request: web.Request) -> web.Response:
    """Record a payment that came, or what was taken back of one, once, however often it is told.

    200: recorded, known, or none of ours; 400: not believed, or not taken; 404: no provider is set up; 409: tells of a
    payment that is not recorded yet, and is to be sent again.
    """
    provider = request.app[PAYMENTS]
    signature = request.headers.get("Stripe-Signature", "")
    if provider is None:
        raise web.HTTPNotFound
    if not 0 < len(signature) <= SIGNATURE_CHARACTERS_MAXIMUM:
        return _answer(400, "there is no signature")
    # The very bytes that were signed.
    event = await asyncio.to_thread(provider.read_event, await request.read(), signature)
    if isinstance(event, ProviderRefused):
        log.warning("a payment event was refused: %s", event.reason)
        return _answer(400, event.reason)
    if isinstance(event, NotAPayment):
        return _answer(200, event.reason)
    async with request.app[ENGINE].begin() as connection:
        if isinstance(event, ReversedPayment):
            done = await _reverse(connection, event, provider.name)
        else:
            done = await _record(connection, event, provider.name)
    if isinstance(done, PaymentRefused):
        log.error("a payment was not recorded: %s", done.reason)
        return _answer(409 if isinstance(event, ReversedPayment) else 400, done.reason)
    return _answer(200, "recorded" if done.new else "known")


async def _record(connection: AsyncConnection, event: Payment, name: str) -> Posted | PaymentRefused:
    posted = await record_payment(connection, event)
    if isinstance(posted, Posted) and posted.new:
        said = {"amount_micros": event.amount_micros, "key": event.key}
        await _note(connection, name, "top_up", event.party_id, said)
    return posted


async def _reverse(connection: AsyncConnection, event: ReversedPayment, name: str) -> Posted | PaymentRefused:
    done = await reverse_payment(connection, event)
    if isinstance(done, PaymentRefused):
        return done
    posted, payment = done
    if posted.new:
        log.warning("%s: %s of %s", event.reversal, event.key, event.payment_key)
        said = {"amount_micros": event.amount_micros, "key": event.key, "payment": event.payment_key}
        await _note(connection, name, event.reversal.value, payment.detail.get("party_id"), said)
    return posted


async def _note(
    connection: AsyncConnection, name: str, action: str, buyer_id: Any, said: dict[str, Any]
) -> None:
    actor = Actor(user=None, via=Via.API, name=name)
    await write_audit(connection, actor, action=action, kind="wallets", ref=buyer_id, after=said)


def _answer(status: int, said: str) -> web.Response:
    return web.json_response({"said": said}, status=status)
