"""How long somebody of the house's directory is let in by its word: the same at the pages' door and at the switch."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement

from store.tables import users

OUTLAST_DIRECTORY = timedelta(days=7)
"""How long tokens of somebody of the directory open after its word about them has run out."""


def is_vouched_for(at: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Anyone who signs in by the directory comes in while its word counts (web/oidc); everybody else always."""
    return users.c.directory_subject.is_(None) | (users.c.directory_confirmed_until > at)
