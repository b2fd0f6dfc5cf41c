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
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from store.columns import Instant, identity, metadata
from store.sealed_columns import SealedFor

SOUND_KEY = SealedFor("sound key", bound_by="call_id")

# What seals a call's recordings and voice messages (store.sealed_sound). Destroyed: what it sealed can be heard no
# more, and no other is made for the call.
sound_keys = Table(
    "sound_keys",
    metadata,
    Column("call_id", Uuid, ForeignKey("calls.id"), primary_key=True),
    Column("key_sealed", SOUND_KEY),
    Column("made_at", Instant, nullable=False, server_default=func.now()),
    Column("destroyed_at", Instant),
    # When the worker of the call's node took the noise off the disk.
    Column("files_gone_at", Instant),
    CheckConstraint("(key_sealed is null) = (destroyed_at is not null)", name="destroyed"),
    Index(
        "ix_sound_keys_files_left",
        "destroyed_at",
        postgresql_where=text("destroyed_at is not null and files_gone_at is null"),
    ),
)

recordings = Table(
    "recordings",
    metadata,
    identity(),
    Column("call_id", Uuid, ForeignKey("calls.id"), nullable=False),
    # From 1: a call is recorded in one piece, unless a later issue interrupts it.
    Column("part", Integer, nullable=False),
    Column("node", Text, nullable=False),
    # Name of the sound: <call id>-<part>.wav, never anything of the caller. On the disk it is sealed, as <name>.sealed.
    Column("file", Text, nullable=False),
    # recording, stored, refused (the caller said so: nothing is kept), missing (Asterisk wrote no file),
    # erased (its key was destroyed when a person was forgotten)
    Column("state", Text, nullable=False, server_default=text("'recording'")),
    # The flow's node whose notice was heard to its end before.
    Column("consent_node", Text, nullable=False, server_default=text("''")),
    Column("started_at", Instant, nullable=False),
    # After the call began.
    Column("start_offset_ms", BigInteger),
    # Of the plain sound, a WAV file: the digest is the same whatever key seals it.
    Column("length_ms", BigInteger),
    Column("file_bytes", BigInteger),
    Column("sha256", Text),
    Column("stored_at", Instant),
    UniqueConstraint("call_id", "part"),
    CheckConstraint("state in ('recording', 'stored', 'refused', 'missing', 'erased')", name="state"),
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
