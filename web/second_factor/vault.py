"""Second factors, and a directory's tokens, as the database keeps them: sealed by the node's keys, each for its person.

A stolen table, or a backup of it, then makes no codes; moved to another person's row a secret opens nothing.
"""

from __future__ import annotations

from aiohttp import web

from store.key_ring import NotSealedByUs
from store.sealed_columns import SealedFor
from store.web_tables import SECOND_FACTOR


class Vault:
    """Seals and opens people's secrets: of second factors, or what another column holds."""

    def __init__(self, column: SealedFor = SECOND_FACTOR) -> None:
        self._column = column

    def seal(self, user_id: int, text: str) -> bytes:
        return self._column.seal(text.encode(), user_id)

    def open(self, user_id: int, kept: bytes) -> str | None:
        """Return what was sealed; None: by keys that this node has not, for another person, or tampered with."""
        try:
            return self._column.unseal(kept, user_id).decode()
        except NotSealedByUs:
            return None


VAULT: web.AppKey[Vault] = web.AppKey("vault", Vault)
