"""Stripe by its own library, in test mode, against fixtures of our own: nothing leaves the machine."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
import stripe

from billing.payment_provider import HostedPage, NotAPayment, ProviderRefused, TopUpAsked
from billing.payments import Direction, Payment
from billing.stripe_provider import BUYER_KEY, StripeProvider

SECRET = "whsec_of_a_test"  # a name, no secret
KEY = "sk_test_of_a_test"


class Recorded(stripe.HTTPClient):
    """Answers as the API does, and keeps what it was asked."""

    name = "recorded"

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, str, str]] = []
        self._answer = (json.dumps(answer), status, {"request-id": "req_1"})

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        self.asked.append((method, url, str(post_data), dict(headers or {}).get("Idempotency-Key", "")))
        return self._answer


def provider(client: stripe.HTTPClient | None = None) -> StripeProvider:
    return StripeProvider(api_key=KEY, webhook_secret=SECRET, http_client=client or Recorded(200, {}))


def event(kind: str = "payment_intent.succeeded", *, live: bool = False, **intent: Any) -> bytes:
    made = {
        "id": "pi_7",
        "object": "payment_intent",
        "amount_received": 50_000,
        "currency": "usd",
        "metadata": {BUYER_KEY: "3"},
        **intent,
    }
    said = {"id": "evt_1", "object": "event", "type": kind, "livemode": live, "data": {"object": made}}
    return json.dumps(said).encode()


def signed(body: bytes, *, secret: str = SECRET, age_seconds: int = 0) -> str:
    at = int(time.time()) - age_seconds
    digest = stripe.WebhookSignature._compute_signature(f"{at}.{body.decode()}", secret)
    return f"t={at},v1={digest}"


def test_a_top_up_is_asked_for_once_by_its_key() -> None:
    client = Recorded(200, {"id": "pi_7", "object": "payment_intent", "client_secret": "cs"})
    asked = provider(client).ask_for_top_up(buyer_id=3, amount_micros=500_000_000, key="k1")
    assert asked == TopUpAsked(reference="pi_7", client_secret="cs")
    ((method, url, data, idempotency),) = client.asked
    assert (method, url, idempotency) == (
        "post",
        "https://api.stripe.com/v1/payment_intents",
        "tollbridge-k1",
    )
    assert "amount=50000" in data and "currency=usd" in data


def test_a_page_to_pay_on_bears_the_buyer_and_leads_back() -> None:
    client = Recorded(200, {"id": "cs_7", "object": "checkout.session", "url": "https://pay.example/7"})
    asked = provider(client).open_top_up_page(
        buyer_id=3, amount_micros=500_000_000, key="k1", return_url="https://us.example/w?thanks"
    )
    assert asked == HostedPage(reference="cs_7", url="https://pay.example/7")
    ((_, url, data, idempotency),) = client.asked
    assert url.endswith("/v1/checkout/sessions") and idempotency == "tollbridge-page-k1"
    assert "unit_amount]=50000" in data.replace("%5D", "]") and BUYER_KEY in data
    no_page = provider(Recorded(200, {"id": "cs_7", "object": "checkout.session", "url": None}))
    said = {"buyer_id": 3, "key": "k", "return_url": "https://us.example/w"}
    assert isinstance(no_page.open_top_up_page(amount_micros=10_000, **said), ProviderRefused)
    assert isinstance(no_page.open_top_up_page(amount_micros=1, **said), ProviderRefused)


def test_what_stripe_refuses_is_a_value() -> None:
    client = Recorded(402, {"error": {"type": "card_error", "message": "Your card was declined."}})
    asked = provider(client).ask_for_top_up(buyer_id=3, amount_micros=10_000, key="k")
    assert isinstance(asked, ProviderRefused) and "declined" in asked.reason
    assert isinstance(provider().ask_for_top_up(buyer_id=3, amount_micros=1, key="k"), ProviderRefused)


def test_money_that_came_is_a_payment_of_its_buyer() -> None:
    body = event()
    assert provider().read_event(body, signed(body)) == Payment(
        direction=Direction.TOP_UP, party_id=3, amount_micros=500_000_000, key="stripe:pi_7", note="Stripe"
    )


@pytest.mark.parametrize(
    ("body", "signing", "kind"),
    [
        (event(), {"secret": "whsec_other"}, ProviderRefused),
        (event(), {"age_seconds": 301}, ProviderRefused),
        (b"not json", {}, ProviderRefused),
        (event(live=True), {}, ProviderRefused),
        (event(currency="eur"), {}, ProviderRefused),
        (event(amount_received=0), {}, ProviderRefused),
        (event(metadata={BUYER_KEY: "3; drop"}), {}, ProviderRefused),
        (event(metadata={}), {}, NotAPayment),
        (event("payment_intent.created"), {}, NotAPayment),
    ],
)
def test_what_is_not_believed_or_no_payment(body: bytes, signing: dict[str, Any], kind: type) -> None:
    assert isinstance(provider().read_event(body, signed(body, **signing)), kind)


def test_a_live_key_is_refused_where_test_money_is_meant() -> None:
    with pytest.raises(ValueError, match="not a test key"):
        StripeProvider(api_key="sk_live_x", webhook_secret=SECRET)
