"""Buyers' wallets and what we owe publishers, a page of each at a time; money that came or went is recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.payments import Direction, Payment, party_of
from billing.record_payment import PaymentRefused
from billing.wallet_queries import list_wallets
from rules.money import MoneyError, parse_dollars
from web.api.cursor import read_cursor, write_cursor
from web.audit import Actor
from web.keys import EDITORS, ENGINE, USER
from web.money import queries, work
from web.pages import render
from web.resources.references import Offer, offer_rows, row_named
from web.resources.views import SEARCH_CHARACTERS_MAXIMUM

PAGE_LENGTH = 50
ADDRESS = "/money/wallets"
LOW = "low"
BUYERS, PUBLISHERS = "buyers", "publishers"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a list, and the address of the part after it; None at the end."""

    rows: Sequence[Any]
    at_top: bool
    following: str | None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the page is asked for. Either list goes on by itself, after a name and an id."""

    search: str
    only: str
    after: Mapping[str, tuple[str, int] | None]

    def address(self, **more: str) -> str:
        said = {"q": self.search, "only": self.only, **more}
        query = urlencode({name: value for name, value in said.items() if value})
        return f"{ADDRESS}?{query}" if query else ADDRESS

    def part(self, of: str, rows: Sequence[Any], last: tuple[str, int] | None) -> Part:
        """Return the page's part of a list; `last` is the name and id it ends with, None when nothing follows."""
        following = None if last is None else self.address(**{f"{of}_after": write_cursor(last)})
        return Part(rows=rows, at_top=self.after[of] is None, following=following)


def read_asked(query: Mapping[str, str]) -> Asked:
    """Read an address; what makes no sense is left out."""
    after: dict[str, tuple[str, int] | None] = {}
    for of in (BUYERS, PUBLISHERS):
        found = read_cursor(query.get(f"{of}_after", ""), (str, int))
        after[of] = None if found is None else (str(found[0]), int(found[1]))
    return Asked(
        search=query.get("q", "").replace("\x00", "").strip()[:SEARCH_CHARACTERS_MAXIMUM],
        only=LOW if query.get("only") == LOW else "",
        after=after,
    )


async def show(request: web.Request) -> web.Response:
    return await _page(request)


async def _page(request: web.Request, *, status: int = 200, **more: Any) -> web.Response:
    asked = read_asked(request.query)
    said: dict[str, Any] = {"typed": {}, "problem": ""} | more
    said["typed"] = defaultdict(str, said["typed"])
    async with request.app[ENGINE].connect() as connection:
        wallets = await _wallets(connection, asked)
        payables = await _payables(connection, asked)
        edits = request[USER].role in EDITORS
        offers = await _offers(connection, said["typed"]) if edits else {}
    return render(
        request,
        "money/wallets.html",
        status=status,
        asked=asked,
        wallets=wallets,
        payables=payables,
        offers=offers,
        done="done" in request.query,
        **said,
    )


async def _wallets(connection: AsyncConnection, asked: Asked) -> Part:
    found = await list_wallets(
        connection,
        search=asked.search,
        low=asked.only == LOW,
        after=asked.after[BUYERS],
        limit=PAGE_LENGTH + 1,
    )
    page = found[:PAGE_LENGTH]
    last = (page[-1].buyer, page[-1].buyer_id) if len(found) > PAGE_LENGTH else None
    return asked.part(BUYERS, page, last)


async def _payables(connection: AsyncConnection, asked: Asked) -> Part:
    found = await queries.read_payables(
        connection, search=asked.search, after=asked.after[PUBLISHERS], limit=PAGE_LENGTH + 1
    )
    page = found[:PAGE_LENGTH]
    last = (page[-1].name, page[-1].id) if len(found) > PAGE_LENGTH else None
    return asked.part(PUBLISHERS, page, last)


async def _offers(connection: AsyncConnection, typed: Mapping[str, str]) -> Mapping[str, Offer]:
    """Return whom either form offers; what was typed stands in the form it was typed into."""
    is_payout = typed["way"] == Direction.PAY_OUT
    return {
        BUYERS: await offer_rows(connection, BUYERS, ["" if is_payout else typed["party"]]),
        PUBLISHERS: await offer_rows(connection, PUBLISHERS, [typed["party"] if is_payout else ""]),
    }


async def submit_payment(request: web.Request) -> web.Response:
    """Record money that came from a buyer, went back to one, or was paid out to a publisher."""
    form = await request.post()
    typed = {
        name: str(form.get(name, ""))[:200].strip() for name in ("way", "party", "amount", "key", "note")
    }
    amount, party_id = read_amount(typed["amount"]), None
    if typed["way"] in tuple(Direction):
        whose = f"{party_of(Direction(typed['way'])).value}s"
        async with request.app[ENGINE].connect() as connection:
            party_id = await row_named(connection, whose, typed["party"])
    if party_id is None:
        return await _page(request, status=422, typed=typed, problem="Choose who paid or was paid.")
    if isinstance(amount, str):
        return await _page(request, status=422, typed=typed | {"party": str(party_id)}, problem=amount)
    payment = Payment(
        direction=Direction(typed["way"]),
        party_id=party_id,
        amount_micros=amount,
        key=typed["key"],
        note=typed["note"],
    )
    async with request.app[ENGINE].begin() as connection:
        posted = await work.pay(connection, Actor(user=request[USER]), payment)
    problem = posted.reason if isinstance(posted, PaymentRefused) else posted
    if isinstance(problem, str):
        return await _page(request, status=422, typed=typed | {"party": str(party_id)}, problem=problem)
    raise web.HTTPSeeOther(f"{ADDRESS}?done")


def read_amount(text: str) -> int | str:
    """Return an amount in micros, or what is wrong with its text."""
    try:
        return parse_dollars(text)
    except MoneyError:
        return "Write an amount of dollars, like 500 or 250.00."
