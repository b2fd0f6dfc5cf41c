"""The market: who sells, who buys, under what terms, and how calls are shared out.

Units stand last in names. Money is an integer of millionths of a dollar (`_micros`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from store.columns import Instant, enabled, identity, metadata, reference
from store.sealed_columns import SealedJson, SealedText

publishers = Table(
    "publishers",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    # Caps of a publisher, buyer, campaign or group are counted in its own time zone; a target's in its schedule's.
    Column("time_zone", Text, nullable=False, server_default=text("'America/New_York'")),
    enabled(),
)

buyers = Table(
    "buyers",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    # The company's own number; its officers' stand on the licences.
    Column("nmls_id", Text),
    Column("time_zone", Text, nullable=False, server_default=text("'America/New_York'")),
    # What may be owed beyond the wallet. Null: neither is looked at, the buyer pays by invoice.
    Column("credit_limit_micros", BigInteger),
    # Calls are paid from the wallet; false: they are invoiced.
    Column("prepaid", Boolean, nullable=False, server_default=text("false")),
    # Below this the buyer is told that the wallet runs low; null: never.
    Column("low_balance_micros", BigInteger),
    # How long after a call it may be returned.
    Column("return_window_hours", Integer, nullable=False, server_default=text("168")),
    # How many of its disputes may be open at once.
    Column("open_disputes_maximum", Integer, nullable=False, server_default=text("50")),
    # How many of its paid calls of 30 days may be disputed without success (billing.disputes.Allowance).
    Column("disputes_percent", Integer, nullable=False, server_default=text("20")),
    # How much of what it disputes is taken off its credit limit until that is decided (credit_line: migration 0023).
    Column("disputes_lower_credit_percent", Integer, nullable=False, server_default=text("100")),
    enabled(),
    CheckConstraint("credit_limit_micros is not null or not prepaid", name="prepaid"),
    CheckConstraint("return_window_hours between 0 and 8784", name="return_window"),
    CheckConstraint("open_disputes_maximum between 0 and 100000", name="open_disputes"),
    CheckConstraint("disputes_percent between 0 and 100", name="disputes_percent"),
    CheckConstraint("disputes_lower_credit_percent between 0 and 100", name="disputes_lower_credit"),
)

campaigns = Table(
    "campaigns",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    Column("flow_name", Text, nullable=False),
    # The same caller converts at most once in this window (rolling, judged at the start of the call).
    Column("duplicate_window_seconds", Integer, nullable=False, server_default=text("2592000")),
    Column("maximum_attempts", Integer, nullable=False, server_default=text("5")),
    Column("time_zone", Text, nullable=False, server_default=text("'America/New_York'")),
    # {"window_seconds", "scope": campaign|buyer|target|group, "after": attempt|connect|convert,
    #  "action": other_target|same_target|refuse|route_unbilled}; null: duplicate_window_seconds at settlement only.
    Column("duplicate_policy", JSONB),
    # What a caller hears whom nobody takes: {"treatment": message|voicemail|call_back|hold_and_retry, …}
    Column("no_buyer", JSONB, nullable=False, server_default=text("'{}'")),
    # One buyer a caller; false: the same caller may be sold again to another within the window.
    Column("exclusive", Boolean, nullable=False, server_default=text("false")),
    # False: its calls are not recorded, whatever the flow says.
    Column("recording", Boolean, nullable=False, server_default=text("true")),
    # What the platform itself takes of a converted call: a fixed amount, and millionths of the revenue.
    Column("platform_fee_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("platform_fee_ppm", Integer, nullable=False, server_default=text("0")),
    # Whether a call may go to who pays less than its publisher's ping was promised, when nobody else takes it.
    Column("sells_at_loss", Boolean, nullable=False, server_default=text("false")),
    # After so long without its call, a ping's room goes to a call that finds none; null: never.
    Column("pings_yield_after_seconds", Integer, server_default=text("10")),
    # How much more than buyers' prices bear is paid to one publisher in a day (UTC) for such promises.
    Column("daily_loss_micros", BigInteger, nullable=False, server_default=text("100000000")),
    enabled(),
    CheckConstraint("pings_yield_after_seconds between 0 and 900", name="pings_yield"),
    CheckConstraint(
        "platform_fee_micros >= 0 and platform_fee_ppm between 0 and 1000000", name="platform_fee"
    ),
    CheckConstraint("daily_loss_micros >= 0", name="daily_loss"),
)

tracking_numbers = Table(
    "tracking_numbers",
    metadata,
    identity(),
    Column("e164", Text, nullable=False, unique=True),
    reference("campaign_id", "campaigns"),
    reference("publisher_id", "publishers"),
    # What its carrier takes a month, for every month begun in which it is rented.
    Column("carrier_name", Text),
    Column("monthly_cost_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("rented_from", Date),
    Column("rented_to", Date),
    enabled(),
    CheckConstraint("monthly_cost_micros = 0 or carrier_name is not null", name="monthly_cost"),
    CheckConstraint("monthly_cost_micros >= 0", name="monthly_cost_sign"),
    CheckConstraint(r"e164 ~ '^\+[0-9]{5,15}$'", name="e164"),
)

targets = Table(
    "targets",
    metadata,
    identity(),
    reference("buyer_id", "buyers"),
    Column("name", Text, nullable=False),
    # sip:user@host[:port], checked by asterisk_conf before it reaches a configuration file.
    Column("sip_uri", Text, nullable=False),
    Column("loan_types", ARRAY(Text), nullable=False),
    # rules.schedule: {"time_zone": "America/New_York", "ranges": [{"days": [0..6], "from": "08:00", "to": "20:00"}]}
    Column("schedule", JSONB, nullable=False),
    Column("concurrency_cap", Integer, nullable=False, server_default=text("1")),
    Column("ring_timeout_seconds", Integer, nullable=False, server_default=text("20")),
    # rules.condition over tags and facts; null takes everything.
    Column("filters", JSONB),
    # The buyer's person presses 1 before the caller is put through.
    Column("press_to_accept", Boolean, nullable=False, server_default=text("false")),
    # Said to the buyer's person before the caller is put through.
    Column("whisper_text", Text),
    # A buyer who hangs up earlier than this loses the call to the next one; null: never.
    Column("recovery_seconds", Integer),
    # The trunk over which it is dialled, whose carrier bills the talk; null: directly, which costs nothing.
    reference("outbound_trunk_id", "trunks", nullable=True),
    # Set by the buyer's own person, who may take it back; `enabled` is the house's.
    Column("paused_at", Instant),
    enabled(),
    CheckConstraint("recovery_seconds between 1 and 600", name="recovery_seconds"),
    CheckConstraint("concurrency_cap >= 0", name="concurrency_cap"),
    CheckConstraint("ring_timeout_seconds between 3 and 120", name="ring_timeout_seconds"),
)

licences = Table(
    "licences",
    metadata,
    identity(),
    reference("buyer_id", "buyers"),
    Column("nmls_id", Text, nullable=False),
    # The loan officer whose licence it is; null: the company's own.
    Column("officer_name", Text),
    Column("officer_nmls_id", Text),
    Column("state", Text, nullable=False),
    Column("product", Text, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
    Column("status", Text, nullable=False, server_default=text("'active'")),
    Index(None, "buyer_id", "state", "product"),
    # Lists, the map of states, and who lists officers.
    Index("ix_licences_listed", text("lower(state)"), "id"),
    Index(None, "product", "state"),
    Index("ix_licences_officers", "buyer_id", postgresql_where=text("officer_nmls_id is not null")),
)

plan_stages = Table(
    "plan_stages",
    metadata,
    identity(),
    reference("campaign_id", "campaigns"),
    Column("position", Integer, nullable=False),
    # A key of router.domain.distribution.METHODS
    Column("method", Text, nullable=False),
    # Null: each target's own.
    Column("ring_timeout_seconds", Integer),
    # Targets of this stage that one call may ring; null: all.
    Column("attempts", Integer),
    # Targets that ring at once; the first to answer wins.
    Column("simultaneous", Integer, nullable=False, server_default=text("1")),
    # Of a ping_post stage: how long bidders have, what a bid is worth at least, and what must remain above the payout.
    Column("deadline_ms", Integer, nullable=False, server_default=text("500")),
    Column("floor_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("margin_micros", BigInteger, nullable=False, server_default=text("0")),
    # Ceilings of bids, where they are lower than the endpoint's; null: none.
    Column("highest_bid_micros", BigInteger),
    Column("longest_minimum_seconds", Integer),
    UniqueConstraint("campaign_id", "position"),
    CheckConstraint("ring_timeout_seconds between 3 and 120", name="ring_timeout_seconds"),
    CheckConstraint("attempts > 0", name="attempts"),
    CheckConstraint("simultaneous between 1 and 10", name="simultaneous"),
    CheckConstraint("deadline_ms between 50 and 2000", name="deadline_ms"),
    CheckConstraint("floor_micros >= 0", name="floor"),
    CheckConstraint("margin_micros >= 0", name="margin"),
    CheckConstraint("highest_bid_micros > 0", name="highest_bid"),
    CheckConstraint("longest_minimum_seconds >= 0", name="longest_minimum"),
)

plan_entries = Table(
    "plan_entries",
    metadata,
    Column("stage_id", BigInteger, ForeignKey("plan_stages.id"), primary_key=True),
    Column("target_id", BigInteger, ForeignKey("targets.id"), primary_key=True),
    # Lower is offered first; equal priorities are told apart by DESIGN 5's tie rule.
    Column("priority", Integer, nullable=False),
    # Of a weighted stage: this target's part of the calls.
    Column("weight", Integer, nullable=False, server_default=text("1")),
    CheckConstraint("weight between 1 and 10000", name="weight"),
)

caps = Table(
    "caps",
    metadata,
    identity(),
    # target, buyer, campaign, publisher or group, and its id there.
    Column("owner", Text, nullable=False),
    Column("owner_id", BigInteger, nullable=False),
    # concurrency, attempts, connections, conversions, revenue, spacing
    Column("kind", Text, nullable=False),
    # hour, day, week, month or total on the owner's wall clock; null for concurrency and spacing.
    Column("period", Text),
    # Calls; millionths of a dollar of revenue; seconds between two calls of spacing.
    Column("at_most", BigInteger, nullable=False),
    # Counts only while a range of the target's schedule that names it is open; null: always.
    Column("range_name", Text),
    enabled(),
    CheckConstraint("owner in ('target', 'buyer', 'campaign', 'publisher', 'group')", name="owner"),
    CheckConstraint(
        "kind in ('concurrency', 'attempts', 'connections', 'conversions', 'revenue', 'spacing')", name="kind"
    ),
    CheckConstraint(
        "(kind in ('concurrency', 'spacing')) = (period is null)"
        " and (period is null or period in ('hour', 'day', 'week', 'month', 'total'))",
        name="period",
    ),
    CheckConstraint("at_most >= 0", name="at_most"),
    Index(None, "owner", "owner_id"),
)

# Targets that share caps or duplicates, whoever owns them.
cap_groups = Table(
    "cap_groups",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    Column("time_zone", Text, nullable=False, server_default=text("'America/New_York'")),
)

cap_group_members = Table(
    "cap_group_members",
    metadata,
    Column("group_id", BigInteger, ForeignKey("cap_groups.id"), primary_key=True),
    Column("target_id", BigInteger, ForeignKey("targets.id"), primary_key=True),
)

# Where a target is asked for a bid.
ping_endpoints = Table(
    "ping_endpoints",
    metadata,
    Column("target_id", BigInteger, ForeignKey("targets.id"), primary_key=True),
    # A folder of router/buyers.
    Column("dialect", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("secret", SealedText("bidder secret", absent="")),
    # Headers and keys of its campaigns are among them.
    Column("settings", SealedJson("bidder settings")),
    # The buyer's contract lets losers see the caller's number.
    Column("expose_caller", Boolean, nullable=False, server_default=text("false")),
    Column("budget_per_minute", Integer),
    Column("cost_micros", BigInteger, nullable=False, server_default=text("0")),
    enabled(),
    # Ceilings of its bids: a higher bid, or a longer minimum, is invalid.
    Column("highest_bid_micros", BigInteger, nullable=False, server_default=text("1000000000")),
    Column("longest_minimum_seconds", Integer, nullable=False, server_default=text("600")),
    # It rests when it refuses more than this share of its wins at the post, or pays less than that of their worth.
    Column("most_refused_percent", Integer, nullable=False, server_default=text("60")),
    Column("least_paid_percent", Integer, nullable=False, server_default=text("25")),
    CheckConstraint("budget_per_minute >= 0", name="budget_per_minute"),
    CheckConstraint("cost_micros >= 0", name="cost"),
    CheckConstraint("highest_bid_micros > 0", name="highest_bid"),
    CheckConstraint("longest_minimum_seconds >= 0", name="longest_minimum"),
    CheckConstraint("most_refused_percent between 0 and 100", name="most_refused"),
    CheckConstraint("least_paid_percent between 0 and 100", name="least_paid"),
)

buyer_terms = Table(
    "buyer_terms",
    metadata,
    identity(),
    reference("buyer_id", "buyers"),
    reference("campaign_id", "campaigns"),
    Column("goes_live_at", Instant, nullable=False),
    Column("minimum_connected_ms", Integer, nullable=False, server_default=text("90000")),
    Column("price_micros", BigInteger, nullable=False),
    # billing.terms_document as JSON; null: the two columns above are all there is to it. With one, they say what the
    # first rule asks for, and highest_micros what a call can cost at most.
    Column("document", JSONB),
    Column("highest_micros", BigInteger),
    UniqueConstraint("buyer_id", "campaign_id", "goes_live_at"),
    CheckConstraint("price_micros >= 0", name="price"),
    CheckConstraint("minimum_connected_ms >= 0", name="minimum"),
)

publisher_terms = Table(
    "publisher_terms",
    metadata,
    identity(),
    reference("publisher_id", "publishers"),
    reference("campaign_id", "campaigns"),
    Column("goes_live_at", Instant, nullable=False),
    Column("payout_micros", BigInteger, nullable=False),
    # billing.terms_document as JSON; null: the payout is all there is to it.
    Column("document", JSONB),
    UniqueConstraint("publisher_id", "campaign_id", "goes_live_at"),
    CheckConstraint("payout_micros >= 0", name="payout"),
)

trunks = Table(
    "trunks",
    metadata,
    identity(),
    Column("name", Text, nullable=False, unique=True),
    Column("carrier_name", Text, nullable=False),
    # Addresses or networks INVITEs may come from; registration is used when registrar_uri is given.
    Column("addresses", ARRAY(Text), nullable=False),
    Column("registrar_uri", Text),
    Column("username", Text),
    Column("password", SealedText("trunk password", absent="")),
    Column("cost_per_minute_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("cost_increment_seconds", Integer, nullable=False, server_default=text("6")),
    Column("cost_minimum_seconds", Integer, nullable=False, server_default=text("6")),
    # The same for calls that we make over it.
    Column("outbound_cost_per_minute_micros", BigInteger, nullable=False, server_default=text("0")),
    Column("outbound_increment_seconds", Integer, nullable=False, server_default=text("6")),
    Column("outbound_minimum_seconds", Integer, nullable=False, server_default=text("6")),
    # How often its addresses are asked whether they are there (OPTIONS); 0: never.
    Column("check_every_seconds", Integer, nullable=False, server_default=text("0")),
    enabled(),
    CheckConstraint("outbound_increment_seconds > 0", name="outbound_increment"),
    CheckConstraint("cost_increment_seconds > 0", name="increment"),
)

# How a node's trunks are with their carriers, kept by its agi process: a registration, or an address that is asked.
trunk_states = Table(
    "trunk_states",
    metadata,
    Column("node", Text, primary_key=True),
    Column("trunk_id", BigInteger, ForeignKey("trunks.id", ondelete="CASCADE"), primary_key=True),
    Column("peer", Text, primary_key=True),
    # agi.trunk_states.State, and why it is not well in words.
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("round_trip_us", Integer),
    Column("changed_at", Instant, nullable=False, server_default=func.now()),
    # When Asterisk last said so: a node that is gone says nothing.
    Column("seen_at", Instant, nullable=False, server_default=func.now()),
)

# Who did what to the market, for readers that hold an older version: the rows of one owner changed. The triggers keep
# the newest thousand versions.
market_changes = Table(
    "market_changes",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    # buyer, target, campaign, stage, cap_<owner>; everything after a TRUNCATE.
    Column("kind", Text, primary_key=True),
    Column("owner_id", BigInteger, primary_key=True, autoincrement=False),
)

# One row; triggers on the tables above raise it, so that a snapshot knows when it is stale.
market_version = Table(
    "market_version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", BigInteger, nullable=False),
)
