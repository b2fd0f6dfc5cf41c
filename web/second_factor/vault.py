"""Second factors as the database keeps them: sealed by the node's keys, each for its person.

A stolen table, or a backup of it, then makes no codes; moved to another person's row a secret opens nothing.
"""

from __future__ import annotations

from aiohttp import web

from store.key_ring import NotSealedByUs
from store.web_tables import SECOND_FACTOR


class Vault:
    """Seals and opens secrets of second factors."""

    def seal(self, user_id: int, text: str) -> bytes:
        return SECOND_FACTOR.seal(text.encode(), user_id)

    def open(self, user_id: int, kept: bytes) -> str | None:
        """Return what was sealed; None: by keys that this node has not, for another person, or tampered with."""
        try:
            return SECOND_FACTOR.unseal(kept, user_id).decode()
        except NotSealedByUs:
            return None


VAULT: web.AppKey[Vault] = web.AppKey("vault", Vault)
