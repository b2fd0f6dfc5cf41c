"""The token Asterisk and our services know each other by: made at the first start, kept for its owner only."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tollbridge.faults import CannotRun

_FIT = re.compile(r"[0-9A-Za-z_-]{16,128}")
"""It stands in configuration files and AGI addresses, so it holds nothing that means something there."""


def node_secret(configured: str, file: Path) -> str:
    """Return the configured secret, else the file's, made when missing. Raises CannotRun when it is not fit."""
    secret = configured or read_or_make(file, lambda: secrets.token_urlsafe(24) + "\n")
    if not _FIT.fullmatch(secret):
        where = "TOLLBRIDGE_SECRET" if configured else str(file)
        raise CannotRun(f"the secret in {where} must be 16 to 128 letters, digits, - or _")
    return secret


def read_or_make(file: Path, make: Callable[[], str]) -> str:
    """Return what a file of the owner's only holds, without white space around it.

    Whoever comes first makes it; it is there whole or not at all, for several processes start at once.
    """
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        own = file.with_name(f".{file.name}.{os.getpid()}")
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as target:
            target.write(make())
        with suppress(FileExistsError):
            os.link(own, file)
        own.unlink()
    return file.read_text().strip()
