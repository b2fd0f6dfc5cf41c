"""Seals what an older Tollbridge kept in another way: once, before the processes start.

At first it kept second factors bare, later sealed under TOLLBRIDGE_DATA_SECRET or, where that was empty, the node's own
secret.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from store.key_ring import FORMAT
from web.second_factor import queries
from web.second_factor.vault import Vault

_SEALED = b"v1:"
"""What a text began with that was sealed under the secret; a bare one is base32, which knows no colon."""
_NONCE_BYTES, _KEY_BYTES = 12, 32
_PURPOSE = b"tollbridge second factor v1"


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """How many second factors were sealed anew, and how many the older secret does not open."""

    done: int
    lost: int


async def seal_older_factors(engine: AsyncEngine, vault: Vault, older_secret: str) -> Sealed:
    """Seal every second factor by the node's keys that is not yet. Several nodes may do it at once."""
    done = lost = 0
    async with engine.begin() as connection:
        for user_id, kept in (await queries.read_factors(connection)).items():
            if kept.startswith(FORMAT):
                continue
            secret = _opened(user_id, kept, older_secret)
            if secret is None:
                lost += 1
                continue
            await queries.seal_factor(connection, user_id, before=kept, sealed=vault.seal(user_id, secret))
            done += 1
    return Sealed(done=done, lost=lost)


def _opened(user_id: int, kept: bytes, secret: str) -> str | None:
    if not kept.startswith(_SEALED):
        return kept.decode(errors="replace")
    key = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE).derive(secret.encode())
    try:
        sealed = urlsafe_b64decode(kept.removeprefix(_SEALED))
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return AESGCM(key).decrypt(nonce, body, f"user {user_id}".encode()).decode()
    except (InvalidTag, ValueError):
        return None


async def count_lost(connection: AsyncConnection, vault: Vault) -> tuple[int, int]:
    """Return how many second factors do not open, and how many there are."""
    kept = await queries.read_factors(connection)
    return sum(vault.open(user_id, one) is None for user_id, one in kept.items()), len(kept)
