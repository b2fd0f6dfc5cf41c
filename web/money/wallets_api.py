"""Buyers' wallets, for machines of the house."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from billing.wallet_queries import Wallet, list_wallets
from web.api.cursor import read_cursor, write_cursor
from web.api.operation import Answered, Asked, FieldProblem, Operation, Page, Problem, Query, refused
from web.keys import HOUSE
from web.money.wallets import PAGE_LENGTH


class WalletsQuery(Query):
    q: str = Field(default="", max_length=100, description="Only buyers whose name contains this text")
    low: bool = Field(default=False, description="Only wallets that are low or stopped")
    cursor: str | None = Field(default=None, max_length=400, description="`next` of the page before")
    limit: int = Field(default=PAGE_LENGTH, ge=1, le=200)


class WalletShown(BaseModel):
    """A buyer's money in millionths of a dollar. `available_micros` null: it pays by invoice, without a limit."""

    buyer_id: int
    buyer: str
    prepaid: bool
    balance_micros: int
    held_micros: int
    available_micros: int | None
    disputed_micros: int
    paused: bool
    low: bool


def _shown(one: Wallet) -> WalletShown:
    return WalletShown(
        buyer_id=one.buyer_id,
        buyer=one.buyer,
        prepaid=one.prepaid,
        balance_micros=one.state.balance_micros,
        held_micros=one.state.held_micros,
        available_micros=one.state.available_micros,
        disputed_micros=one.state.disputed_micros,
        paused=one.state.should_pause,
        low=one.state.should_be_low,
    )


async def _wallets(asked: Asked) -> Answered | Problem:
    query: WalletsQuery = asked.query
    after = None
    if query.cursor is not None:
        found = read_cursor(query.cursor, (str, int))
        if found is None:
            return refused(FieldProblem(field="cursor", problem="this is no cursor of this list"))
        after = (str(found[0]), int(found[1]))
    async with asked.engine.connect() as connection:
        rows = await list_wallets(
            connection, search=query.q.replace("\x00", ""), low=query.low, after=after, limit=query.limit + 1
        )
    page = rows[: query.limit]
    following = write_cursor([page[-1].buyer, page[-1].buyer_id]) if len(rows) > query.limit else None
    return Answered(content=Page[WalletShown](items=[_shown(one) for one in page], next=following))


OPERATIONS: Sequence[Operation] = (
    Operation(
        method="GET",
        path="/wallets",
        name="list_wallets",
        summary="Buyers' balances by name, and what is held",
        tag="money",
        handler=_wallets,
        roles=HOUSE,
        query=WalletsQuery,
        answer=Page[WalletShown],
        problems=frozenset({422}),
    ),
)
