"""ETags: names of states, for If-Match and for the hidden field of forms.

A name is an HMAC under a key made of the secret that the nodes of one database share (TOLLBRIDGE_DATA_SECRET): whoever
reads a name cannot try on their own which hidden value it was made of, and each node knows the others' names. Without
that secret two nodes take each other's forms for changed meanwhile (412), and nothing is lost. A name is bound to what
it names: equal values elsewhere have another. Pure.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from typing import TypeAlias

from aiohttp import web
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
PURPOSE = b"tollbridge etags v1"
NAME_DIGITS = 32

Unchanged: TypeAlias = Callable[[object], bool]
"""Tells whether a state is the one somebody read before they changed it."""


class Etags:
    """Names states under one secret, which it does not tell."""

    def __init__(self, secret: str) -> None:
        self._key = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=PURPOSE).derive(
            secret.encode()
        )

    def name(self, kind: str, ref: int, state: object) -> str:
        """Return the ETag of what `kind` and `ref` say is in this state, hidden values included."""
        text = json.dumps([kind, ref, state], sort_keys=True, default=str)
        return f'"{hmac.new(self._key, text.encode(), sha256).hexdigest()[:NAME_DIGITS]}"'

    def read(self, etag: str, kind: str, ref: int) -> Unchanged:
        """Return the check whether a state is the one that `etag` names. A name that is none of ours fits nothing."""

        def is_unchanged(state: object) -> bool:
            return hmac.compare_digest(self.name(kind, ref, state).encode(), etag.encode(errors="replace"))

        return is_unchanged


ETAGS: web.AppKey[Etags] = web.AppKey("etags", Etags)
