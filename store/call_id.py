"""The one name of a call, known to every process without asking another."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

_NAMESPACE = uuid.UUID("6f1d7c1e-3a54-5d0b-9c4f-4b1a3b7f2a10")


def call_id_of(linkedid: str) -> uuid.UUID:
    """Return the call's id: Asterisk's linkedid (systemname-epoch.serial, unique over nodes) hashed as uuid5."""
    return uuid.uuid5(_NAMESPACE, linkedid)


def started_at_of(linkedid: str) -> datetime | None:
    """Return the second in which the call began, as its linkedid says; None when it says none.

    Every step of a call and survival know it without asking. What takes effect at a whole second takes effect for
    the same calls by it as by the call's record.
    """
    epoch, dot, _ = linkedid.rpartition("-")[2].partition(".")
    # More digits are no second that Asterisk counts, and may be none that a date can be made of.
    if not dot or not epoch.isdecimal() or not epoch.isascii() or not 9 <= len(epoch) <= 11:
        return None
    return datetime.fromtimestamp(int(epoch), UTC)
