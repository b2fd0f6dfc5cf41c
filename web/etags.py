"""ETags: names of states, for If-Match and for the hidden field of forms.

A name is a keyed index of the node's key ring: whoever reads a name cannot try alone which hidden value it was
made of, and each node of a database knows the others' names. It is bound to what it names: equal values elsewhere have
another name.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import TypeAlias

from aiohttp import web

from store.key_ring import KeyRing, key_ring

Unchanged: TypeAlias = Callable[[object], bool]
"""Tells whether a state is the one somebody read before they changed it."""


class Etags:
    """Names states by the index key of a ring, this process' own without another."""

    def __init__(self, ring: Callable[[], KeyRing] = key_ring) -> None:
        self._ring = ring

    def name(self, kind: str, ref: int, state: object) -> str:
        """Return the ETag of what `kind` and `ref` say is in this state, hidden values included."""
        text = json.dumps([kind, ref, state], sort_keys=True, default=str)
        return f'"{self._ring().blind("etag", text).hex()}"'

    def read(self, etag: str, kind: str, ref: int) -> Unchanged:
        """Return the check whether a state is the one that `etag` names. A name that is none of ours fits nothing."""

        def is_unchanged(state: object) -> bool:
            return hmac.compare_digest(self.name(kind, ref, state).encode(), etag.encode(errors="replace"))

        return is_unchanged


ETAGS: web.AppKey[Etags] = web.AppKey("etags", Etags)
