"""Links by which a browser plays a sound for a few minutes: signed, for one user and one part of one call's recording.

Such a link is in a browser's history, a proxy's log or a copied address. It opens nothing for anybody but who it was
made for, signed in as before, and nothing at all a little later.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from store.key_ring import key_ring

OPEN_FOR = timedelta(minutes=10)
"""Besides as long as the sound itself: who listens to its end is not cut off."""
_LINK = re.compile("([0-9a-f]{32})-([0-9]{1,4})-([0-9]{1,12})-([0-9a-f]{64})", re.ASCII)
_PURPOSE = "sound link"


@dataclass(frozen=True, kw_only=True)
class SoundLink:
    """What a link plays, for whom, and until when (epoch seconds)."""

    user_id: int
    call_id: UUID
    part: int
    until_s: int


def make_link(user_id: int, call_id: UUID, part: int, *, length_ms: int, now: datetime) -> str:
    """Return what follows /sounds/ in an address."""
    until_s = int((now + OPEN_FOR).timestamp()) + length_ms // 1000
    link = SoundLink(user_id=user_id, call_id=call_id, part=part, until_s=until_s)
    return f"{call_id.hex}-{part}-{until_s}-{_signature(link)}"


def read_link(text: str, user_id: int, *, now: datetime) -> SoundLink | None:
    """Return what a link plays for this user; None: its time is over, it is another's, or was changed."""
    found = _LINK.fullmatch(text)
    if found is None:
        return None
    call_hex, part, until_s, signature = found.groups()
    link = SoundLink(user_id=user_id, call_id=UUID(call_hex), part=int(part), until_s=int(until_s))
    is_ours = hmac.compare_digest(signature, _signature(link))
    return link if is_ours and now.timestamp() < link.until_s else None


def _signature(link: SoundLink) -> str:
    signed = f"{link.user_id} {link.call_id} {link.part} {link.until_s}"
    return hmac.digest(key_ring().index_key(_PURPOSE), signed.encode(), "sha256").hex()
