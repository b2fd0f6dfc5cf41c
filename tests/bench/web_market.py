"""A house of years for the pages' benchmark: 2,000 buyers and a million calls, put in by SQL."""

from __future__ import annotations

from tests.bench.report import progress
from tests.postgres import execute
from tests.sealed import sealed

BUYERS, TARGETS, PUBLISHERS, CAMPAIGNS, NUMBERS = 2_000, 4_000, 200, 20, 1_000
DAYS = 60
NEVER = "SET statement_timeout = 0; SET work_mem = '256MB'; SET session_replication_role = replica; "

_MARKET = (
    f"INSERT INTO publishers (id, name) SELECT n, 'Publisher ' || n FROM generate_series(1, {PUBLISHERS}) n",
    "INSERT INTO buyers (id, name, nmls_id) SELECT n, 'Buyer ' || n, (100000 + n)::text"
    f" FROM generate_series(1, {BUYERS}) n",
    "INSERT INTO campaigns (id, name, flow_name) SELECT n, 'Campaign ' || n, 'mortgage'"
    f" FROM generate_series(1, {CAMPAIGNS}) n",
    "INSERT INTO tracking_numbers (id, e164, campaign_id, publisher_id) SELECT n, '+1800555' || lpad(n::text, 4, '0'),"
    f" 1 + n % {CAMPAIGNS}, 1 + n % {PUBLISHERS} FROM generate_series(1, {NUMBERS}) n",
    "INSERT INTO targets (id, buyer_id, name, sip_uri, loan_types, schedule, concurrency_cap)"
    f" SELECT n, 1 + n % {BUYERS}, 'Desk ' || n, 'sip:desk' || n || '@127.0.0.1', ARRAY['refinance','purchase'],"
    """ '{"time_zone": "America/New_York", "ranges": [{"days": [0,1,2,3,4], "from": "08:00", "to": "20:00"}]}', 5"""
    f" FROM generate_series(1, {TARGETS}) n",
    "INSERT INTO licences (buyer_id, nmls_id, state, product, valid_from, valid_to)"
    " SELECT b, '1', (ARRAY['OH','CA','TX','FL','NY'])[s], (ARRAY['refinance','purchase'])[1 + b % 2],"
    " current_date - 900, current_date + b"
    f" FROM generate_series(1, {BUYERS}) b, generate_series(1, 5) s",
    "INSERT INTO plan_stages (id, campaign_id, position, method) SELECT n, n, 1, 'priority'"
    f" FROM generate_series(1, {CAMPAIGNS}) n",
    "INSERT INTO plan_entries (stage_id, target_id, priority)"
    f" SELECT 1 + n % {CAMPAIGNS}, n, n FROM generate_series(1, {TARGETS}) n",
    "INSERT INTO buyer_terms (buyer_id, campaign_id, goes_live_at, price_micros)"
    f" SELECT b, c, now() - interval '100 days', 85000000 FROM generate_series(1, {BUYERS}) b,"
    f" generate_series(1, {CAMPAIGNS}) c WHERE (b + c) % 10 = 0",
    "INSERT INTO publisher_terms (publisher_id, campaign_id, goes_live_at, payout_micros)"
    f" SELECT p, c, now() - interval '100 days', 60000000 FROM generate_series(1, {PUBLISHERS}) p,"
    f" generate_series(1, {CAMPAIGNS}) c WHERE (p + c) % 10 = 0",
)

# The newest call came just now, the oldest DAYS ago; a third were sold, each to its target's buyer.
_CALLS = f"""
    INSERT INTO calls (id, linkedid, node, trunk_name, dialled, caller_sealed, caller_index, caller_area,
        tracking_number_id, campaign_id, publisher_id, flow_name, flow_version, tags, started_at, ended_at, state,
        outcome, buyer_id, target_id, connected_ms,
        converted)
    SELECT md5('c' || n)::uuid, 'c-' || n, 'c', 'main', '+1800555' || lpad((1 + r % {NUMBERS})::text, 4, '0'),
        '{{sealed}}'::bytea, decode(md5((r % 10000000)::text), 'hex'), '614', 1 + r % {NUMBERS},
        1 + (1 + r % {NUMBERS}) % {CAMPAIGNS},
        1 + (1 + r % {NUMBERS}) % {PUBLISHERS}, 'mortgage', 1,
        jsonb_build_object('loan_type', (ARRAY['refinance','purchase','heloc'])[1 + r % 3],
            'state', (ARRAY['OH','CA','TX','FL','NY'])[1 + r / 3 % 5]),
        now() - (n * {DAYS} * 86400.0 / {{count}}) * interval '1 second',
        now() - (n * {DAYS} * 86400.0 / {{count}}) * interval '1 second' + interval '4 minutes',
        'settled', (ARRAY['sold','no_buyer','abandoned'])[1 + r % 3],
        CASE WHEN r % 3 = 0 THEN 1 + (1 + r % {TARGETS}) % {BUYERS} END,
        CASE WHEN r % 3 = 0 THEN 1 + r % {TARGETS} END,
        CASE WHEN r % 3 = 0 THEN 30000 + r % 200000 END, CASE WHEN r % 3 = 0 THEN r % 5 > 0 END
    FROM (SELECT n, (hashint8(n)::bigint + 2147483648) AS r FROM generate_series(1, {{count}}) n) g
"""

_LEDGER = (
    "INSERT INTO ledger_transactions (id, call_id, kind, posted_at)"
    " SELECT row_number() OVER (ORDER BY ended_at), id, 'call', ended_at FROM calls",
    "INSERT INTO ledger_postings (transaction_id, account, amount_micros)"
    " SELECT t.id, a.account, a.amount FROM ledger_transactions t JOIN calls c ON c.id = t.call_id AND c.converted,"
    " LATERAL (VALUES ('buyer:' || c.buyer_id || ':receivable', 85000000), ('revenue', -85000000),"
    " ('publisher:' || c.publisher_id || ':payable', -60000000), ('payout', 60000000)) a (account, amount)",
)
# As the worker would have done long ago, in batches of its size; no page looks at the roots.
_SEALED = (
    "INSERT INTO ledger_seals (batch, previous_root, root, entry_count, sealed_at, salt, public_key, signature)"
    " SELECT 1 + id / 2000, '', '', count(*), now(), '', '', '' FROM ledger_transactions GROUP BY 1",
    "INSERT INTO ledger_sealed_transactions (transaction_id, batch, position)"
    " SELECT id, 1 + id / 2000, id % 2000 FROM ledger_transactions",
    "INSERT INTO sealed_balances SELECT account, sum(amount_micros) FROM ledger_postings GROUP BY account",
)


CALLER = "+16145550123"
"""Each opens to it: the sealing of a million would take longer than all else."""


def fill(database_url: str, count: int) -> None:
    """Put the house into a migrated, empty database. Takes about a minute a million calls."""
    for statement in _MARKET:
        execute(database_url, NEVER + statement)
    progress(f"making {count} calls")
    execute(database_url, NEVER + _CALLS.format(count=count, sealed=f"\\x{sealed(CALLER).hex()}"))
    progress("booking them")
    for statement in (*_LEDGER, *_SEALED):
        execute(database_url, NEVER + statement)
    for table in ("publishers", "buyers", "campaigns", "targets", "tracking_numbers", "plan_stages"):
        execute(database_url, f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), 1000000)")
    execute(
        database_url,
        NEVER + "UPDATE market_version SET version = version + 1",
    )
    for table in (
        "calls",
        "ledger_transactions",
        "ledger_postings",
        "ledger_sealed_transactions",
        "targets",
        "licences",
        "buyers",
    ):
        execute(database_url, f"VACUUM ANALYZE {table}")
