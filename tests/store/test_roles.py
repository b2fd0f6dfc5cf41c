"""What a process of a node may do in the database, and what it may not."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from store.migrate import upgrade
from store.roles import rights_on
from tests.postgres import as_owner, execute, owner_of

_ADD_ONLY = (
    "ledger_transactions",
    "ledger_postings",
    "ledger_seals",
    "ledger_sealed_transactions",
    "audit_log",
)


@pytest.mark.parametrize("table", _ADD_ONLY)
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM {table}",
        "TRUNCATE {table} CASCADE",
        "ALTER TABLE {table} DISABLE TRIGGER ALL",
        "DROP TABLE {table} CASCADE",
        "SET session_replication_role = replica",
        "SET ROLE postgres",
        "CREATE TRIGGER own BEFORE INSERT ON {table} EXECUTE FUNCTION refuse_change_of_ledger()",
    ],
)
async def test_a_process_only_adds_to_what_is_never_changed(
    engine: AsyncEngine, table: str, statement: str
) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("RESET ROLE"))
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            await connection.execute(text(statement.format(table=table)))


_NOTE = "(actor, via, action, kind, ref{more}) {system} VALUES ('a', 'page', 'change', 'k', '1'{values})"


def noting(more: str, values: str, then: str = "", system: str = "") -> str:
    return "INSERT INTO audit_log " + _NOTE.format(more=more, values=values, system=system) + then


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'somebody else'",
        "MERGE INTO audit_log USING (VALUES (1)) v (id) ON true WHEN MATCHED THEN DELETE",
        "SELECT * FROM audit_log FOR UPDATE",
        noting(", id", ", 1"),
        noting(", id", ", 1", system="OVERRIDING SYSTEM VALUE"),
        noting(", at", ", '2026-01-01'"),
        noting("", "", " ON CONFLICT (id) DO UPDATE SET actor = 'somebody else'"),
        "COPY audit_log (id, at, actor, via, action, kind, ref) FROM STDIN",
        "SELECT setval(pg_get_serial_sequence('audit_log', 'id'), 1)",
        "ALTER SEQUENCE audit_log_id_seq RESTART",
        "ALTER TABLE audit_log DISABLE TRIGGER audit_log_immutable",
        "ALTER TRIGGER audit_log_immutable ON audit_log RENAME TO other",
        "DROP TRIGGER audit_note_unsealed ON audit_log",
        "CREATE OR REPLACE RULE other AS ON INSERT TO audit_log DO INSTEAD NOTHING",
        "CREATE OR REPLACE FUNCTION refuse_change_of_audit_log() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'",
        "ALTER TABLE audit_log ALTER COLUMN at SET DEFAULT '2026-01-01'",
        "UPDATE audit_seals SET entry_count = 0",
        "DELETE FROM audit_sealed_notes",
        "LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE",
    ],
)
async def test_a_process_neither_changes_nor_backdates_what_is_noted(
    engine: AsyncEngine, statement: str
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(noting("", "")))
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
            await connection.execute(text(statement))


async def test_a_process_says_all_of_a_note_but_its_number_and_time(engine: AsyncEngine) -> None:
    query = """SELECT attname FROM pg_attribute WHERE attrelid = 'audit_log'::regclass AND attnum > 0
        AND NOT attisdropped AND NOT has_column_privilege(attrelid, attname, 'INSERT')"""
    async with engine.connect() as connection:
        assert set(await connection.scalars(text(query))) == {"id", "at"}


@pytest.mark.parametrize("listed", ["unsealed_transactions", "unsealed_notes"])
async def test_only_what_is_posted_or_noted_waits_to_be_sealed(engine: AsyncEngine, listed: str) -> None:
    """Listed by hand, what is sealed already counted twice in balances until the next seal."""
    function = {"unsealed_transactions": "note_posted", "unsealed_notes": "note_unsealed"}[listed]
    trigger = (
        "CREATE TRIGGER own AFTER INSERT ON own REFERENCING NEW TABLE AS made FOR EACH STATEMENT"
        f" EXECUTE FUNCTION {function}()"
    )
    for statement in (f"INSERT INTO {listed} VALUES (1)", trigger):
        async with engine.connect() as connection:
            await connection.execute(text("CREATE TEMP TABLE own (id bigint)"))
            with pytest.raises(DBAPIError, match="permission denied"):
                await connection.execute(text(statement))


async def test_what_is_posted_is_listed_whatever_is_named_like_the_list(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        for listed in ("unsealed_transactions", "unsealed_notes", "report_pending"):
            await connection.execute(text(f"CREATE TEMP TABLE {listed} (id bigint)"))
        await connection.execute(text("INSERT INTO ledger_transactions (kind) VALUES ('test')"))
        note = (
            "INSERT INTO audit_log (actor, via, action, kind, ref) VALUES ('a', 'page', 'change', 'k', '1')"
        )
        await connection.execute(text(note))
        for listed in ("unsealed_transactions", "unsealed_notes", "report_pending"):
            assert await connection.scalar(text(f"SELECT count(*) FROM public.{listed}")) == 1


async def test_a_process_cannot_give_itself_more(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("GRANT ALL ON ledger_postings TO tollbridge_app"))
        assert not await connection.scalar(text("SELECT has_table_privilege('ledger_postings', 'UPDATE')"))


async def test_a_process_uses_every_other_table(engine: AsyncEngine) -> None:
    query = """SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')"""
    async with engine.connect() as connection:
        changeable = set(await connection.scalars(text(query)))
        tables = set(
            await connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        )
    assert changeable == {table for table in tables if "UPDATE" in rights_on(table)}
    assert set(_ADD_ONLY).isdisjoint(changeable) and len(changeable) > 60


async def test_a_role_that_is_missing_is_made_with_the_password_of_its_address(
    engine: AsyncEngine, database_url: str
) -> None:
    """A database of one's own: its admin states two addresses, and `prepare` does the rest."""
    url = (
        make_url(database_url)
        .set(username="it's me", password="it's: a secret")
        .render_as_string(hide_password=False)
    )
    try:
        upgrade(owner_of(database_url), url)
        upgrade(owner_of(database_url), url)
        async with as_owner(engine) as connection:
            rights = "SELECT has_table_privilege('it''s me', 'ledger_postings', 'INSERT, UPDATE')"
            may_add = await connection.scalar(text(rights.replace(", UPDATE", "")))
            may_change = await connection.scalar(text(rights.replace("INSERT, ", "")))
            kept = await connection.scalar(
                text("SELECT rolpassword FROM pg_authid WHERE rolname = 'it''s me'")
            )
        assert (may_add, may_change) == (True, False)
        assert str(kept).startswith("SCRAM-SHA-256")
    finally:
        execute(database_url, 'DROP OWNED BY "it\'s me"; DROP ROLE "it\'s me"')


async def test_rights_that_somebody_widened_are_narrowed_at_the_next_start(
    engine: AsyncEngine, database_url: str
) -> None:
    execute(database_url, "GRANT ALL ON ledger_postings TO tollbridge_app")
    upgrade(owner_of(database_url), database_url)
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="permission denied"):
            await connection.execute(text("UPDATE ledger_postings SET amount_micros = 1"))
