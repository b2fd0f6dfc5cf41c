"""Who changed what: written in the transaction of the change, so that neither is ever there without the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from web import audit_queries
from web.authority import Act, Credential, NotAllowed, not_allowed
from web.keys import Role, User


class Via(StrEnum):
    """The door by which a change came in."""

    PAGE = "page"
    API = "api"
    COMMAND = "command"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who changes something, and by which door. Nobody for a command: `name` says which."""

    user: User | None
    via: Via = Via.PAGE
    name: str = ""
    credential: Credential = Credential.STALE
    """By what they ask; what is not said is worth little."""
    holder: bytes | None = field(default=None, repr=False)
    """The digest of the session or token they ask with: what they open ends with it."""

    def may_not(self, act: Act, target: Role, *, is_self: bool = False) -> NotAllowed | None:
        """Return why they may not do this to somebody of the role `target`. The command line may do everything."""
        if self.via is Via.COMMAND:
            return None
        if self.user is None:
            return NotAllowed.NOT_YOURS
        return not_allowed(
            act, role=self.user.role, credential=self.credential, target=target, is_self=is_self
        )

    @property
    def label(self) -> str:
        return self.user.email if self.user is not None else self.name


async def write_audit(
    connection: AsyncConnection,
    actor: Actor,
    *,
    action: str,
    kind: str,
    ref: object,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> int:
    """Note a change; return the note's id.

    `kind` and `ref` name what was changed ("buyers", 7). `before` and `after` are JSON as it was and is, without
    secrets.
    """
    return await audit_queries.insert_audit(
        connection,
        user_id=None if actor.user is None else actor.user.user_id,
        actor=actor.label,
        via=str(actor.via),
        action=action,
        kind=kind,
        ref=str(ref),
        before=before,
        after=after,
    )
