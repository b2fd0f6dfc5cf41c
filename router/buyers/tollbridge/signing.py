"""The signature of our own dialect: HMAC-SHA256 under the secret the two houses share."""

from __future__ import annotations

import hmac
from functools import lru_cache

TIME_HEADER = "X-Tollbridge-Time"
SIGNATURE_HEADER = "X-Tollbridge-Signature"
LEAST_SECRET_CHARACTERS = 16
MAXIMUM_AGE_SECONDS = 300


def sign(secret: str, bound_to: str, body: bytes) -> str:
    """Return the signature of `body` bound to one time (a question) or one ping id (an answer), in hex."""
    return _hmac(secret, bound_to.encode() + b"." + body)


def signed_by(secret: str, bound_to: str, body: bytes, signature: str) -> bool:
    """Return whether `signature` is right. Takes as long for a wrong one as for a right one."""
    return hmac.compare_digest(sign(secret, bound_to, body).encode(), signature.encode())


def caller_hash(secret: str, e164: str) -> str:
    """Return what stands for a caller's number: who holds the secret can compare it and try numbers, nobody else."""
    return _hmac(secret, b"caller:" + e164.encode())


def _hmac(secret: str, message: bytes) -> str:
    keyed = _keyed(secret).copy()
    keyed.update(message)
    return keyed.hexdigest()


@lru_cache(maxsize=4096)
def _keyed(secret: str) -> hmac.HMAC:
    """Made once a secret, and copied: to make it takes longer than all the rest, three times for each bidder."""
    return hmac.new(secret.encode(), digestmod="sha256")
