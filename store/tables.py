"""Every table of Tollbridge, by room of the house. Shapes only; the rules live in the rooms above.

The market is in market_tables, what the router keeps in routing_tables, people in
web_tables, money in ledger_tables and money_tables; here is what happened.
Units stand last in names. Money is an integer of millionths of a dollar (`_micros`). `_ms` is epoch or
elapsed milliseconds; `_at` is a timestamp with time zone.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from store.columns import Instant, identity, metadata, reference
from store.flow_tables import flow_drafts, flows
from store.ledger_tables import (
    audit_sealed_notes,
    audit_seals,
    ledger_evidence,
    ledger_postings,
    ledger_sealed_transactions,
    ledger_seals,
    ledger_transactions,
    unsealed_notes,
    unsealed_transactions,
)
from store.market_tables import (
    buyer_terms,
    buyers,
    campaigns,
    cap_group_members,
    cap_groups,
    caps,
    licences,
    market_changes,
    market_version,
    ping_endpoints,
    plan_entries,
    plan_stages,
    publisher_terms,
    publishers,
    targets,
    tracking_numbers,
    trunk_states,
    trunks,
)
from store.money_tables import (
    disputes,
    invoice_lines,
    invoice_numbers,
    invoices,
    sale_keys,
    sales,
    sealed_balances,
    tier_counts,
    wallet_holds,
    wallet_mails,
    wallet_notices,
    wallets,
)
from store.recording_tables import call_events, recordings, sound_keys
from store.report_tables import report_facts, report_pending, rollups
from store.routing_tables import (
    blocked_callers,
    buyer_suppressions,
    cap_counters,
    endpoint_health,
    leases,
    market_parts,
    market_snapshots,
    no_buyer_requests,
    pings,
    rtb_keys,
    rtb_reservations,
    stage_passes,
    stage_turns,
    target_history,
)
from store.sealed_columns import caller_area, caller_index, sealed_caller
from store.sealing_tables import sealing_nodes, sealing_ring
from store.web_tables import (
    api_answers,
    api_tokens,
    audit_log,
    bid_limits,
    call_commands,
    dial_codes,
    draft_call_events,
    passkeys,
    saved_views,
    sign_in_challenges,
    target_limits,
    user_links,
    users,
    web_sessions,
)

__all__ = [
    "answers",
    "api_answers",
    "api_tokens",
    "asterisk_boots",
    "audit_log",
    "audit_sealed_notes",
    "audit_seals",
    "bid_limits",
    "blocked_callers",
    "buyer_suppressions",
    "buyer_terms",
    "buyers",
    "call_commands",
    "call_events",
    "calls",
    "campaigns",
    "cap_counters",
    "cap_group_members",
    "cap_groups",
    "caps",
    "cel_rows",
    "counters",
    "decisions",
    "dial_codes",
    "disputes",
    "draft_call_events",
    "endpoint_health",
    "file_positions",
    "flow_drafts",
    "flows",
    "invoice_lines",
    "invoice_numbers",
    "invoices",
    "leases",
    "ledger_evidence",
    "ledger_postings",
    "ledger_sealed_transactions",
    "ledger_seals",
    "ledger_transactions",
    "legs",
    "licences",
    "market_changes",
    "market_parts",
    "market_snapshots",
    "market_version",
    "metadata",
    "no_buyer_requests",
    "passkeys",
    "ping_endpoints",
    "pings",
    "plan_entries",
    "plan_stages",
    "publisher_terms",
    "publishers",
    "recordings",
    "refused_lines",
    "rejections",
    "report_facts",
    "report_pending",
    "rollups",
    "rtb_keys",
    "rtb_reservations",
    "sale_keys",
    "sales",
    "saved_views",
    "sealed_balances",
    "sealing_nodes",
    "sealing_ring",
    "sign_in_challenges",
    "sound_keys",
    "stage_passes",
    "stage_turns",
    "target_history",
    "target_limits",
    "targets",
    "tier_counts",
    "tracking_numbers",
    "trunk_states",
    "trunks",
    "unsealed_notes",
    "unsealed_transactions",
    "user_links",
    "users",
    "wallet_holds",
    "wallet_mails",
    "wallet_notices",
    "wallets",
    "web_sessions",
]

# --- what happened: calls as Asterisk and our services witnessed them ----------------------------------------
calls = Table(
    "calls",
    metadata,
    # uuid5 of the linkedid (store.call_id): every process names the same call alike without asking.
    Column("id", Uuid, primary_key=True),
    Column("linkedid", Text, nullable=False, unique=True),
    Column("node", Text, nullable=False),
    Column("trunk_name", Text),
    Column("dialled", Text, nullable=False, server_default=text("''")),
    # E.164, or null when withheld or not a number.
    sealed_caller(),
    caller_index(),
    caller_area(),
    reference("tracking_number_id", "tracking_numbers", nullable=True),
    reference("campaign_id", "campaigns", nullable=True),
    reference("publisher_id", "publishers", nullable=True),
    Column("flow_name", Text),
    Column("flow_version", Integer),
    Column("tags", JSONB, nullable=False, server_default=text("'{}'")),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant),
    # in_progress, ended (all rows are in, not settled yet), settled
    Column("state", Text, nullable=False, server_default=text("'in_progress'")),
    # sold, transferred, no_buyer, not_answered, abandoned, unknown_number (billing.call_record.Outcome); at settlement
    Column("outcome", Text),
    reference("buyer_id", "buyers", nullable=True),
    reference("target_id", "targets", nullable=True),
    Column("connected_ms", BigInteger),
    Column("converted", Boolean),
    # billing.terms.Conversion as JSON: the rule that paid, or the term that failed with its numbers.
    Column("conversion", JSONB),
    # What the length of the call stands on: leg, channel or last_witness, and any disagreement.
    Column("evidence", JSONB),
    Column("settled_at", Instant),
    # A call whose settlement fails for a reason of its own is pushed back, so that it never blocks the others.
    Column("settle_after", Instant),
    Column("settle_failures", Integer, nullable=False, server_default=text("0")),
    Index(None, "started_at"),
    Index(
        "ix_calls_same_caller",
        "campaign_id",
        "caller_index",
        "started_at",
        postgresql_where=text("converted"),
    ),
    Index("ix_calls_caller_index", "caller_index", "started_at"),
    Index("ix_calls_buyer", "buyer_id", "started_at", postgresql_where=text("buyer_id is not null")),
    Index("ix_calls_publisher", "publisher_id", "started_at"),
    Index("ix_calls_campaign", "campaign_id", "started_at"),
    # Of a number this is the whole; what strangers dial may be longer than an index takes.
    Index("ix_calls_dialled", text("left(dialled, 20)"), "started_at"),
    # Set once, at settlement: until then a call costs them nothing.
    Index("ix_calls_target", "target_id", "started_at", postgresql_where=text("target_id is not null")),
    Index("ix_calls_outcome", "outcome", "started_at", postgresql_where=text("outcome is not null")),
    Index("ix_calls_unsettled", "started_at", postgresql_where=text("state <> 'settled'")),
)

answers = Table(
    "answers",
    metadata,
    Column("call_id", Uuid, ForeignKey("calls.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("node", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("value", Text),
    # speech, keys, area_code, none
    Column("source", Text, nullable=False),
    Column("heard", Text, nullable=False, server_default=text("''")),
    Column("confidence", Float),
    Column("engine", Text),
    Column("answered_at", Instant, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("call_id", Uuid, ForeignKey("calls.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    # router, or survival when our services were down
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Instant, nullable=False),
    reference("target_id", "targets", nullable=True),
    Column("duration_us", Integer, nullable=False),
    # router.domain.decision.Decision as JSON, inputs included.
    Column("decision", JSONB, nullable=False),
)

rejections = Table(
    "rejections",
    metadata,
    Column("call_id", Uuid, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("target_id", BigInteger, ForeignKey("targets.id"), primary_key=True),
    Column("code", Text, nullable=False),
    Column("detail", Text, nullable=False),
)

legs = Table(
    "legs",
    metadata,
    Column("call_id", Uuid, ForeignKey("calls.id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    reference("target_id", "targets", nullable=True),
    Column("answered_ms", BigInteger),
    Column("ended_ms", BigInteger, nullable=False),
    Column("connected_ms", BigInteger, nullable=False, server_default=text("0")),
    # Q.850 cause of the buyer's leg, as Asterisk reports it.
    Column("cause", Integer),
)

cel_rows = Table(
    "cel_rows",
    metadata,
    identity(),
    Column("node", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("event_us", BigInteger, nullable=False),
    Column("uniqueid", Text, nullable=False),
    Column("linkedid", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("extra", Text, nullable=False),
    Column("clock", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("node", "file", "position"),
    Index(None, "linkedid"),
)

# How far each tailed file has been read; moved in the transaction that stores the rows.
file_positions = Table(
    "file_positions",
    metadata,
    Column("node", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("file", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

# Lines of a tailed file that could not be understood: kept to be looked at, never in the way of the next line.
refused_lines = Table(
    "refused_lines",
    metadata,
    Column("node", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("file", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("problem", Text, nullable=False),
    Column("line", LargeBinary, nullable=False),
    Column("refused_at", Instant, nullable=False, server_default=func.now()),
)

# One row per life of an Asterisk process; last_alive_ms is the last heartbeat our AMI reader saw.
asterisk_boots = Table(
    "asterisk_boots",
    metadata,
    Column("node", Text, primary_key=True),
    Column("started_ms", BigInteger, primary_key=True),
    Column("last_alive_ms", BigInteger, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("node", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("last_at", Instant, nullable=False, server_default=func.now()),
)
