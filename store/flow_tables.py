"""Flows: the published versions, which never change, and the drafts at work on."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB

from store.columns import Instant, identity, metadata

flows = Table(
    "flows",
    metadata,
    identity(),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("definition", JSONB, nullable=False),
    Column("published_at", Instant),
    Column("published_by", Text, nullable=False, server_default=text("''")),
    # What the version is for, or which one it goes back to.
    Column("note", Text, nullable=False, server_default=text("''")),
    UniqueConstraint("name", "version"),
)

# One draft a flow. It may be broken: publishing checks it.
flow_drafts = Table(
    "flow_drafts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("definition", JSONB, nullable=False),
    # The version it was begun from, 0 for none.
    Column("based_on", Integer, nullable=False, server_default=text("0")),
    # Raised at every save: whoever saves says which one they saw, and overwrites nobody.
    Column("revision", Integer, nullable=False, server_default=text("1")),
    Column("changed_at", Instant, nullable=False, server_default=func.now()),
    Column("changed_by", Text, nullable=False, server_default=text("''")),
)
