"""What was kept of a call besides its answers: recordings, and what its flow did."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from store.columns import Instant, identity, metadata

recordings = Table(
    "recordings",
    metadata,
    identity(),
    Column("call_id", Uuid, ForeignKey("calls.id"), nullable=False),
    # From 1: a call is recorded in one piece, unless a later issue interrupts it.
    Column("part", Integer, nullable=False),
    Column("node", Text, nullable=False),
    # Name in the node's recordings folder: <call id>-<part>.wav, never anything of the caller.
    Column("file", Text, nullable=False),
    # recording, stored, refused (the caller said so: nothing is kept), missing (Asterisk wrote no file)
    Column("state", Text, nullable=False, server_default=text("'recording'")),
    # The flow's node whose notice was heard to its end before.
    Column("consent_node", Text, nullable=False, server_default=text("''")),
    Column("started_at", Instant, nullable=False),
    # After the call began.
    Column("start_offset_ms", BigInteger),
    # Of the finished file.
    Column("length_ms", BigInteger),
    Column("file_bytes", BigInteger),
    Column("sha256", Text),
    Column("stored_at", Instant),
    UniqueConstraint("call_id", "part"),
    CheckConstraint("state in ('recording', 'stored', 'refused', 'missing')", name="state"),
    CheckConstraint("state <> 'stored' or (sha256 is not null and length_ms is not null)", name="stored"),
    Index("ix_recordings_open", "started_at", postgresql_where=text("state = 'recording'")),
)

# What a flow did in a call beside asking: notices heard, prompts said, web hooks, transfers, requests, faults.
call_events = Table(
    "call_events",
    metadata,
    identity(),
    Column("call_id", Uuid, ForeignKey("calls.id"), nullable=False),
    Column("at", Instant, nullable=False),
    # agi.journal_reader.Noted
    Column("kind", Text, nullable=False),
    # The flow's node; empty when it was none.
    Column("node", Text, nullable=False, server_default=text("''")),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Index(None, "call_id"),
)
