"""Records payments and adjustments, one or a file of them: a file that is wrong anywhere is not begun.

The preview does everything and takes it back, so that it finds what writing would find; writing begins with it. Both go
through the file in transactions of some hundred rows: what PostgreSQL and we keep of them does not grow with the file.
An import that breaks goes on when it is run again, for each key is posted once.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import BinaryIO

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from billing import money_queries as queries
from billing.adjustments import Adjustment
from billing.money_file import MAXIMUM_PROBLEMS, MoneyFileError, MoneyRow, read_money_file
from billing.payments import Direction, Payment
from billing.post_adjustment import AdjustmentRefused, post_adjustment
from billing.post_once import KeyTaken, Posted
from billing.record_payment import PaymentRefused, record_payment
from billing.terms_document import Party

CHUNK_ROWS = 500
"""Rows of a transaction: each key is a lock until it ends, and PostgreSQL has room for some thousand."""
PROGRESS_ROWS = 5_000
Owners = Mapping[tuple[Party, str], tuple[int, bool]]


class FileKind(StrEnum):
    """What the rows of a file are."""

    PAYMENTS = "payments"
    ADJUSTMENTS = "adjustments"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was done, or would be."""

    new: int = 0
    known: int = 0
    """Rows that were posted before, by their keys."""
    to_buyers_micros: int = 0
    to_publishers_micros: int = 0
    written: bool


@dataclass(frozen=True, kw_only=True)
class ImportRefused:
    """Each problem names its line."""

    problems: tuple[str, ...]
    posted: int = 0
    """Rows that stand: nothing, unless somebody took a key of the file between its check and its writing."""


class _TakeBack(Exception):
    """Ends a transaction of which nothing is to stay."""


async def import_money(
    engine: AsyncEngine,
    data: bytes | BinaryIO,
    kind: FileKind,
    *,
    write: bool,
    progress: Callable[[str], None] = lambda text: None,
) -> Imported | ImportRefused:
    """Check every row of a CSV file and, with `write`, post them when none is wrong.

    Raises what the database raises; the rows that `progress` told of as posted stand, and the same file goes on there.
    """
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    checked = await _go_through(engine, file, kind, write=False, progress=progress)
    if isinstance(checked, ImportRefused) or not write:
        return checked
    return await _go_through(engine, file, kind, write=True, progress=progress)


async def _go_through(
    engine: AsyncEngine, file: BinaryIO, kind: FileKind, *, write: bool, progress: Callable[[str], None]
) -> Imported | ImportRefused:
    async with engine.connect() as connection:
        owners = await queries.parties(connection)
    rows = read_money_file(file, negative=kind is FileKind.ADJUSTMENTS)
    done, problems = Imported(written=write), list[str]()
    try:
        while chunk := list(islice(rows, CHUNK_ROWS)):
            found = await _post_chunk(engine, chunk, kind, owners, problems, write=write)
            done = done if problems else _with(done, found)
            if len(problems) >= MAXIMUM_PROBLEMS or (problems and write):
                break
            if not problems and (done.new + done.known) % PROGRESS_ROWS == 0:
                progress(f"{done.new + done.known:,} rows {'posted' if write else 'checked'}")
    except MoneyFileError as error:
        problems += error.problems
    if problems:
        return ImportRefused(problems=tuple(problems[:MAXIMUM_PROBLEMS]), posted=done.new if write else 0)
    return done


async def _post_chunk(
    engine: AsyncEngine,
    rows: Sequence[MoneyRow],
    kind: FileKind,
    owners: Owners,
    problems: list[str],
    *,
    write: bool,
) -> Sequence[tuple[MoneyRow, bool]]:
    """Post some rows in a transaction; take them back where that is not wanted, or a row is wrong."""
    done: list[tuple[MoneyRow, bool]] = []
    try:
        async with engine.begin() as connection:
            await _post_all(connection, rows, kind, owners, problems, done)
            if problems or not write:
                raise _TakeBack
    except _TakeBack:
        pass
    return done


async def _post_all(
    connection: AsyncConnection,
    rows: Sequence[MoneyRow],
    kind: FileKind,
    owners: Owners,
    problems: list[str],
    done: list[tuple[MoneyRow, bool]],
) -> None:
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


def _with(before: Imported, done: Sequence[tuple[MoneyRow, bool]]) -> Imported:
    new = [row for row, is_new in done if is_new]
    to_buyers = sum(row.amount_micros for row in new if row.party is Party.BUYER)
    return replace(
        before,
        new=before.new + len(new),
        known=before.known + len(done) - len(new),
        to_buyers_micros=before.to_buyers_micros + to_buyers,
        to_publishers_micros=before.to_publishers_micros + sum(row.amount_micros for row in new) - to_buyers,
    )
