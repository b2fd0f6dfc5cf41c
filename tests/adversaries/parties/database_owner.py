"""Who owns the database rewrites it behind the house's back. `ledger verify` must notice each of these.

Made when a play is over: nothing that comes after would mean anything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.seal_queries import LEDGER
from billing.verify import verify_ledger
from billing.verify_chain import ExpectedRoot, read_expected
from tests.adversaries.contracts import DOLLAR, PLAIN
from tests.adversaries.draw import Draw
from tests.adversaries.house import House
from tests.postgres import as_owner
from tests.sealing import seal, sealer_at, trust_in

Deed = Callable[[House], Awaitable[bool | ExpectedRoot]]
"""Returns whether there was something to change, or the newest root as somebody had noted it before."""

_BEHIND_THE_BACK = text("SET LOCAL session_replication_role = replica")
_NEWEST_CHARGE = """
    SELECT t.id FROM ledger_transactions t JOIN ledger_postings p ON p.transaction_id = t.id
    JOIN ledger_sealed_transactions s ON s.transaction_id = t.id
    WHERE t.kind = 'settlement' AND p.account LIKE 'buyer:%' AND p.amount_micros > 0 ORDER BY t.id DESC LIMIT 1
"""


async def lowers_a_charge(house: House) -> bool:
    """A dollar less from the buyer and a dollar less of revenue: the transaction balances."""
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


async def halves_a_wire_and_seals_anew(house: House) -> bool:
    """In the wallet, too, and with the whole chain made again under another key."""
    await house.cash.top_up(PLAIN.name, DOLLAR, "a wire that is halved")
    values = {"buyer": house.ids.buyers[PLAIN.name], "half": DOLLAR // 2}
    wire = "(SELECT max(id) FROM ledger_transactions)"
    async with as_owner(house.engine) as connection:
        await connection.execute(_BEHIND_THE_BACK)
        for statement in (
            f"UPDATE ledger_postings SET amount_micros = sign(amount_micros) * :half WHERE transaction_id = {wire}",
            "UPDATE wallets SET owed_micros = owed_micros + :half WHERE buyer_id = :buyer",
            "INSERT INTO unsealed_transactions (transaction_id) SELECT id FROM ledger_transactions"
            " ON CONFLICT DO NOTHING",
            "DELETE FROM ledger_sealed_transactions",
            "DELETE FROM ledger_evidence",
            "DELETE FROM ledger_seals",
            "DELETE FROM sealed_balances",
        ):
            await connection.execute(text(statement), values)
    thief = sealer_at(house.folder / "thief", "thief")
    while await seal(house.engine, thief):
        pass
    return True


async def cuts_the_tail(house: House) -> ExpectedRoot:
    """The newest batch and all it holds, a wire that was paid in, was never there: not in the wallet either."""
    await house.cash.top_up(PLAIN.name, DOLLAR, "the last wire")
    await house.worker.seal()
    (noted,) = [one for one in (await verify_ledger(house.engine)).roots if one.chain == LEDGER.name]
    async with as_owner(house.engine) as connection:
        await connection.execute(_BEHIND_THE_BACK)
        batch = await connection.scalar(text("SELECT max(batch) FROM ledger_seals"))
        values = {"batch": batch, "buyer": house.ids.buyers[PLAIN.name], "amount": DOLLAR}
        gone = "(SELECT transaction_id FROM ledger_sealed_transactions WHERE batch = :batch)"
        for statement in (
            "UPDATE sealed_balances b SET amount_micros = b.amount_micros - p.amount FROM (SELECT account,"
            f" sum(amount_micros)::bigint AS amount FROM ledger_postings WHERE transaction_id IN {gone}"
            " GROUP BY 1) p WHERE p.account = b.account",
            f"DELETE FROM ledger_postings WHERE transaction_id IN {gone}",
            f"DELETE FROM ledger_evidence WHERE transaction_id IN {gone}",
            f"DELETE FROM ledger_transactions WHERE id IN {gone}",
            "DELETE FROM ledger_sealed_transactions WHERE batch = :batch",
            "DELETE FROM ledger_seals WHERE batch = :batch",
            "UPDATE wallets SET owed_micros = owed_micros + :amount WHERE buyer_id = :buyer",
        ):
            await connection.execute(text(statement), values)
    return read_expected(str(noted))


async def cuts_the_tail_and_the_written_roots(house: House) -> ExpectedRoot:
    """The same, on the machine that keeps the roots as well: only who noted the newest root can tell."""
    noted = await cuts_the_tail(house)
    file = house.sealer.roots.file(LEDGER.name)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    return noted


async def changes_who_changed_what(house: House) -> bool:
    async with as_owner(house.engine) as connection:
        await connection.execute(_BEHIND_THE_BACK)
        done = await connection.execute(
            text("UPDATE audit_log SET actor = 'bob' WHERE id = (SELECT max(id) FROM audit_log)")
        )
    return bool(done.rowcount)


async def takes_a_note_out_of_the_audit_log(house: House) -> bool:
    async with as_owner(house.engine) as connection:
        await connection.execute(_BEHIND_THE_BACK)
        done = await connection.execute(
            text("DELETE FROM audit_log WHERE id = (SELECT min(id) FROM audit_log)")
        )
    return bool(done.rowcount)


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


DEEDS: tuple[Deed, ...] = (
    lowers_a_charge,
    halves_a_wire_and_seals_anew,
    cuts_the_tail,
    forgets_why_a_call_was_paid,
    changes_a_decision,
    changes_who_changed_what,
    takes_a_note_out_of_the_audit_log,
    cuts_the_tail_and_the_written_roots,
)


async def rewrites(house: House, draw: Draw) -> list[str]:
    """Do one deed; return what is wrong: it went unnoticed by who has the key, the roots and a note of the newest."""
    deed = draw.pick(DEEDS)
    done = await deed(house)
    if not done:
        return []
    noted = (done,) if deed is cuts_the_tail_and_the_written_roots and isinstance(done, ExpectedRoot) else ()
    found = await verify_ledger(house.engine, trust_in(house.sealer, *noted))
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
        "DELETE FROM ledger_sealed_transactions",
        "DELETE FROM ledger_evidence",
        "DELETE FROM audit_seals",
    ):
        if await _may(house, statement):
            through.append(f"the application may: {statement}")
    return through


_NO_RIGHT = "42501"


async def _may(house: House, statement: str) -> bool:
    """Whether the right is there. What only a trigger refuses counts: that wall falls to anyone who owns the table."""

    async def run(connection: AsyncConnection) -> None:
        await connection.execute(text(statement))

    try:
        async with house.engine.connect() as connection:
            await run(connection)
            await connection.rollback()
    except DBAPIError as refused:
        return getattr(refused.orig, "sqlstate", None) != _NO_RIGHT
    return True
