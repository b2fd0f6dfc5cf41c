"""The statements that read what is kept in memory for when the database does not answer.

Tables of callers are made by PostgreSQL, sorted and packed (router.domain.last_known): row by row a million of them
would stop calls for seconds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import asyncpg

SUPPRESSED_MAXIMUM = 5_000_000
"""80 MB. Where buyers suppress more, nobody is sold while the database does not answer."""

EARLIER_MAXIMUM = 50_000
"""3 MB: the newest calls. Callers who called before them count as new while the database does not answer."""

TABLES_TIMEOUT_SECONDS = 60

# router.domain.last_known.digest_of_caller
_DIGEST = "substr(caller_index, 1, 8)"

# What open disputes take off a buyer's credit counts as owed, as where a call is decided with the database.
_WALLETS = """
    SELECT (SELECT json_agg(json_build_array(w.buyer_id, w.owed_micros + w.held_micros
            + coalesce(b.credit_limit_micros
                - credit_line(b.credit_limit_micros, w.disputed_micros, b.disputes_lower_credit_percent), 0)))
            FROM wallets w LEFT JOIN buyers b ON b.id = w.buyer_id),
        (SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables WHERE relname = 'buyer_suppressions')
"""

_SUPPRESSED = f"""
    SELECT coalesce(string_agg(digest || int8send(buyer_id), ''::bytea ORDER BY digest), ''::bytea) FROM (
        SELECT {_DIGEST} AS digest, buyer_id FROM buyer_suppressions
        WHERE expires_at IS NULL OR expires_at > now() LIMIT $1
    ) AS listed
"""  # noqa: S608 (constants of this file)

_EARLIER = f"""
    SELECT coalesce(string_agg(
        {_DIGEST} || uuid_send(c.id) || int8send(c.campaign_id) || int8send(t.buyer_id) || int8send(d.target_id)
        || int8send((extract(epoch FROM c.started_at) * 1000)::bigint)
        || int8send(CASE WHEN coalesce(l.connected_ms, 0) > 0 THEN 1 ELSE 0 END
            + CASE WHEN c.converted AND c.target_id = d.target_id THEN 2 ELSE 0 END),
        ''::bytea ORDER BY {_DIGEST}), ''::bytea)
    FROM (
        SELECT id, caller_index, campaign_id, started_at, converted, target_id FROM calls
        WHERE started_at > $1 AND caller_index IS NOT NULL AND campaign_id IS NOT NULL
        ORDER BY started_at DESC LIMIT $2
    ) AS c
    JOIN decisions d ON d.call_id = c.id AND d.target_id IS NOT NULL
    JOIN targets t ON t.id = d.target_id
    LEFT JOIN legs l ON l.call_id = c.id AND l.attempt = d.sequence
"""  # noqa: S608 (constants of this file)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wallets:
    """What buyers owe, have held and dispute, by id; and how often the lists of suppressed callers were written."""

    owed_micros: dict[int, int]
    lists_written: int | None


async def read_wallets(connection: asyncpg.Connection) -> Wallets:
    row = await connection.fetchrow(_WALLETS)
    assert row is not None
    return Wallets(owed_micros=dict(json.loads(row[0] or "[]")), lists_written=row[1])


async def read_suppressed(connection: asyncpg.Connection) -> bytes:
    """Return the records of everybody's lists; one more than SUPPRESSED_MAXIMUM when there are more."""
    return await _read_table(connection, _SUPPRESSED, SUPPRESSED_MAXIMUM + 1)


async def read_earlier(connection: asyncpg.Connection, since: datetime) -> bytes:
    """Return the records of the newest calls that began after `since`."""
    return await _read_table(connection, _EARLIER, since, EARLIER_MAXIMUM)


async def _read_table(connection: asyncpg.Connection, query: str, *values: object) -> bytes:
    """A million rows take two seconds: longer than a statement may take while a caller waits."""
    async with connection.transaction(readonly=True):
        await connection.execute(f"SET LOCAL statement_timeout = {TABLES_TIMEOUT_SECONDS * 1000}")
        found: bytes = await connection.fetchval(query, *values, timeout=TABLES_TIMEOUT_SECONDS)
    return found
