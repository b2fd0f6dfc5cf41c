"""How long a session lives unused, and from when on a role wants a second factor. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiohttp import web

from web.keys import Role, Session

IDLE_MINUTES: Mapping[Role, int] = {
    Role.ADMIN: 30,
    Role.MANAGER: 60,
    Role.ANALYST: 240,
    Role.BUYER: 240,
    Role.PUBLISHER: 240,
}
"""How long a session may stay unused, unless the house sets it otherwise."""
FACTOR_GRACE = timedelta(days=14)


@dataclass(frozen=True, kw_only=True)
class SessionRules:
    """What the house has set. `factor_grace`: how long after getting the role a second factor may be missing."""

    factor_grace: timedelta = FACTOR_GRACE
    idle_minutes: Mapping[Role, int] = field(default_factory=lambda: IDLE_MINUTES)

    def idle_until(self, role: Role, now: datetime) -> datetime:
        return now + timedelta(minutes=self.idle_minutes[role])

    def factor_due(self, session: Session) -> datetime | None:
        """Return when a second factor must be set up; None: it is, or the role wants none."""
        if session.factor_asked_at is None or session.has_factor:
            return None
        return session.factor_asked_at + self.factor_grace

    def lacks_factor(self, session: Session, now: datetime) -> bool:
        """Tell whether a session may do no more than show, or set up, the second factor that its owner's role wants."""
        if session.factor_asked_at is None or session.factor_at is not None:
            return False
        return now >= session.factor_asked_at + self.factor_grace


SESSION_RULES: web.AppKey[SessionRules] = web.AppKey("session_rules", SessionRules)
