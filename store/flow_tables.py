"""Flows at work on. What callers meet are the published versions (market_tables.flows), which never change."""

from __future__ import annotations

from sqlalchemy import Column, Integer, Table, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB

from store.columns import Instant, metadata

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
