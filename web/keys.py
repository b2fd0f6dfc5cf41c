"""What the application and a request carry, each under one typed key."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.payment_provider import PaymentProvider
from router.buyers.addresses import AddressRules
from router.inbound_bids import InboundBids
from router.route_call import Router
from router.snapshot import CurrentSnapshot
from web.known_keys import KnownKeys


class Role(StrEnum):
    """Who somebody is here. The first three belong to the house, the others to one buyer or one publisher."""

    ADMIN = "admin"
    MANAGER = "manager"
    ANALYST = "analyst"
    BUYER = "buyer"
    PUBLISHER = "publisher"


HOUSE = frozenset({Role.ADMIN, Role.MANAGER, Role.ANALYST})
EDITORS = frozenset({Role.ADMIN, Role.MANAGER})
"""Who may change the market: all but users, tokens of others and secrets of carriers, which are an admin's."""


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody who has signed in, or whose token asks.

    A buyer's or a publisher's person sees what is of `buyer_id` or `publisher_id`; without one, nothing.
    """

    user_id: int
    email: str
    role: Role
    buyer_id: int | None = None
    publisher_id: int | None = None
    name: str = ""

    @property
    def is_of_house(self) -> bool:
        return self.role in HOUSE


@dataclass(frozen=True, kw_only=True)
class Session:
    """The session a request came with, and how well its owner is known.

    `verified_at`: when they last showed who they are; `factor_at`: when by a second factor or a passkey.
    `factor_asked_at`: since when their role wants a second factor; None: it does not.
    """

    session_id: UUID
    token_digest: bytes
    verified_at: datetime | None
    factor_at: datetime | None
    has_app: bool
    has_passkey: bool
    factor_asked_at: datetime | None
    of_directory: bool = False
    """They sign in by the house's directory, and have no password."""

    @property
    def has_factor(self) -> bool:
        return self.has_app or self.has_passkey


ENGINE: web.AppKey[AsyncEngine] = web.AppKey("engine", AsyncEngine)
PROMPTS_DIR: web.AppKey[Path] = web.AppKey("prompts_dir", Path)
RECORDINGS_DIR: web.AppKey[Path | None] = web.AppKey("recordings_dir", Path)
"""Where this node keeps its recordings; None: it has none to play."""
PAYMENTS: web.AppKey[PaymentProvider | None] = web.AppKey("payments")
"""Who takes buyers' money by card; None: they pay by hand."""
SECURE_COOKIES: web.AppKey[bool] = web.AppKey("secure_cookies", bool)
MARKET: web.AppKey[CurrentSnapshot] = web.AppKey("market", CurrentSnapshot)
INBOUND_BIDS: web.AppKey[InboundBids] = web.AppKey("inbound_bids", InboundBids)
ROUTER: web.AppKey[Router] = web.AppKey("router", Router)
"""Decides as the agi process does; here for pings and for trying a plan."""
PINGS_AT_WORK: web.AppKey[asyncio.Semaphore] = web.AppKey("pings_at_work", asyncio.Semaphore)
PINGS_ENTERING: web.AppKey[asyncio.Semaphore] = web.AppKey("pings_entering", asyncio.Semaphore)
RTB_KEYS: web.AppKey[KnownKeys] = web.AppKey("rtb_keys", KnownKeys)
SALE_KEYS: web.AppKey[KnownKeys] = web.AppKey("sale_keys", KnownKeys)

PING_RULES: web.AppKey[AddressRules] = web.AppKey("ping_rules", AddressRules)
"""Where test pings may go."""
HOUSE_NAME: web.AppKey[str] = web.AppKey("house_name", str)
"""Our name in the list of houses a call has come through."""

USER: web.RequestKey[User] = web.RequestKey("user", User)
SESSION: web.RequestKey[Session] = web.RequestKey("session", Session)
"""Set beside USER when a session asks, and not when a token does."""
NEW_TOKEN: web.RequestKey[str] = web.RequestKey("new_token", str)
"""The token of a session that was renewed meanwhile: the answer brings it to the browser."""
FACTOR_DUE: web.RequestKey[datetime | None] = web.RequestKey("factor_due")
"""Until when anyone who asks has to set up a second factor; None: they have one, or need none."""
MICROPHONE: web.RequestKey[bool] = web.RequestKey("microphone", bool)
"""Set where the page that answers may ask for the microphone (web/softphone/line.py)."""
