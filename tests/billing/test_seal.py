"""Chains that are signed: what whoever owns the database can do to them, and what shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.findings import Problem
from billing.ledger import Posting
from billing.ledger_queries import post
from billing.roots_file import RootsFolder
from billing.seal import ChainForked, Sealer
from billing.seal_queries import AUDIT, LEDGER, Chain
from billing.verify import NewestRoot, verify_ledger
from billing.verify_chain import ExpectedRoot, Trust, read_expected
from store.tables import audit_log
from tests.postgres import as_owner
from tests.sealing import seal, seal_all, sealer_at, trust_in

PAY_MORE = (
    "UPDATE ledger_postings SET amount_micros = amount_micros * 2 WHERE transaction_id = 2",
    "UPDATE sealed_balances SET amount_micros = amount_micros + CASE account WHEN 'payout' THEN 5 ELSE -5 END",
)
CUT_LEDGER = (
    "DELETE FROM ledger_sealed_transactions WHERE batch = 3",
    "DELETE FROM ledger_seals WHERE batch = 3",
    "DELETE FROM ledger_postings WHERE transaction_id > 4",
    "DELETE FROM ledger_transactions WHERE id > 4",
    "UPDATE sealed_balances SET amount_micros = amount_micros * 4 / 6",
)
CUT_AUDIT = (
    "DELETE FROM audit_sealed_notes WHERE batch = 3",
    "DELETE FROM audit_seals WHERE batch = 3",
    "DELETE FROM audit_log WHERE id > 4",
)


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return sealer_at(tmp_path / "roots")


@pytest.fixture
async def books(engine: AsyncEngine, sealer: Sealer) -> AsyncEngine:
    """Six transactions of 5 micros and six notes, sealed in batches of two."""
    await add_to(engine, 6)
    await seal_all(engine, sealer, 2)
    return engine


async def add_to(engine: AsyncEngine, count: int) -> None:
    postings = (
        Posting(account="payout", amount_micros=5),
        Posting(account="publisher:1:payable", amount_micros=-5),
    )
    note = {
        "actor": "ada",
        "via": "page",
        "action": "change",
        "kind": "buyers",
        "ref": "1",
        "after": {"a": 1},
    }
    async with engine.begin() as connection:
        for _ in range(count):
            await post(connection, call_id=None, kind="test", postings=postings, detail={})
            await connection.execute(audit_log.insert(), note)


async def tamper(engine: AsyncEngine, *statements: str) -> None:
    async with as_owner(engine) as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            await connection.execute(text(statement))


async def seal_again(engine: AsyncEngine, chain: Chain, folder: Path, name: str) -> None:
    """Make the whole chain new, as whoever has the database and the program can, with a key of that name."""
    waiting = f"INSERT INTO {chain.waiting} SELECT {chain.key} FROM {chain.members} ORDER BY 1"
    balances = ("DELETE FROM sealed_balances",) if chain is LEDGER else ()
    await tamper(engine, waiting, f"DELETE FROM {chain.members}", f"DELETE FROM {chain.seals}", *balances)
    while await seal(engine, sealer_at(folder, name), 2, chain=chain):
        pass


async def problems(engine: AsyncEngine, trust: Trust) -> set[Problem]:
    return {finding.problem for finding in (await verify_ledger(engine, trust)).findings}


async def test_what_is_sealed_holds_and_its_newest_roots_are_told(books: AsyncEngine, sealer: Sealer) -> None:
    found = await verify_ledger(books, trust_in(sealer))
    assert (found.findings, found.batches, found.transactions, found.notes) == ((), 3, 6, 6)
    noted = [read_expected(str(root)) for root in found.roots]
    assert [(one.chain, one.batch) for one in noted] == [("ledger", 3), ("audit", 3)]
    await add_to(books, 2)
    await seal_all(books, sealer)
    later = await verify_ledger(books, trust_in(sealer, *noted))
    assert (later.findings, [root.batch for root in later.roots]) == ((), [4, 4])


async def test_changed_postings_with_seals_made_new_are_found(
    books: AsyncEngine, sealer: Sealer, tmp_path: Path
) -> None:
    await tamper(books, *PAY_MORE)
    await seal_again(books, LEDGER, tmp_path / "forged", "the owner's own key")
    assert await problems(books, Trust()) == set(), (
        "held against itself the forged chain is as good as the other"
    )
    # A machine that has the key alone, and one that has the written roots alone.
    assert await problems(books, Trust(known_keys=sealer.known_keys)) == {Problem.NOT_SIGNED}
    files = trust_in(sealer).files
    assert await problems(books, Trust(files=files)) == {Problem.NOT_AS_WRITTEN_DOWN}


async def test_seals_made_new_under_the_old_key_and_signatures_are_found(
    books: AsyncEngine, sealer: Sealer, tmp_path: Path
) -> None:
    await tamper(books, "CREATE TABLE kept AS SELECT * FROM ledger_seals", *PAY_MORE)
    await seal_again(books, LEDGER, tmp_path / "forged", "the owner's own key")
    await tamper(
        books,
        "UPDATE ledger_seals s SET public_key = k.public_key, signature = k.signature, sealed_at = k.sealed_at"
        " FROM kept k WHERE k.batch = s.batch",
    )
    found = await verify_ledger(books, Trust(known_keys=sealer.known_keys))
    assert {finding.detail for finding in found.findings} == {
        f"batch {batch} of the ledger chain is not what was signed" for batch in (1, 2, 3)
    }


@pytest.mark.parametrize(("chain", "cut"), [(LEDGER, CUT_LEDGER), (AUDIT, CUT_AUDIT)])
async def test_a_cut_tail_is_found_by_the_written_roots_or_by_a_noted_one(
    books: AsyncEngine, sealer: Sealer, chain: Chain, cut: tuple[str, ...]
) -> None:
    noted = [
        read_expected(str(root)) for root in (await verify_ledger(books)).roots if root.chain == chain.name
    ]
    await tamper(books, *cut)
    assert await problems(books, Trust(known_keys=sealer.known_keys)) == set()
    found = await verify_ledger(books, trust_in(sealer))
    assert [finding.detail for finding in found.findings] == [
        f"the {chain.name} chain ends with batch 2, and batch 3 was signed: its tail was cut"
    ]
    assert await problems(books, Trust(expected=noted)) == {Problem.NOT_AS_EXPECTED}


async def test_a_tail_that_was_cut_is_not_signed_over(books: AsyncEngine, sealer: Sealer) -> None:
    """The node's own key would make the forgery good: it signs no batch a second time."""
    await tamper(books, *CUT_LEDGER)
    await add_to(books, 2)
    with pytest.raises(ChainForked, match=r"batch 3 of the ledger chain, .* is not in the database any more"):
        await seal(books, sealer)
    assert await seal(books, sealer, chain=AUDIT) == 2, "the other chain goes on"
    kept = sealer.roots.file("ledger")
    kept.rename(kept.with_suffix(".before-the-copy"))
    assert await seal(books, sealer) == 2, "restored from a copy, on purpose"


async def test_a_chain_that_was_made_new_is_not_signed_on(
    books: AsyncEngine, sealer: Sealer, tmp_path: Path
) -> None:
    await tamper(books, *PAY_MORE)
    await seal_again(books, LEDGER, tmp_path / "forged", "the owner's own key")
    with pytest.raises(ChainForked, match="is another now"):
        await seal(books, sealer)


async def test_a_note_that_was_changed_or_taken_out_is_found(books: AsyncEngine, sealer: Sealer) -> None:
    await tamper(books, "UPDATE audit_log SET after = '{\"a\": 2}' WHERE id = 3")
    assert await problems(books, trust_in(sealer)) == {Problem.BATCH_CHANGED}
    await tamper(books, "DELETE FROM audit_log WHERE id = 3")
    assert await problems(books, trust_in(sealer)) == {Problem.TRANSACTION_MISSING}


async def test_rows_that_are_taken_off_the_list_are_found(books: AsyncEngine, sealer: Sealer) -> None:
    """The application itself may empty its lists; nothing is sealed then, and that shows."""
    await add_to(books, 1)
    async with books.begin() as connection:
        await connection.execute(text("DELETE FROM unsealed_transactions"))
        await connection.execute(text("DELETE FROM unsealed_notes"))
    await seal_all(books, sealer)
    await tamper(
        books,
        "UPDATE ledger_transactions SET posted_at = posted_at - interval '2 minutes' WHERE id = 7",
        "UPDATE audit_log SET at = at - interval '2 minutes' WHERE id = 7",
    )
    details = [finding.detail for finding in (await verify_ledger(books, trust_in(sealer))).findings]
    assert details == [
        "1 transactions older than 60 s are not sealed",
        "1 notes of the audit log older than 60 s are not sealed",
    ]


@pytest.mark.parametrize("stray", [1, 999_999])
async def test_what_is_sealed_or_never_was_there_is_taken_off_the_list_and_stops_nobody(
    books: AsyncEngine, sealer: Sealer, stray: int
) -> None:
    async with as_owner(books) as connection:
        await connection.execute(text("INSERT INTO unsealed_transactions VALUES (:id)"), {"id": stray})
    await add_to(books, 1)
    for _ in range(3):
        await seal(books, sealer, 1)
    assert await seal(books, sealer) == 0
    found = await verify_ledger(books, trust_in(sealer))
    assert (found.holds, found.batches, found.unsealed) == (True, 4, 0)
    async with books.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM unsealed_transactions")) == 0


async def test_what_was_sealed_before_a_kill_is_written_down_by_the_next(
    engine: AsyncEngine, sealer: Sealer
) -> None:
    await add_to(engine, 3)
    assert await seal(engine, sealer, 2) == 2
    assert sealer.roots.last("ledger") is None
    sealer.roots.path.mkdir()
    sealer.roots.file("ledger").write_text('{"chain":"ledger","ba')
    assert await seal(engine, sealer, 2) == 1
    first = sealer.roots.last("ledger")
    assert first is not None and first.seal.batch == 1
    await seal_all(engine, sealer)
    lines = sealer.roots.file("ledger").read_text().splitlines()
    assert (len(lines), lines[0][-4:]) == (3, ',"ba')
    assert (await verify_ledger(engine, trust_in(sealer))).holds


async def test_two_nodes_seal_by_turns_and_each_writes_down_what_it_saw(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    one, other = sealer_at(tmp_path / "a", "a", knows=("b",)), sealer_at(tmp_path / "b", "b", knows=("a",))
    await add_to(engine, 1)
    await seal_all(engine, one)
    for sealer in (other, other, one):
        await add_to(engine, 1)
        await seal(engine, sealer)
    for sealer in (one, other):
        await seal_all(engine, sealer)
        last = sealer.roots.last("ledger")
        assert last is not None and last.seal.batch == 4
        assert (await verify_ledger(engine, trust_in(sealer))).holds
    assert len(one.roots.file("ledger").read_text().splitlines()) == 4


async def test_a_stranger_who_seals_is_not_followed(
    books: AsyncEngine, sealer: Sealer, tmp_path: Path
) -> None:
    """Somebody with the application's own rights starts a node of their own."""
    await add_to(books, 1)
    assert await seal(books, sealer_at(tmp_path / "stranger", "stranger", knows=("a",))) == 1
    await add_to(books, 1)
    assert await seal(books, sealer) == 1, "and does not stop us"
    assert await seal(books, sealer) == 0
    found = await verify_ledger(books, trust_in(sealer))
    assert [finding.detail.split(",")[0] for finding in found.findings] == [
        "batch 4 of the ledger chain is signed by a key that is not known here"
    ]
    assert [root.batch for root in found.roots] == [5, 3], "its own batch follows the third"
    nobody = sealer_at(tmp_path / "nobody", "nobody")
    with pytest.raises(ChainForked, match="no batch is signed by a key that is"):
        await seal(books, nobody)


STRAY = (
    "INSERT INTO ledger_seals SELECT :batch, previous_root, root, 0, sealed_at, salt, public_key, signature"
    " FROM ledger_seals WHERE batch = 3"
)


@pytest.mark.parametrize("number", [4, 9, 2**62])
async def test_a_seal_that_the_application_adds_stops_nobody_and_is_found(
    books: AsyncEngine, sealer: Sealer, tmp_path: Path, number: int
) -> None:
    async with books.begin() as connection:
        await connection.execute(text(STRAY), {"batch": number})
    for count in (1, 2):
        await add_to(books, 1)
        await seal_all(books, sealer)
        found = await verify_ledger(books, trust_in(sealer))
        assert [finding.detail for finding in found.findings] == [
            f"batch {number} of the ledger chain is not what was signed"
        ]
        assert (found.unsealed, found.batches) == (0, 4 + count)
    again = sealer_at(tmp_path / "without a file")
    await add_to(books, 1)
    await seal_all(books, again)
    assert {one.batch for one in (await verify_ledger(books, trust_in(again))).findings} == {number}


@pytest.mark.parametrize(
    "garbage",
    [
        "INSERT INTO ledger_transactions (kind, posted_at) VALUES ('x:1', 'infinity')",
        "INSERT INTO ledger_transactions (kind, posted_at) VALUES ('x:1', '294276-01-01')",
        "INSERT INTO ledger_transactions (id, kind) OVERRIDING SYSTEM VALUE VALUES (-7, 'x:1')",
        "INSERT INTO audit_log (actor, via, action, kind, ref, at) VALUES ('x', 'x', 'x', 'x', '1', 'infinity')",
    ],
)
async def test_a_row_that_no_clock_and_no_counter_gives_is_sealed_like_others(
    books: AsyncEngine, sealer: Sealer, garbage: str
) -> None:
    async with as_owner(books) as connection:
        await connection.execute(text(garbage))
    await seal_all(books, sealer)
    assert (await verify_ledger(books, trust_in(sealer))).findings == ()


async def test_roots_from_elsewhere_are_compared_too(
    books: AsyncEngine, sealer: Sealer, tmp_path: Path
) -> None:
    """What was shipped away before the disk here was written over."""
    shipped = RootsFolder(path=tmp_path / "shipped")
    shipped.path.mkdir()
    for chain in (LEDGER, AUDIT):
        shipped.file(chain.name).write_bytes(sealer.roots.file(chain.name).read_bytes())
        sealer.roots.file(chain.name).unlink()
    await tamper(books, *CUT_LEDGER)
    files = {"ledger": [sealer.roots.file("ledger"), shipped.file("ledger")]}
    assert await problems(books, Trust(known_keys=sealer.known_keys, files=files)) == {Problem.TAIL_CUT}


@pytest.mark.parametrize("said", ["", "7", "7:ab", "x:" + "a" * 64, "other:7:" + "a" * 64, "7:" + "g" * 64])
def test_what_is_no_root_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match=r"BATCH:ROOT|hexadecimal"):
        read_expected(said)


def test_a_root_is_read_as_it_is_printed() -> None:
    for chain in ("ledger", "audit"):
        printed = str(NewestRoot(chain=chain, batch=7, root="ab" * 32))
        assert read_expected(printed) == ExpectedRoot(chain=chain, batch=7, root=b"\xab" * 32)
