"""What payment providers tell us of by themselves: no sign-in, no CSRF check; their signature alone is believed."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from billing.payment_provider import NotAPayment, ProviderRefused
from billing.record_payment import PaymentRefused, record_payment
from web.audit import Actor, Via, write_audit
from web.keys import ENGINE, PAYMENTS

log = logging.getLogger(__name__)

ADDRESS = "/hooks/stripe"
SIGNATURE_CHARACTERS_MAXIMUM = 2_000


async def payment_event(request: web.Request) -> web.Response:
    """Record a payment that came, once, however often it is told.

    200: recorded, known, or none of ours; 400: not believed, or not taken; 404: no provider is set up.
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
        posted = await record_payment(connection, event)
        if not isinstance(posted, PaymentRefused) and posted.new:
            said = {"amount_micros": event.amount_micros, "key": event.key}
            actor = Actor(user=None, via=Via.API, name=provider.name)
            await write_audit(
                connection, actor, action="top_up", kind="wallets", ref=event.party_id, after=said
            )
    if isinstance(posted, PaymentRefused):
        log.error("a payment was not recorded: %s", posted.reason)
        return _answer(400, posted.reason)
    return _answer(200, "recorded" if posted.new else "known")


def _answer(status: int, said: str) -> web.Response:
    return web.json_response({"said": said}, status=status)
