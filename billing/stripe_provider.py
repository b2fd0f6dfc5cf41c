"""Stripe as a payment provider, by its own library. Test keys only, unless live money is asked for.

https://docs.stripe.com/webhooks (signatures), https://docs.stripe.com/api/payment_intents (amounts are in cents),
https://docs.stripe.com/api/charges (amount_refunded is all so far), https://docs.stripe.com/api/disputes (states; an
inquiry, whose state begins with "warning", moves no money).
"""

from __future__ import annotations

from typing import Any

import stripe

from billing.payment_provider import HostedPage, NotAPayment, ProviderRefused, TopUpAsked
from billing.payments import Direction, Payment, Reversal, ReversedPayment
from rules.money import MICROS_PER_CENT

SUCCEEDED = "payment_intent.succeeded"
REFUNDED = "charge.refunded"
DISPUTED, DISPUTE_CLOSED = "charge.dispute.created", "charge.dispute.closed"
EVENTS = (SUCCEEDED, REFUNDED, DISPUTED, DISPUTE_CLOSED)
"""What Stripe is to send."""
BUYER_KEY = "tollbridge_buyer_id"
TIMEOUT_SECONDS = 10
SIGNATURE_MAXIMUM_AGE_SECONDS = 300


class StripeProvider:
    """One Stripe account."""

    name = "stripe"

    def __init__(
        self,
        *,
        api_key: str,
        webhook_secret: str,
        live: bool = False,
        http_client: stripe.HTTPClient | None = None,
    ) -> None:
        """Raises ValueError for a live key where only test money is meant, or the other way round."""
        if not api_key.startswith(("sk_live_", "rk_live_") if live else ("sk_test_", "rk_test_")):
            raise ValueError(f"the Stripe key is not a {'live' if live else 'test'} key")
        client = http_client or stripe.RequestsClient(timeout=TIMEOUT_SECONDS)
        self._client = stripe.StripeClient(api_key, http_client=client, max_network_retries=1)
        self._webhook_secret = webhook_secret
        self._live = live

    def ask_for_top_up(self, *, buyer_id: int, amount_micros: int, key: str) -> TopUpAsked | ProviderRefused:
        """Make a payment intent; the same key makes one. Whole cents only."""
        if (refused := _not_cents(amount_micros)) is not None:
            return refused
        try:
            intent = self._client.v1.payment_intents.create(
                {
                    "amount": amount_micros // MICROS_PER_CENT,
                    "currency": "usd",
                    "metadata": {BUYER_KEY: str(buyer_id)},
                },
                {"idempotency_key": f"tollbridge-{key}"},
            )
        except stripe.StripeError as error:
            return ProviderRefused(reason=f"Stripe: {error.user_message or type(error).__name__}")
        return TopUpAsked(reference=intent.id, client_secret=intent.client_secret or "")

    def open_top_up_page(
        self, *, buyer_id: int, amount_micros: int, key: str, return_url: str
    ) -> HostedPage | ProviderRefused:
        """Make a checkout session; the same key makes one. The money is told of by its payment intent."""
        if (refused := _not_cents(amount_micros)) is not None:
            return refused
        price: Any = {
            "currency": "usd",
            "unit_amount": amount_micros // MICROS_PER_CENT,
            "product_data": {"name": "Wallet top-up"},
        }
        try:
            session = self._client.v1.checkout.sessions.create(
                {
                    "mode": "payment",
                    "line_items": [{"price_data": price, "quantity": 1}],
                    "payment_intent_data": {"metadata": {BUYER_KEY: str(buyer_id)}},
                    "success_url": return_url,
                    "cancel_url": return_url.partition("?")[0],
                },
                {"idempotency_key": f"tollbridge-page-{key}"},
            )
        except stripe.StripeError as error:
            return ProviderRefused(reason=f"Stripe: {error.user_message or type(error).__name__}")
        if not session.url:
            return ProviderRefused(reason="Stripe gave no page to pay on")
        return HostedPage(reference=session.id, url=session.url)

    def read_event(
        self, body: bytes, signature: str
    ) -> Payment | ReversedPayment | NotAPayment | ProviderRefused:
        """Read a webhook's body. Its signature is checked, and is at most five minutes old."""
        try:
            event = self._client.construct_event(
                body, signature, self._webhook_secret, tolerance=SIGNATURE_MAXIMUM_AGE_SECONDS
            )
        except (stripe.SignatureVerificationError, ValueError) as error:
            return ProviderRefused(reason=f"not believed: {str(error)[:120]}")
        if event.type not in EVENTS:
            return NotAPayment(reason=f"{event.type} moves no money of ours")
        if event.livemode != self._live:
            return ProviderRefused(reason=f"{'live' if event.livemode else 'test'} money is not taken here")
        said = event.data.object.to_dict()
        if event.type == SUCCEEDED:
            return _payment(said)
        return _refund(said) if event.type == REFUNDED else _dispute(said)


def _not_cents(amount_micros: int) -> ProviderRefused | None:
    if amount_micros > 0 and not amount_micros % MICROS_PER_CENT:
        return None
    return ProviderRefused(reason="a top-up by Stripe is a number of whole cents above nothing")


def _payment(intent: dict[str, Any]) -> Payment | NotAPayment | ProviderRefused:
    buyer = str((intent.get("metadata") or {}).get(BUYER_KEY, ""))
    if not buyer:
        return NotAPayment(reason=f"{intent['id']} is not a top-up of ours")
    received, currency = intent["amount_received"], intent["currency"]
    if currency != "usd":
        return ProviderRefused(reason=f"{intent['id']} is in {currency}; the books are in usd")
    if not (buyer.isascii() and buyer.isdigit() and len(buyer) < 19) or received <= 0:
        return ProviderRefused(reason=f"{intent['id']} names no buyer, or no amount")
    return Payment(
        direction=Direction.TOP_UP,
        party_id=int(buyer),
        amount_micros=received * MICROS_PER_CENT,
        key=f"stripe:{intent['id']}",
        note="Stripe",
    )


def _refund(charge: dict[str, Any]) -> ReversedPayment | NotAPayment | ProviderRefused:
    if not (charge.get("metadata") or {}).get(BUYER_KEY):
        return NotAPayment(reason=f"{charge['id']} is not a top-up of ours")
    return _reversed(charge, Reversal.REFUNDED, charge["amount_refunded"])


def _dispute(dispute: dict[str, Any]) -> ReversedPayment | NotAPayment | ProviderRefused:
    status = str(dispute["status"])
    if status.startswith("warning"):
        return NotAPayment(reason=f"{dispute['id']} is an inquiry: no money was taken")
    closed = {"won": Reversal.WON, "lost": Reversal.LOST}
    return _reversed(dispute, closed.get(status, Reversal.CHARGEBACK), dispute["amount"])


def _reversed(
    said: dict[str, Any], reversal: Reversal, cents: int
) -> ReversedPayment | NotAPayment | ProviderRefused:
    intent = said.get("payment_intent")
    if not isinstance(intent, str) or not intent:
        return NotAPayment(reason=f"{said['id']} is of no payment intent")
    if said["currency"] != "usd" or cents <= 0:
        return ProviderRefused(reason=f"{said['id']} is not an amount of usd; the books are in usd")
    return ReversedPayment(
        reversal=reversal,
        payment_key=f"stripe:{intent}",
        amount_micros=cents * MICROS_PER_CENT,
        key=f"stripe:{said['id']}",
    )
