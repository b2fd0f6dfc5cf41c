"""What a payment provider is to us: it is asked for a top-up, and tells of money that came. The interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from billing.payments import Payment, ReversedPayment


@dataclass(frozen=True, kw_only=True)
class TopUpAsked:
    """The provider waits for the buyer to pay."""

    reference: str
    client_secret: str
    """What the provider's own page needs to take the money; nothing is charged by knowing it."""


@dataclass(frozen=True, kw_only=True)
class HostedPage:
    """A page of the provider's own on which the buyer pays."""

    reference: str
    url: str


@dataclass(frozen=True, kw_only=True)
class NotAPayment:
    """An event that moves no money of ours, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class ProviderRefused:
    """Not to be believed, not possible, or the provider cannot be reached; nothing was recorded."""

    reason: str


class PaymentProvider(Protocol):
    """One provider. Nothing here touches the books: what came is recorded by record_payment.py."""

    @property
    def name(self) -> str: ...

    def ask_for_top_up(self, *, buyer_id: int, amount_micros: int, key: str) -> TopUpAsked | ProviderRefused:
        """Ask for a payment. The same key asks once. Blocks for the provider's answer."""

    def open_top_up_page(
        self, *, buyer_id: int, amount_micros: int, key: str, return_url: str
    ) -> HostedPage | ProviderRefused:
        """Ask for a page on which the buyer pays, and from which it comes back to `return_url`. Blocks likewise."""

    def read_event(
        self, body: bytes, signature: str
    ) -> Payment | ReversedPayment | NotAPayment | ProviderRefused:
        """Read what the provider sent; only what bears its signature is believed."""
