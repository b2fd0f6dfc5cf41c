"""Posts what bears a key of its own exactly once: payments, adjustments, months of numbers, reported sales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from billing import ledger_queries as queries
from billing.ledger import Posting, balanced


@dataclass(frozen=True, kw_only=True)
class Posted:
    """The transaction of this key."""

    transaction_id: int
    new: bool
    """False: it was there before, with the same postings, and nothing was written."""


@dataclass(frozen=True, kw_only=True)
class KeyTaken:
    """Nothing was written: the key stands for other amounts, or corrects something else."""

    transaction_id: int
    kind: str


async def post_once(
    connection: AsyncConnection,
    *,
    kind: str,
    postings: Sequence[Posting],
    detail: dict[str, Any],
    call_id: UUID | None = None,
    corrects_id: int | None = None,
) -> Posted | KeyTaken:
    """Write one transaction unless its kind is there already (of the call, if it is of one). The caller commits."""
    if call_id is None and ":" not in kind:
        raise ValueError(f"{kind} belongs to no call and bears no key")
    there = await queries.transaction_of(connection, call_id=call_id, kind=kind)
    if there is not None:
        same = sorted((one.account, one.amount_micros) for one in postings) == sorted(there.postings)
        if same and there.corrects_id == corrects_id:
            return Posted(transaction_id=there.id, new=False)
        return KeyTaken(transaction_id=there.id, kind=kind)
    transaction_id = await queries.post(
        connection,
        call_id=call_id,
        kind=kind,
        postings=balanced(postings),
        detail=detail,
        corrects_id=corrects_id,
    )
    return Posted(transaction_id=transaction_id, new=True)
