"""The one name of a call, known to every process without asking another."""

from __future__ import annotations

import uuid

_NAMESPACE = uuid.UUID("6f1d7c1e-3a54-5d0b-9c4f-4b1a3b7f2a10")


def call_id_of(linkedid: str) -> uuid.UUID:
    """Return the call's id: Asterisk's linkedid (systemname-epoch.serial, unique over nodes) hashed as uuid5."""
    return uuid.uuid5(_NAMESPACE, linkedid)
