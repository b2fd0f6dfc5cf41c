"""What second factors are sealed with in the database: AES-256-GCM under a key made of the house's secret. Pure.

A stolen table, or a backup of it, then makes no codes. Each is bound to its person: moved to another row it opens
nothing.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SEALED = "v1:"
"""What sealed texts begin with. A bare one is base32, which knows no colon."""
NONCE_BYTES = 12
KEY_BYTES = 32
PURPOSE = b"tollbridge second factor v1"


class Vault:
    """Seals and opens under one secret, which it does not tell."""

    def __init__(self, secret: str) -> None:
        key = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=PURPOSE).derive(secret.encode())
        self._cipher = AESGCM(key)

    def seal(self, user_id: int, text: str) -> str:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return (
            SEALED
            + urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), _of(user_id))).decode()
        )

    def open(self, user_id: int, kept: str) -> str | None:
        """Return what was sealed; None: under another secret, for another person, or tampered with.

        What an older Tollbridge kept bare is returned as it is.
        """
        if not is_sealed(kept):
            return kept
        try:
            sealed = urlsafe_b64decode(kept.removeprefix(SEALED))
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _of(user_id)).decode()
        except (InvalidTag, ValueError):
            return None


def is_sealed(kept: str) -> bool:
    return kept.startswith(SEALED)


def _of(user_id: int) -> bytes:
    return f"user {user_id}".encode()


VAULT: web.AppKey[Vault] = web.AppKey("vault", Vault)
