"""Who owns the database rewrites it behind the house's back. `ledger verify` must notice each of these.

Made when a play is over: nothing that comes after would mean anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.verify import verify_ledger
from tests.adversaries.draw import Draw
from tests.adversaries.house import House
from tests.postgres import as_owner
from tests.sealing import seal, sealer_at, trust_in

Deed = Callable[[House], Awaitable[bool]]
"""Returns whether there was something to change."""

_BEHIND_THE_BACK = text("SET LOCAL session_replication_role = replica")
_NEWEST_CHARGE = """
    SELECT t.id FROM ledger_transactions t JOIN ledger_postings p ON p.transaction_id = t.id
    JOIN ledger_sealed_transactions s ON s.transaction_id = t.id
    WHERE t.kind = 'settlement' AND p.account LIKE 'buyer:%' AND p.amount_micros > 0 ORDER BY t.id DESC LIMIT 1
"""


async def lowers_a_charge(house: House) -> bool:
    """A dollar less from the buyer and a dollar less of revenue: the transaction balances."""
    return await _lower_a_charge(house)


async def lowers_a_charge_and_seals_anew(house: House) -> bool:
    """The same, with the whole chain made again under another key."""
    if not await _lower_a_charge(house):
        return False
    async with as_owner(house.engine) as connection:
        await connection.execute(_BEHIND_THE_BACK)
        for statement in (
            "INSERT INTO unsealed_transactions (transaction_id) SELECT transaction_id FROM ledger_sealed_transactions"
            " ON CONFLICT DO NOTHING",
            "DELETE FROM ledger_sealed_transactions",
            "DELETE FROM ledger_evidence",
            "DELETE FROM ledger_seals",
        ):
            await connection.execute(text(statement))
    thief = sealer_at(house.folder / "thief", "thief")
    while await seal(house.engine, thief):
        pass
    return True


async def cuts_the_tail(house: House) -> bool:
    """The newest batch and all it holds was never there."""
    async with as_owner(house.engine) as connection:
        await connection.execute(_BEHIND_THE_BACK)
        batch = await connection.scalar(text("SELECT max(batch) FROM ledger_seals"))
        if batch is None:
            return False
        values = {"batch": batch}
        gone = "(SELECT transaction_id FROM ledger_sealed_transactions WHERE batch = :batch)"
        for statement in (
            f"DELETE FROM ledger_postings WHERE transaction_id IN {gone}",
            f"DELETE FROM ledger_transactions WHERE id IN {gone}",
            "DELETE FROM ledger_sealed_transactions WHERE batch = :batch",
            "DELETE FROM ledger_seals WHERE batch = :batch",
        ):
            await connection.execute(text(statement), values)
    return True


async def forgets_why_a_call_was_paid(house: House) -> bool:
    """The call says that it was too short."""
    async with as_owner(house.engine) as connection:
        await connection.execute(_BEHIND_THE_BACK)
        done = await connection.execute(
            text(
                "UPDATE calls SET conversion = jsonb_set(conversion, '{connected_ms}', '1')"
                " WHERE id = (SELECT id FROM calls WHERE converted ORDER BY id LIMIT 1)"
            )
        )
    return bool(done.rowcount)


async def changes_a_decision(house: House) -> bool:
    async with as_owner(house.engine) as connection:
        await connection.execute(_BEHIND_THE_BACK)
        done = await connection.execute(
            text(
                "UPDATE decisions SET decision = jsonb_set(decision, '{why}', '\"because\"') WHERE call_id ="
                " (SELECT id FROM calls WHERE converted ORDER BY id LIMIT 1)"
            )
        )
    return bool(done.rowcount)


async def _lower_a_charge(house: House) -> bool:
    async with as_owner(house.engine) as connection:
        await connection.execute(_BEHIND_THE_BACK)
        transaction_id = await connection.scalar(text(_NEWEST_CHARGE))
        if transaction_id is None:
            return False
        for account, change in (("buyer:%", -1_000_000), ("revenue", 1_000_000)):
            await connection.execute(
                text(
                    "UPDATE ledger_postings SET amount_micros = amount_micros + :change"
                    " WHERE transaction_id = :id AND account LIKE :account"
                ),
                {"change": change, "id": transaction_id, "account": account},
            )
    return True


DEEDS: tuple[Deed, ...] = (
    lowers_a_charge,
    lowers_a_charge_and_seals_anew,
    cuts_the_tail,
    forgets_why_a_call_was_paid,
    changes_a_decision,
)


async def rewrites(house: House, draw: Draw) -> list[str]:
    """Do one deed; return what is wrong: it went unnoticed."""
    deed = draw.pick(DEEDS)
    if not await deed(house):
        return []
    found = await verify_ledger(house.engine, trust_in(house.sealer))
    return [f"{deed.__name__} went unnoticed"] if found.holds else []


async def tries_as_the_application(house: House) -> list[str]:
    """Change the ledger by the rights that the house's own processes have; return what went through."""
    through = []
    for statement in (
        "UPDATE ledger_postings SET amount_micros = 0",
        "DELETE FROM ledger_transactions",
        "UPDATE ledger_seals SET root = previous_root",
        "ALTER TABLE ledger_postings DISABLE TRIGGER ALL",
        "TRUNCATE ledger_postings CASCADE",
        "DELETE FROM audit_log",
    ):
        if await _may(house, statement):
            through.append(f"the application may: {statement}")
    return through


async def _may(house: House, statement: str) -> bool:
    async def run(connection: AsyncConnection) -> None:
        await connection.execute(text(statement))

    try:
        async with house.engine.connect() as connection:
            await run(connection)
            await connection.rollback()
    except DBAPIError:
        return False
    return True
