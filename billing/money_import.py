"""Records payments and adjustments, one or a file of them: all of it or nothing, and a preview that is the same work.

The preview does everything and takes it back, so that it finds what writing would find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing import money_queries as queries
from billing.adjustments import Adjustment
from billing.money_file import MoneyFileError, MoneyRow, read_money_file
from billing.payments import Direction, Payment
from billing.post_adjustment import AdjustmentRefused, post_adjustment
from billing.post_once import KeyTaken, Posted
from billing.record_payment import PaymentRefused, record_payment
from billing.terms_document import Party


class FileKind(StrEnum):
    """What the rows of a file are."""

    PAYMENTS = "payments"
    ADJUSTMENTS = "adjustments"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was done, or would be."""

    new: int
    known: int
    """Rows that were posted before, by their keys."""
    to_buyers_micros: int
    to_publishers_micros: int
    written: bool


@dataclass(frozen=True, kw_only=True)
class ImportRefused:
    """Nothing was written; each problem names its line."""

    problems: tuple[str, ...]


class _TakeBack(Exception):
    """Ends a transaction of which nothing is to stay."""


async def import_money(
    engine: AsyncEngine, data: bytes, kind: FileKind, *, write: bool
) -> Imported | ImportRefused:
    """Post every row of a CSV file, in one transaction; without `write` only say what would be posted.

    Raises what the database raises; nothing is written then.
    """
    try:
        rows = read_money_file(data, negative=kind is FileKind.ADJUSTMENTS)
    except MoneyFileError as error:
        return ImportRefused(problems=error.problems)
    problems: list[str] = []
    done: list[tuple[MoneyRow, bool]] = []
    try:
        async with engine.begin() as connection:
            await _post_all(connection, rows, kind, problems, done)
            if problems or not write:
                raise _TakeBack
    except _TakeBack:
        if problems:
            return ImportRefused(problems=tuple(problems[:100]))
    return _summary(done, written=write)


async def _post_all(
    connection: AsyncConnection,
    rows: Sequence[MoneyRow],
    kind: FileKind,
    problems: list[str],
    done: list[tuple[MoneyRow, bool]],
) -> None:
    owners = await queries.parties(connection)
    # Wallets' rows are locked at commit in the order of the postings: the same order for everybody.
    for row in sorted(rows, key=lambda one: (one.party, owners.get((one.party, one.name), (0, False))[0])):
        owner = owners.get((row.party, row.name))
        if owner is None:
            problems.append(f"line {row.line}, name: there is no {row.party} called {row.name!r}")
            continue
        posted = await _post_row(connection, row, kind, owner, problems)
        if isinstance(posted, PaymentRefused):
            problems.append(f"line {row.line}, key: {posted.reason}")
        elif isinstance(posted, AdjustmentRefused):
            problems.append(f"line {row.line}, amount: {posted.reason}")
        elif isinstance(posted, KeyTaken):
            problems.append(
                f"line {row.line}, key: {row.key!r} was posted before with other amounts"
                f" (transaction {posted.transaction_id})"
            )
        elif posted is not None:
            done.append((row, posted.new))


async def _post_row(
    connection: AsyncConnection,
    row: MoneyRow,
    kind: FileKind,
    owner: tuple[int, bool],
    problems: list[str],
) -> Posted | PaymentRefused | AdjustmentRefused | KeyTaken | None:
    party_id, prepaid = owner
    if kind is FileKind.PAYMENTS:
        direction = Direction.TOP_UP if row.party is Party.BUYER else Direction.PAY_OUT
        return await record_payment(
            connection,
            Payment(
                direction=direction,
                party_id=party_id,
                amount_micros=row.amount_micros,
                key=row.key,
                note=row.note,
            ),
        )
    call_id = None
    if row.call:
        call_id = await queries.call_of(connection, row.call)
        if call_id is None:
            problems.append(f"line {row.line}, call: there is no call {row.call!r}")
            return None
    return await post_adjustment(
        connection,
        Adjustment(
            party=row.party,
            party_id=party_id,
            amount_micros=row.amount_micros,
            key=row.key,
            reason=row.note,
            call_id=call_id,
            prepaid=prepaid,
        ),
    )


def _summary(done: Sequence[tuple[MoneyRow, bool]], *, written: bool) -> Imported:
    new = [row for row, is_new in done if is_new]
    return Imported(
        new=len(new),
        known=len(done) - len(new),
        to_buyers_micros=sum(row.amount_micros for row in new if row.party is Party.BUYER),
        to_publishers_micros=sum(row.amount_micros for row in new if row.party is Party.PUBLISHER),
        written=written,
    )
