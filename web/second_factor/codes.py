"""Codes of the second factor: those of a telephone's clock (RFC 6238), and those on paper for when it is lost. Pure."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from hmac import compare_digest

import pyotp

STEP_SECONDS = 30
STEPS_AROUND = 1
"""A telephone's clock may be half a minute off, either way."""
ISSUER = "Tollbridge"
RECOVERY_CODES = 10
RECOVERY_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""No letter or digit that is easily taken for another."""
RECOVERY_GROUPS, RECOVERY_GROUP_LENGTH = 7, 4
OLD_RECOVERY_GROUPS = 4
"""Of codes made before, which open until they are renewed."""
CODE_LENGTH_MAXIMUM = 60

_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_LENGTHS = frozenset(groups * RECOVERY_GROUP_LENGTH for groups in (RECOVERY_GROUPS, OLD_RECOVERY_GROUPS))
_NEW = b"\x02"
"""What digests of codes begin with since they have 128 bits and more."""


def new_secret() -> str:
    """Return a new secret of 160 bits, in base32."""
    return pyotp.random_base32()


def step_of_code(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step (30 s each, from 1970) that this code is of, or None when it is of none around `now`."""
    text = re.sub(r"\s", "", code[:CODE_LENGTH_MAXIMUM])
    if not _CODE.fullmatch(text):
        return None
    totp = pyotp.TOTP(secret)
    current = int(now.timestamp()) // STEP_SECONDS
    found = None
    for step in range(current - STEPS_AROUND, current + STEPS_AROUND + 1):
        if compare_digest(totp.generate_otp(step), text):
            found = step
    return found


def setup_address(secret: str, email: str) -> str:
    """Return what the QR code says to an authenticator app."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def new_recovery_codes() -> Sequence[str]:
    """Return codes of 138 bits each, such as k7ma-2xwp-9tde-h4rn-6vqc-zb3f-ju8s."""
    return [
        "-".join(
            "".join(secrets.choice(RECOVERY_ALPHABET) for _ in range(RECOVERY_GROUP_LENGTH))
            for _ in range(RECOVERY_GROUPS)
        )
        for _ in range(RECOVERY_CODES)
    ]


def clean_recovery_code(text: str) -> str | None:
    """Return a recovery code as it was shown, however it was typed; None when it cannot be one."""
    letters = re.sub(r"[\s-]", "", text[:CODE_LENGTH_MAXIMUM]).lower()
    if len(letters) not in _LENGTHS or not set(letters) <= set(RECOVERY_ALPHABET):
        return None
    length = RECOVERY_GROUP_LENGTH
    return "-".join(letters[start : start + length] for start in range(0, len(letters), length))


def digest_of_code(code: str) -> bytes:
    """Return what is kept of a recovery code: its sha256, for there is nothing in 138 bits that could be guessed."""
    is_old = len(code.replace("-", "")) == OLD_RECOVERY_GROUPS * RECOVERY_GROUP_LENGTH
    return (b"" if is_old else _NEW) + hashlib.sha256(code.encode()).digest()


def is_old_digest(digest: bytes) -> bool:
    """Tell whether a code of 79 bits was kept so: anyone who reads the database has a chance to find it in years."""
    return len(digest) == hashlib.sha256().digest_size


def grouped(secret: str) -> str:
    """Return a secret as it is easiest to copy by hand: in groups of four."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
