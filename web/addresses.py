"""Addresses that came with a request and that we are to lead to."""

from __future__ import annotations

from urllib.parse import urlsplit
from uuid import UUID

ADDRESS_LENGTH_MAXIMUM = 2000


def own_path(address: str | None) -> str:
    """Return `address` when it is a path of ours, else the home page: nobody is led to another site by us."""
    if not address or len(address) > ADDRESS_LENGTH_MAXIMUM or not address.isprintable():
        return "/"
    # Browsers read a backslash as a slash, so //host and /\host both lead away.
    if not address.startswith("/") or address.startswith(("//", "/\\")):
        return "/"
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc else address


def call_id_in(text: str) -> UUID | None:
    """Return the call that a piece of an address names; one call, one address: other spellings name none."""
    try:
        call_id = UUID(text)
    except ValueError:
        return None
    return call_id if str(call_id) == text else None
