"""Making and revoking keys by which sales are reported: pages and the API both come here. Refusals are values."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from web.api.operation import FieldProblem, Problem, not_found, refused
from web.audit import Actor, write_audit
from web.sale_keys import queries

KIND = "sale_keys"
PREFIX = "tbs_"
_KEY = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, kw_only=True)
class KeyMade:
    """A new key. `key` is known to nobody else: it is shown now or never."""

    id: int
    key: str


def is_key(told: str) -> bool:
    """Tell whether this may be a key, before the database is asked."""
    return _KEY.fullmatch(told) is not None


def digest_of(key: str) -> bytes:
    """Return what the database keeps of a key: 256 random bits need no slow hash."""
    return hashlib.sha256(key.encode()).digest()


async def make_key(
    engine: AsyncEngine,
    actor: Actor,
    *,
    buyer_id: int | None,
    campaign_id: int | None,
    rate_per_minute: int,
    name: str,
) -> KeyMade | Problem:
    """Make a key; it is told here and never again."""
    if buyer_id is None and campaign_id is None:
        return refused(FieldProblem(field="buyer_id", problem="choose a buyer, a campaign, or both"))
    key = f"{PREFIX}{secrets.token_urlsafe(32)}"
    said = {
        "buyer_id": buyer_id,
        "campaign_id": campaign_id,
        "rate_per_minute": rate_per_minute,
        "name": name,
    }
    async with engine.begin() as connection:
        field = await queries.missing(connection, buyer_id, campaign_id)
        if field:
            return refused(FieldProblem(field=field, problem="there is none of this number"))
        key_id = await queries.insert_key(connection, {**said, "key_digest": digest_of(key)})
        await write_audit(connection, actor, action="create", kind=KIND, ref=key_id, after=said)
    return KeyMade(id=key_id, key=key)


async def revoke_key(engine: AsyncEngine, actor: Actor, key_id: int) -> Problem | None:
    """Revoke a key for good. None when it is revoked; twice is once."""
    async with engine.begin() as connection:
        if not await queries.is_key(connection, key_id):
            return not_found("key")
        if await queries.end_key(connection, key_id):
            before, after = {"enabled": True}, {"enabled": False}
            await write_audit(
                connection, actor, action="revoke", kind=KIND, ref=key_id, before=before, after=after
            )
    return None
