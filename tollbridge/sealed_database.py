"""A database and the keys that seal it belong together: found out before anything is sealed or opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store.key_ring import KeyRing, key_ring
from store.session import open_engine
from store.tables import sealing_nodes, sealing_ring
from tollbridge.faults import CannotRun
from tollbridge.lines_source import DATABASE_FAULTS
from tollbridge.sealing_keys import make_sealing_keys, sealing_keys_file, sealing_keys_of
from tollbridge.settings import PREFIX, Settings


@dataclass(frozen=True, kw_only=True)
class RingMark:
    """What a database knows of its ring: the index key's fingerprint, and the newest key's id."""

    fingerprint: bytes
    newest: bytes


@dataclass(frozen=True, kw_only=True)
class NodeKeys:
    """Which keys a node said it has, and when."""

    node: str
    newest: bytes
    known: frozenset[bytes]
    seen_at: datetime


async def keys_at(owner_url: str, settings: Settings) -> KeyRing:
    """Return the node's keys as `keys_for` does, for the database at a URL. Raises CannotRun."""
    engine = open_engine(owner_url, application_name="tollbridge-up", pool_size=1)
    try:
        return await keys_for(engine, settings)
    finally:
        await engine.dispose()


async def keys_for(engine: AsyncEngine, settings: Settings) -> KeyRing:
    """Return the node's keys, made when nothing is sealed yet. Raises CannotRun when they are not this database's.

    While the database is away they have to be there: who could say that nothing is sealed?
    """
    try:
        async with engine.connect() as connection:
            mark = await read_mark(connection)
    except DATABASE_FAULTS:
        return sealing_keys_of(settings)
    if mark is None:
        return make_sealing_keys(settings)
    ring = sealing_keys_of(settings)
    if problem := mismatch(mark, ring, settings):
        raise CannotRun(problem)
    return ring


def mismatch(mark: RingMark, ring: KeyRing, settings: Settings) -> str | None:
    """Return why a node with this ring must not work on the database, and the way out; None: it may."""
    file = sealing_keys_file(settings)
    if mark.fingerprint != ring.fingerprint:
        return (
            f"the keys in {file} are not those that seal this database. Put back the database's own file from your"
            f" backup or from another node, or name it by {PREFIX}SEALING_KEYS_FILE (lost for good: `tollbridge secrets"
            " start-over`)"
        )
    if mark.newest not in ring.ids:
        return (
            f"the keys in {file} are older than what they should open: copy the file from the node where `tollbridge"
            " secrets rotate` was run; after a restored backup put back the file of that time"
        )
    return None


async def read_mark(connection: AsyncConnection) -> RingMark | None:
    """Return what the database knows of its ring; None: nothing is sealed in it yet."""
    if await connection.scalar(text("SELECT to_regclass('sealing_ring')")) is None:
        return None
    row = (await connection.execute(select(sealing_ring.c.fingerprint, sealing_ring.c.newest))).one_or_none()
    return None if row is None else RingMark(fingerprint=row.fingerprint, newest=row.newest)


async def problem_of_keys(connection: AsyncConnection, settings: Settings) -> str | None:
    """Return why this node's keys do not go with the database; None: they do, or nothing is sealed yet."""
    mark = await read_mark(connection)
    if mark is None:
        return None
    try:
        return mismatch(mark, sealing_keys_of(settings), settings)
    except CannotRun as problem:
        return str(problem)


def note_on_keys(settings: Settings) -> str | None:
    """Return what is left to be done about the node's keys, None when nothing is. Raises CannotRun without them."""
    file, ring = sealing_keys_file(settings), sealing_keys_of(settings)
    if file.stat().st_mode & 0o077:
        return f"others may read {file}: chmod 600 it, then `tollbridge secrets rotate`"
    if ring.prepared:
        return "a newer key is prepared: once every node has the file, `tollbridge secrets rotate` goes on with it"
    if len(ring.keys) > 1:
        return "older keys are kept beside the newest: `tollbridge secrets rotate` drops them once nothing needs them"
    return None


async def leave_mark(connection: AsyncConnection, ring: KeyRing, settings: Settings) -> None:
    """Have the database know its ring. Raises CannotRun when another node was first, with other keys."""
    values = {"id": 1, "fingerprint": ring.fingerprint, "newest": ring.keys[0].id}
    await connection.execute(insert(sealing_ring).values(values).on_conflict_do_nothing())
    mark = await read_mark(connection)
    assert mark is not None
    if problem := mismatch(mark, ring, settings):
        raise CannotRun(problem)


async def note_newest(connection: AsyncConnection, ring: KeyRing) -> None:
    """Have the database know by which key it is sealed from now on: nodes without it do not start."""
    await connection.execute(update(sealing_ring).values(newest=ring.keys[0].id))


async def start_over(connection: AsyncConnection, ring: KeyRing) -> bool:
    """Have the database take this ring for its own; what others have sealed is lost. False: it was its own already."""
    known = await read_mark(connection)
    if known is not None and known.fingerprint == ring.fingerprint and known.newest in ring.ids:
        return False
    mark = {"fingerprint": ring.fingerprint, "newest": ring.keys[0].id}
    statement = insert(sealing_ring).values(id=1, **mark)
    await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=mark))
    return True


async def say_which_keys(engine: AsyncEngine, node: str) -> None:
    """Note which keys this node has: nothing is sealed by a newer key before every node has it."""
    ring = key_ring()
    values = {"newest": ring.keys[0].id, "known": sorted(ring.ids), "seen_at": func.now()}
    statement = insert(sealing_nodes).values(node=node, **values)
    async with engine.begin() as connection:
        await connection.execute(statement.on_conflict_do_update(index_elements=["node"], set_=values))


async def other_nodes(connection: AsyncConnection, own: str, since: datetime) -> Sequence[NodeKeys]:
    """Return the other nodes that said something after `since`."""
    rows = await connection.execute(
        select(sealing_nodes)
        .where(sealing_nodes.c.node != own, sealing_nodes.c.seen_at > since)
        .order_by(sealing_nodes.c.node)
    )
    return [
        NodeKeys(node=row.node, newest=row.newest, known=frozenset(row.known), seen_at=row.seen_at)
        for row in rows
    ]
