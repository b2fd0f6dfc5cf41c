"""What the router keeps while it works: caps in use, turns, lists of callers, auctions, reservations, old markets."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from store.columns import Instant, enabled, identity, metadata, reference
from store.sealed_columns import caller_area, caller_index, sealed_caller

# --- caps and turns ------------------------------------------------------------------------------------------

cap_counters = Table(
    "cap_counters",
    metadata,
    # router.domain.caps: target:12:concurrency, buyer:3:conversions:day
    Column("key", Text, primary_key=True),
    # Calls, millionths of a dollar, or (spacing) the epoch ms of the last call.
    Column("used", BigInteger, nullable=False),
    # Epoch seconds at which the period being counted began, on the owner's wall clock; 0 when there is none. A
    # counter of an older period counts as nought: one row a cap, whatever time passes.
    Column("period_start", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("used >= 0", name="used"),
)

leases = Table(
    "leases",
    metadata,
    identity(),
    Column("call_id", Uuid, nullable=False),
    Column("attempt", Integer, nullable=False),
    # A key of cap_counters; no foreign key, which would lock the hot row once more.
    Column("counter_key", Text, nullable=False),
    # The cap's kind: says what is given back when the attempt is over.
    Column("kind", Text, nullable=False, server_default=text("'concurrency'")),
    Column("amount", BigInteger, nullable=False, server_default=text("1")),
    Column("period_start", BigInteger, nullable=False, server_default=text("0")),
    Column("target_id", BigInteger),
    Column("taken_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("released_at", Instant),
    UniqueConstraint("call_id", "attempt", "counter_key"),
    Index("ix_leases_held", "expires_at", postgresql_where=text("released_at is null")),
)

# Whose turn it is in a round-robin or weighted stage. `turn` is raised with every call given, so that a decision
# made on an older reading is noticed.
stage_turns = Table(
    "stage_turns",
    metadata,
    Column("stage_id", BigInteger, primary_key=True, autoincrement=False),
    Column("turn", BigInteger, nullable=False, server_default=text("0")),
    # The pass of the target served last: one who comes back from a pause starts from here, not from where it left.
    Column("reached", BigInteger, nullable=False, server_default=text("0")),
)

stage_passes = Table(
    "stage_passes",
    metadata,
    Column("stage_id", BigInteger, primary_key=True, autoincrement=False),
    Column("target_id", BigInteger, primary_key=True, autoincrement=False),
    # Calls given so far, each worth distribution.ONE_PASS divided by the target's weight.
    Column("pass", BigInteger, nullable=False),
)

# What became of a target's calls: its conversion rate, and who has waited longest.
target_history = Table(
    "target_history",
    metadata,
    Column("target_id", BigInteger, primary_key=True, autoincrement=False),
    Column("last_offered_ms", BigInteger, nullable=False, server_default=text("0")),
    Column("connected", BigInteger, nullable=False, server_default=text("0")),
    Column("converted", BigInteger, nullable=False, server_default=text("0")),
)

# --- callers -------------------------------------------------------------------------------------------------

blocked_callers = Table(
    "blocked_callers",
    metadata,
    identity(),
    # number (sealed), prefix (of E.164: its value), anonymous
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False, server_default=text("''")),
    sealed_caller(),
    caller_index(),
    # Null: in every campaign.
    reference("campaign_id", "campaigns", nullable=True),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    UniqueConstraint(
        "kind",
        "value",
        "caller_index",
        "campaign_id",
        name="uq_blocked_callers_rule",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint("kind in ('number', 'prefix', 'anonymous')", name="kind"),
    CheckConstraint("(kind = 'prefix') = (value <> '')", name="value"),
    CheckConstraint(
        "(kind = 'number') = (caller_index is not null) and (kind = 'number') = (caller_sealed is not null)",
        name="number",
    ),
)

# A buyer's book of business: callers it does not buy again.
buyer_suppressions = Table(
    "buyer_suppressions",
    metadata,
    Column("buyer_id", BigInteger, ForeignKey("buyers.id"), primary_key=True),
    caller_index(nullable=False, primary_key=True),
    sealed_caller(nullable=False),
    caller_area(),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("expires_at", Instant),
    Index(None, "caller_index"),
    Index("ix_buyer_suppressions_newest", "buyer_id", "created_at", "caller_index"),
)

# What a caller left whom nobody took.
no_buyer_requests = Table(
    "no_buyer_requests",
    metadata,
    identity(),
    Column("call_id", Uuid, nullable=False),
    reference("campaign_id", "campaigns", nullable=True),
    # voicemail, call_back
    Column("kind", Text, nullable=False),
    sealed_caller(),
    caller_index(),
    # Where the voice message lies on `node`.
    Column("recording", Text),
    Column("node", Text, nullable=False, server_default=text("''")),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("done_at", Instant),
    UniqueConstraint("call_id", "kind"),
    Index(None, "caller_index"),
    Index("ix_no_buyer_requests_open", "created_at", postgresql_where=text("done_at is null")),
)

# --- auctions ------------------------------------------------------------------------------------------------

# Every question to a bidder and its answer, those that came too late included.
pings = Table(
    "pings",
    metadata,
    identity(),
    # Made where the question was asked: a row written again after a lost answer stays one row, and one cost.
    Column("entry", Uuid, nullable=False, unique=True, server_default=text("gen_random_uuid()")),
    # The call's id, or the reservation's reference when a publisher asked; the call row may come later.
    Column("call_id", Uuid, nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("1")),
    Column("stage_id", BigInteger, nullable=False),
    Column("target_id", BigInteger, nullable=False),
    # ping, post
    Column("kind", Text, nullable=False, server_default=text("'ping'")),
    # router.domain.auction.BidOutcome
    Column("outcome", Text, nullable=False),
    Column("bid_micros", BigInteger),
    Column("minimum_connected_ms", Integer),
    # What the bid counted for (router.domain.worth); of a post, what it won by.
    Column("worth_micros", BigInteger),
    Column("reference", Text, nullable=False, server_default=text("''")),
    Column("sent_at", Instant, nullable=False),
    # After sent_at; null when nothing came.
    Column("arrived_us", BigInteger),
    # The first few thousand characters of both.
    Column("request", Text, nullable=False, server_default=text("''")),
    Column("answer", Text, nullable=False, server_default=text("''")),
    Column("detail", Text, nullable=False, server_default=text("''")),
    Column("cost_micros", BigInteger, nullable=False, server_default=text("0")),
    # The ledger transaction that holds the cost; null: not yet posted.
    Column("cost_transaction_id", BigInteger),
    Index(None, "call_id"),
    Index(None, "target_id", "sent_at"),
    Index("ix_pings_posts", "target_id", "sent_at", postgresql_where=text("kind = 'post'")),
    Index(
        "ix_pings_cost_open", "id", postgresql_where=text("cost_micros > 0 and cost_transaction_id is null")
    ),
)

# The breaker's memory: one row a bidder, shared by all nodes.
endpoint_health = Table(
    "endpoint_health",
    metadata,
    Column("target_id", BigInteger, ForeignKey("targets.id", ondelete="CASCADE"), primary_key=True),
    Column("window_started_at", Instant, nullable=False),
    Column("asked", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    Column("rested_until", Instant),
    # One question is on its way to find out whether the bidder is well again.
    Column("probing", Boolean, nullable=False, server_default=text("false")),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("changed_at", Instant, nullable=False, server_default=func.now()),
)

# What a bidder's wins came to: counted by the worker (router.bidder_records), for all nodes.
bidder_records = Table(
    "bidder_records",
    metadata,
    Column("target_id", BigInteger, ForeignKey("targets.id", ondelete="CASCADE"), primary_key=True),
    # Of the newest calls: how many it was handed, and how many reached each of router.domain.worth.THRESHOLDS_SECONDS.
    Column("lasted", ARRAY(Integer), nullable=False, server_default=text("'{}'")),
    Column("since", Instant),
    Column("won", Integer, nullable=False, server_default=text("0")),
    Column("refused", Integer, nullable=False, server_default=text("0")),
    Column("unpaid", Integer, nullable=False, server_default=text("0")),
    Column("worth_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("paid_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("rested_until", Instant),
    Column("rest_seconds", Integer, nullable=False, server_default=text("0")),
    Column("why", Text, nullable=False, server_default=text("''")),
    Column("hides_caller", Boolean, nullable=False, server_default=text("false")),
)

# --- publishers who ask before they send a call --------------------------------------------------------------

rtb_keys = Table(
    "rtb_keys",
    metadata,
    identity(),
    Column("name", Text, nullable=False, server_default=text("''")),
    # sha256 of the key in the URL: a stolen table asks nothing.
    Column("key_digest", LargeBinary, nullable=False, unique=True),
    reference("publisher_id", "publishers"),
    reference("campaign_id", "campaigns"),
    # tollbridge, ringba, retreaver
    Column("dialect", Text, nullable=False, server_default=text("'tollbridge'")),
    Column("rate_per_minute", Integer, nullable=False, server_default=text("600")),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'")),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    enabled(),
    # Of the last days: pings that held room and ended, and those of them on which a call came. Kept by the worker.
    Column("pings_won", BigInteger, nullable=False, server_default=text("0")),
    Column("pings_called", BigInteger, nullable=False, server_default=text("0")),
    # Since when there are too many pings for each call; null: there are not.
    Column("warned_at", Instant),
    CheckConstraint("rate_per_minute >= 0", name="rate_per_minute"),
)

rtb_reservations = Table(
    "rtb_reservations",
    metadata,
    # Also the call_id of its leases and pings until the call comes.
    Column("id", Uuid, primary_key=True),
    reference("rtb_key_id", "rtb_keys"),
    reference("campaign_id", "campaigns"),
    reference("publisher_id", "publishers"),
    reference("tracking_number_id", "tracking_numbers", nullable=True),
    # E.164, or what stands for it where the publisher hides it.
    sealed_caller(),
    caller_index(),
    reference("target_id", "targets", nullable=True),
    # deciding, open (a bid without room), confirmed (its room is leased), used (the call came), expired, refused
    Column("state", Text, nullable=False, server_default=text("'open'")),
    # What we promised the publisher: so much from this length on, out of a price that leaves the stage's margin; of
    # a smaller price the key's share, where it has one.
    Column("payout_micros", BigInteger),
    Column("minimum_connected_ms", Integer),
    Column("share_ppm", Integer),
    Column("margin_micros", BigInteger, nullable=False, server_default=text("0")),
    # What the target bid in an auction; null: there was none, and its terms hold.
    Column("bid_micros", BigInteger),
    Column("bid_minimum_connected_ms", Integer),
    Column("dial", Text),
    # The offer, the answers told, the decision: what the arriving call goes on with.
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("expires_at", Instant, nullable=False),
    Column("call_id", Uuid),
    # Whether it ever held room: a bid alone keeps nobody out.
    Column("held_room", Boolean, nullable=False, server_default=text("false")),
    Index("ix_rtb_reservations_arrives", "tracking_number_id", "caller_index", "expires_at"),
    Index("ix_rtb_reservations_repeats", "rtb_key_id", "caller_index", "expires_at"),
    # One live reservation a caller: the second of two pings at once waits for the first.
    Index(
        "uq_rtb_reservations_one_live",
        "publisher_id",
        "campaign_id",
        "caller_index",
        unique=True,
        postgresql_where=text("state in ('deciding', 'open', 'confirmed')"),
    ),
    Index(
        "ix_rtb_reservations_ending",
        "expires_at",
        postgresql_where=text("state in ('deciding', 'open', 'confirmed')"),
    ),
    Index("ix_rtb_reservations_call", "call_id", postgresql_where=text("call_id is not null")),
    # How many pings became calls is counted from this alone.
    Index(
        "ix_rtb_reservations_judged", "rtb_key_id", "created_at", "state", postgresql_where=text("held_room")
    ),
)

# --- markets that decisions were made on ---------------------------------------------------------------------

# A market is kept as the digests of its parts, so that an edit costs one part, not the whole again.
market_snapshots = Table(
    "market_snapshots",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    # Compressed.
    Column("document", LargeBinary, nullable=False),
    Column("stored_at", Instant, nullable=False, server_default=func.now()),
)

market_parts = Table(
    "market_parts",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("document", LargeBinary, nullable=False),
)

# --- numbers abroad -------------------------------------------------------------------------------------------

# Numbers that may be rung beside those of the fifty states and DC (rules.dialling), with their ceilings a day.
dial_destinations = Table(
    "dial_destinations",
    metadata,
    identity(),
    # A whole number as E.164, or how it begins: +1787
    Column("prefix", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("cost_per_minute_micros", BigInteger, nullable=False, server_default=text("500000")),
    # Of all that is rung abroad: by one target, and over one trunk.
    Column("target_minutes_per_day", Integer, nullable=False, server_default=text("120")),
    Column("target_micros_per_day", BigInteger, nullable=False, server_default=text("100000000")),
    Column("trunk_minutes_per_day", Integer, nullable=False, server_default=text("480")),
    Column("trunk_micros_per_day", BigInteger, nullable=False, server_default=text("400000000")),
    CheckConstraint(r"prefix ~ '^\+[0-9]{2,15}$'", name="prefix"),
    CheckConstraint(
        "cost_per_minute_micros >= 0 and target_minutes_per_day >= 0 and target_micros_per_day >= 0"
        " and trunk_minutes_per_day >= 0 and trunk_micros_per_day >= 0",
        name="ceilings",
    ),
)
