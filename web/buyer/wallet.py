"""A buyer's wallet: what is left, what is held, what moved, and how to put money in."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime

from aiohttp import web

from billing.account_queries import entries_of, holds_of
from billing.payment_provider import HostedPage, ProviderRefused
from billing.terms_document import Party
from billing.wallet_mail_queries import notices_of_buyer
from billing.wallet_queries import wallet_of
from rules.money import MICROS_PER_CENT, MoneyError, format_dollars, parse_dollars
from web.audit import Actor, write_audit
from web.buyer.views import belongs_to_nobody
from web.keys import ENGINE, PAYMENTS, USER
from web.pages import render
from web.portal.keyset import read_below
from web.visitors import origin_of

PAGE_LENGTH = 50
NOTICES_SHOWN = 8
TOP_UP_MINIMUM_MICROS = 1_000_000
TOP_UP_MAXIMUM_MICROS = 100_000_000_000


async def show(request: web.Request) -> web.Response:
    return await show_wallet(request)


async def show_wallet(
    request: web.Request, *, status: int = 200, typed: str = "", problem: str = ""
) -> web.Response:
    user, below = request[USER], read_below(request.query)
    if user.buyer_id is None:
        return belongs_to_nobody(request)
    async with request.app[ENGINE].connect() as connection:
        wallet = await wallet_of(connection, user.buyer_id)
        holds = await holds_of(connection, user.buyer_id)
        notices = await notices_of_buyer(connection, user.buyer_id, NOTICES_SHOWN)
        found = await entries_of(
            connection, Party.BUYER, user.buyer_id, below_id=below, limit=PAGE_LENGTH + 1
        )
    page = found[:PAGE_LENGTH]
    return render(
        request,
        "buyer/wallet.html",
        status=status,
        wallet=wallet,
        holds=holds,
        notices=notices,
        entries=page,
        at_top=below is None,
        older=page[-1].transaction_id if len(found) > PAGE_LENGTH else None,
        provider=request.app[PAYMENTS],
        typed=typed,
        problem=problem,
        thanks="thanks" in request.query,
    )


def read_top_up(text: str) -> int | str:
    """Return an amount to top up by in micros, or what is wrong with it."""
    try:
        amount_micros = parse_dollars(text.strip().removeprefix("$").replace(",", ""))
    except MoneyError:
        return "Write an amount of dollars, like 500 or 250.00."
    return why_not_top_up(amount_micros) or amount_micros


def why_not_top_up(amount_micros: int) -> str:
    """Return why nobody can top up by so much; empty when they can."""
    if amount_micros % MICROS_PER_CENT:
        return "An amount has whole cents."
    if not TOP_UP_MINIMUM_MICROS <= amount_micros <= TOP_UP_MAXIMUM_MICROS:
        low, high = format_dollars(TOP_UP_MINIMUM_MICROS), format_dollars(TOP_UP_MAXIMUM_MICROS)
        return f"An amount is between {low} and {high}."
    return ""


async def ask_for_page(
    request: web.Request, actor: Actor, amount_micros: int, key: str
) -> HostedPage | ProviderRefused:
    """Ask the payment provider for a page on which the buyer pays; nothing is recorded before it says it has come."""
    provider, user = request.app[PAYMENTS], actor.user
    if provider is None:
        return ProviderRefused(reason="no payment provider is set up: pay by hand")
    assert user is not None and user.buyer_id is not None
    back = f"{origin_of(request)}/buyer/wallet?thanks"
    # The provider's library blocks while it waits.
    answer = await asyncio.to_thread(
        provider.open_top_up_page,
        buyer_id=user.buyer_id,
        amount_micros=amount_micros,
        key=key,
        return_url=back,
    )
    if isinstance(answer, HostedPage):
        async with request.app[ENGINE].begin() as connection:
            said = {"amount_micros": amount_micros, "reference": answer.reference}
            await write_audit(
                connection, actor, action="ask_for_top_up", kind="wallets", ref=user.buyer_id, after=said
            )
    return answer


async def top_up(request: web.Request) -> web.Response:
    """The form: leads on to the provider's own page, by a link, for no page of ours may post to another site."""
    user, form = request[USER], await request.post()
    if user.buyer_id is None:
        return belongs_to_nobody(request)
    typed = str(form.get("amount", ""))[:40]
    amount = read_top_up(typed)
    if isinstance(amount, str):
        return await show_wallet(request, status=422, typed=typed, problem=amount)
    key = f"{user.buyer_id}-{datetime.now(UTC):%Y%m%d%H%M%S}-{secrets.token_hex(8)}"
    answer = await ask_for_page(request, Actor(user=user), amount, key)
    if isinstance(answer, ProviderRefused):
        return await show_wallet(request, status=409, typed=typed, problem=f"{answer.reason}.")
    return render(request, "buyer/pay.html", page=answer, amount_micros=amount)
