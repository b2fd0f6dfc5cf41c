"""Who may do what to whom about people and how they sign in: one table. Pure.

A token of an API never reaches into the house's own people, nor anybody's second factor. A session that has not been
confirmed for a while does what is safe and what concerns people outside the house. Everything that opens a way in wants
the password or a second factor of now, and another person's second factor wants one's own. What is not here, such as to
end one's own sessions, anyone who is signed in may do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum, auto

from web.keys import Role

FRESH_FOR = timedelta(minutes=10)
"""How long who somebody is need not be shown again."""

EVERYBODY = frozenset(Role)
OUTSIDE = frozenset({Role.BUYER, Role.PUBLISHER})
BELOW_ADMIN = EVERYBODY - {Role.ADMIN}
ADMINS = frozenset({Role.ADMIN})
NOBODY: frozenset[Role] = frozenset()


class Credential(StrEnum):
    """By what somebody asks, weakest first."""

    TOKEN = auto()
    STALE = auto()
    """A session whose owner has not shown who they are for FRESH_FOR."""
    PASSWORD = auto()
    """A session whose owner has, by the password alone."""
    FACTOR = auto()
    """A session whose owner has, by a second factor or a passkey."""


class Act(StrEnum):
    """What can be done about somebody. Those of `OWN` are about oneself."""

    INVITE = auto()
    CHANGE = auto()
    """Name, role, whose person it is; looked at for the role of before and the role of after."""
    MAKE_INVITATION = auto()
    MAKE_RESET = auto()
    DISABLE = auto()
    ENABLE = auto()
    SIGN_OUT = auto()
    """Of everything: sessions, tokens, passkeys."""
    REVOKE_TOKEN = auto()
    TAKE_FACTOR = auto()
    """A second factor or a passkey of somebody else."""

    OPEN_PERSON = auto()
    """Find, take away and erase what is held on a caller; looked at for one's own role."""

    MAKE_TOKEN = auto()
    ADD_FIRST_FACTOR = auto()
    """A second factor or a passkey, by who has neither."""
    CHANGE_FACTORS = auto()
    """Add one, take one away or make recovery codes, by who has a factor or a passkey."""


class NotAllowed(StrEnum):
    """Why something may not be done, and the way to do it all the same."""

    NOT_YOURS = "your role may not do this"
    A_PERSON = "a token may not do this to them: sign in on the pages, or let an admin do it there"
    CONFIRM = "confirm that it is you first: type your password again, or use your passkey"
    FACTOR = "show a second factor first: confirm with your app's code or your passkey, or set one up on Your account"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Whose roles are reached, by each credential. `by`: who may at all; `own`: to oneself only."""

    by: frozenset[Role] = ADMINS
    own: bool = False
    token: frozenset[Role] = NOBODY
    stale: frozenset[Role] = NOBODY
    password: frozenset[Role] = NOBODY
    factor: frozenset[Role] = field(default=EVERYBODY)

    def reach(self, credential: Credential) -> frozenset[Role]:
        return {
            Credential.TOKEN: self.token,
            Credential.STALE: self.stale,
            Credential.PASSWORD: self.password,
            Credential.FACTOR: self.factor,
        }[credential]


def _own(*, password: bool = False) -> Rule:
    return Rule(by=EVERYBODY, own=True, password=EVERYBODY if password else NOBODY)


RULES: Mapping[Act, Rule] = {
    Act.INVITE: Rule(token=OUTSIDE, stale=OUTSIDE, password=EVERYBODY),
    Act.CHANGE: Rule(token=OUTSIDE, stale=OUTSIDE, password=EVERYBODY),
    Act.MAKE_INVITATION: Rule(token=OUTSIDE, stale=OUTSIDE, password=EVERYBODY),
    Act.MAKE_RESET: Rule(password=EVERYBODY),
    Act.DISABLE: Rule(token=BELOW_ADMIN, stale=EVERYBODY, password=EVERYBODY),
    Act.ENABLE: Rule(token=OUTSIDE, stale=OUTSIDE, password=EVERYBODY),
    Act.SIGN_OUT: Rule(token=BELOW_ADMIN, stale=EVERYBODY, password=EVERYBODY),
    Act.REVOKE_TOKEN: Rule(stale=EVERYBODY, password=EVERYBODY),
    Act.TAKE_FACTOR: Rule(),
    Act.OPEN_PERSON: Rule(),
    Act.MAKE_TOKEN: _own(password=True),
    Act.ADD_FIRST_FACTOR: _own(password=True),
    Act.CHANGE_FACTORS: _own(),
}
OWN = frozenset(act for act, rule in RULES.items() if rule.own)


def not_allowed(
    act: Act, *, role: Role, credential: Credential, target: Role, is_self: bool = False
) -> NotAllowed | None:
    """Return why somebody of `role` may not do this to somebody of the role `target`; None: they may."""
    rule = RULES[act]
    if role not in rule.by or (rule.own and not is_self):
        return NotAllowed.NOT_YOURS
    if target in rule.reach(credential):
        return None
    if credential is Credential.TOKEN:
        return NotAllowed.A_PERSON
    return NotAllowed.CONFIRM if target in rule.reach(Credential.PASSWORD) else NotAllowed.FACTOR


def credential_of_session(
    *, verified_at: datetime | None, factor_at: datetime | None, now: datetime
) -> Credential:
    """Return what a session is worth now."""
    if factor_at is not None and now - factor_at <= FRESH_FOR:
        return Credential.FACTOR
    is_fresh = verified_at is not None and now - verified_at <= FRESH_FOR
    return Credential.PASSWORD if is_fresh else Credential.STALE
