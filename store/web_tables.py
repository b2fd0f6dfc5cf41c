"""People who use the web beside the house's calls: who may sign in and how, what they changed, what they keep."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from store.columns import Instant, identity, metadata, reference
from store.sealed_columns import SealedFor, SealedText, sealed_caller

SECOND_FACTOR = SealedFor("second factor", bound_by="id")
DIRECTORY_GRANT = SealedFor("directory grant", bound_by="user_id")

users = Table(
    "users",
    metadata,
    identity(),
    Column("email", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, server_default=text("''")),
    # Empty: nobody can sign in by password (an invitation not yet taken).
    Column("password_hash", Text, nullable=False),
    # web.keys.Role
    Column("role", Text, nullable=False),
    # Whose calls a buyer's or a publisher's person sees.
    reference("buyer_id", "buyers", nullable=True),
    reference("publisher_id", "publishers", nullable=True),
    Column("disabled_at", Instant),
    # Secret of the second factor; null: none is asked for.
    Column("totp_secret", SECOND_FACTOR),
    # The last time step that was used: a code opens once.
    Column("totp_last_step", BigInteger),
    # sha256 of codes that open once when the telephone is lost.
    Column("recovery_digests", ARRAY(LargeBinary), nullable=False, server_default=text("'{}'")),
    # Since when their role wants a second factor of them; null: it does not.
    Column("factor_asked_at", Instant),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    # Who somebody is in the house's directory (web/oidc); null: they sign in here, by password or passkey.
    Column("directory_issuer", Text),
    Column("directory_subject", Text),
    # Until when the directory's word counts; null: it gave none, or took it back.
    Column("directory_confirmed_until", Instant),
    CheckConstraint("buyer_id is null or role = 'buyer'", name="buyer"),
    CheckConstraint("publisher_id is null or role = 'publisher'", name="publisher"),
    CheckConstraint("(directory_issuer is null) = (directory_subject is null)", name="directory"),
    # Or a password would open what the directory has closed.
    CheckConstraint("directory_subject is null or password_hash = ''", name="directory_only"),
    Index("ix_users_directory", "directory_issuer", "directory_subject", unique=True),
)

# What the directory gave for somebody who signed in by it, sealed (web/second_factor/vault.py).
directory_grants = Table(
    "directory_grants",
    metadata,
    Column("user_id", BigInteger, ForeignKey("users.id"), primary_key=True),
    # To ask the directory again while somebody is signed in; null: it gave none.
    Column("refresh_token", DIRECTORY_GRANT),
    # Names the session there when somebody signs out.
    Column("id_token", DIRECTORY_GRANT),
    # When the directory was last asked again.
    Column("asked_at", Instant),
)

# What people of a group of the directory may do here.
directory_groups = Table(
    "directory_groups",
    metadata,
    identity(),
    # As the directory spells it.
    Column("name", Text, nullable=False, unique=True),
    # web.keys.Role
    Column("role", Text, nullable=False),
    reference("buyer_id", "buyers", nullable=True),
    reference("publisher_id", "publishers", nullable=True),
    CheckConstraint("(buyer_id is not null) = (role = 'buyer')", name="buyer"),
    CheckConstraint("(publisher_id is not null) = (role = 'publisher')", name="publisher"),
)

web_sessions = Table(
    "web_sessions",
    metadata,
    # sha256 of the cookie's token: a stolen table opens no session.
    Column("token_digest", LargeBinary, primary_key=True),
    # The name by which its owner lists and ends it.
    Column("id", Uuid, nullable=False, unique=True, server_default=text("gen_random_uuid()")),
    reference("user_id", "users"),
    Column("address", Text, nullable=False, server_default=text("''")),
    Column("user_agent", Text, nullable=False, server_default=text("''")),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("last_seen_at", Instant, nullable=False, server_default=func.now()),
    Column("expires_at", Instant, nullable=False),
    # When its owner last showed who they are, and when by a second factor or a passkey; null: not in this session.
    Column("verified_at", Instant),
    Column("factor_at", Instant),
    # It opens nothing after this unless it is used before.
    Column("idle_until", Instant),
    Index(None, "user_id"),
)

# Links that are sent by mail: an invitation, or a new password. Each opens once.
user_links = Table(
    "user_links",
    metadata,
    Column("token_digest", LargeBinary, primary_key=True),
    # invitation, reset
    Column("kind", Text, nullable=False),
    reference("user_id", "users"),
    Column("created_by", BigInteger, ForeignKey("users.id")),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    CheckConstraint("kind in ('invitation', 'reset')", name="kind"),
    Index(None, "user_id"),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    reference("user_id", "users"),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("last_used_at", Instant),
    Index(None, "user_id"),
)

# What a sign-in has to answer yet: a passkey's challenge, or the code of the second factor.
sign_in_challenges = Table(
    "sign_in_challenges",
    metadata,
    Column("token_digest", LargeBinary, primary_key=True),
    # web.challenge_queries.Purpose
    Column("purpose", Text, nullable=False),
    reference("user_id", "users", nullable=True),
    Column("challenge", LargeBinary),
    Column("expires_at", Instant, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    identity(),
    reference("user_id", "users"),
    Column("name", Text, nullable=False),
    Column("token_digest", LargeBinary, nullable=False, unique=True),
    # The first characters, by which its owner knows it again.
    Column("beginning", Text, nullable=False),
    # web.api.operation: read:<tag> or write:<tag>
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("expires_at", Instant),
    Column("last_used_at", Instant),
    Column("revoked_at", Instant),
    Index(None, "user_id"),
)

# Everything that people changed by page, API or command, with what was there before.
audit_log = Table(
    "audit_log",
    metadata,
    identity(),
    Column("at", Instant, nullable=False, server_default=func.now()),
    reference("user_id", "users", nullable=True),
    # Their address at the time, or the command's name.
    Column("actor", Text, nullable=False),
    # page, api, command
    Column("via", Text, nullable=False),
    # create, change, delete, restore, sign_in, publish …
    Column("action", Text, nullable=False),
    # What was changed: a resource's name, and the id there.
    Column("kind", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
    Index(None, "at"),
    Index(None, "kind", "ref"),
    Index(None, "actor", "at"),
)

# What an Idempotency-Key was answered: asked again, the same answer is given and nothing is done.
api_answers = Table(
    "api_answers",
    metadata,
    reference("user_id", "users"),
    Column("key", Text, nullable=False),
    # Keyed: without the key, anyone who tries all numbers would find that of the request.
    Column("request_digest", LargeBinary, nullable=False),
    # Null while the first request is at work.
    Column("status", Integer),
    Column("headers", JSONB),
    # Null too when the answer held a secret: it is not kept. What is kept may name a caller.
    Column("body", SealedText("api answer")),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("user_id", "key"),
    Index(None, "created_at"),
)

saved_views = Table(
    "saved_views",
    metadata,
    identity(),
    reference("user_id", "users"),
    # The page it is a view of: calls, reports …
    Column("page", Text, nullable=False),
    Column("name", Text, nullable=False),
    # Its address after the question mark.
    Column("query", Text, nullable=False),
    UniqueConstraint("user_id", "page", "name"),
)

# What somebody at a page wants done to a call that is going on: the agi process of its node does it.
call_commands = Table(
    "call_commands",
    metadata,
    identity(),
    Column("node", Text, nullable=False),
    Column("call_id", Uuid, ForeignKey("calls.id"), nullable=False),
    # hang_up
    Column("kind", Text, nullable=False),
    reference("user_id", "users", nullable=True),
    # Their address at the time.
    Column("asked_by", Text, nullable=False, server_default=text("''")),
    Column("asked_at", Instant, nullable=False, server_default=func.now()),
    Column("done_at", Instant),
    # Why it could not be done; empty: it was.
    Column("problem", Text, nullable=False, server_default=text("''")),
    CheckConstraint("kind in ('hang_up')", name="kind"),
    Index("ix_call_commands_open", "node", postgresql_where=text("done_at is null")),
    Index(None, "call_id"),
)

# Test calls that somebody at a page wants placed: the worker of a node does it with a telephone of our own.
test_calls = Table(
    "test_calls",
    metadata,
    identity(),
    # One of our tracking numbers, and who seems to call; empty: withheld.
    Column("dialled", Text, nullable=False),
    sealed_caller(nullable=False),
    # What the caller says and presses, turn by turn, words first.
    Column("says", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("presses", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("node", Text, nullable=False, server_default=text("''")),
    # What happened so far, as the command line would print it.
    Column("lines", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # Why it came to nothing; empty: it did not.
    Column("problem", Text, nullable=False, server_default=text("''")),
    Column("call_id", Uuid),
    reference("user_id", "users", nullable=True),
    Column("asked_by", Text, nullable=False, server_default=text("''")),
    Column("asked_at", Instant, nullable=False, server_default=func.now()),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    CheckConstraint("state in ('waiting', 'running', 'done', 'failed')", name="state"),
    # One at a time in the whole house.
    Index("ix_test_calls_running", "state", unique=True, postgresql_where=text("state = 'running'")),
    Index(None, "asked_at"),
)

# One-time codes that the dialplan turns into listening to a call (ChanSpy), or into a call to a draft.
dial_codes = Table(
    "dial_codes",
    metadata,
    Column("code_digest", LargeBinary, primary_key=True),
    # The name by which what comes of it is followed: whoever reads it cannot dial.
    Column("id", Uuid, nullable=False, unique=True, server_default=text("gen_random_uuid()")),
    # listen, whisper, barge, draft
    Column("purpose", Text, nullable=False),
    reference("user_id", "users"),
    Column("call_id", Uuid),
    Column("flow_name", Text),
    # The draft as it was when the code was made, its sub-flows within.
    Column("definition", JSONB),
    # Who would take the call is decided as for a call of this campaign, from this number; null: nobody, withheld.
    reference("campaign_id", "campaigns", nullable=True),
    sealed_caller(),
    Column("created_at", Instant, nullable=False, server_default=func.now()),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    # The session or API token that made it (their token_digest), and the channel that used it: it ends with them.
    Column("holder_digest", LargeBinary),
    Column("node", Text),
    Column("channel", Text),
    Index("ix_dial_codes_at_work", "node", postgresql_where=text("channel is not null")),
    CheckConstraint("purpose in ('listen', 'whisper', 'barge', 'draft')", name="purpose"),
    CheckConstraint("(purpose = 'draft') = (definition is not null)", name="draft"),
)

DRAFT_CALLS = "tollbridge_draft_calls"
"""NOTIFY channel: the payload is the id of a code whose call came further."""

# What a call to a draft came through, step by step, for whoever looks on; gone with its code.
draft_call_events = Table(
    "draft_call_events",
    metadata,
    Column("dial_code_id", Uuid, ForeignKey("dial_codes.id", ondelete="CASCADE"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("at", Instant, nullable=False, server_default=func.now()),
    # agi/draft_story.py
    Column("kind", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
    PrimaryKeyConstraint("dial_code_id", "sequence"),
)

# What a buyer has narrowed of a target by itself, and what the house had set before: within that it may move.
target_limits = Table(
    "target_limits",
    metadata,
    Column("target_id", BigInteger, ForeignKey("targets.id"), primary_key=True),
    # As the house set them; null: the buyer has not touched it.
    Column("house_schedule", JSONB),
    Column("house_concurrency_cap", Integer),
    Column("house_filters", JSONB),
    # As the buyer left them: when the target says otherwise, the house has changed it since, and that counts.
    Column("own_schedule", JSONB),
    Column("own_concurrency_cap", Integer),
    Column("own_filters", JSONB),
    Column("dropped_states", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    # What the buyer's own part of the filter says, as it was typed (web/buyer/only_when.py).
    Column("own_rules", JSONB, nullable=False, server_default=text("'[]'")),
    # The cap of calls a day that the buyer has set itself.
    reference("day_cap_id", "caps", nullable=True),
)

# Between what a buyer may set its standing price for a campaign; no row: only the house sets it.
bid_limits = Table(
    "bid_limits",
    metadata,
    Column("buyer_id", BigInteger, ForeignKey("buyers.id"), primary_key=True),
    Column("campaign_id", BigInteger, ForeignKey("campaigns.id"), primary_key=True),
    Column("floor_micros", BigInteger, nullable=False),
    Column("ceiling_micros", BigInteger, nullable=False),
    CheckConstraint("floor_micros >= 0 and floor_micros <= ceiling_micros", name="range"),
)
