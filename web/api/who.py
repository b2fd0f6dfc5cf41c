"""Who asks the API, and whether they may: a token with its scopes, or a page of ours with its session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from web.api.operation import SAFE_METHODS, Operation, Problem
from web.api_tokens import user_of_token
from web.keys import ENGINE, SESSION, User
from web.middleware import FACTOR_NEEDED, is_own_request, signed_in_user
from web.session_rules import SESSION_RULES

UNKNOWN = Problem(
    status=401,
    title="Sign in",
    detail="send Authorization: Bearer with a token of yours; tokens are made on the page Account",
    headers={"WWW-Authenticate": 'Bearer realm="tollbridge"'},
)


@dataclass(frozen=True, kw_only=True)
class Asker:
    user: User


async def who_asks(request: web.Request, operation: Operation) -> Asker | Problem:
    """Return who asks for this operation, or why they may not."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind:
        user = await _by_token(request, operation, kind, token.strip())
    else:
        user = await _by_session(request)
    return user if isinstance(user, Problem) else _with_role(user, operation)


async def _by_token(request: web.Request, operation: Operation, kind: str, token: str) -> User | Problem:
    found = None
    if kind.lower() == "bearer" and token:
        found = await user_of_token(request.app[ENGINE], token, datetime.now(UTC))
    if found is None:
        return UNKNOWN
    user, scopes = found
    if operation.scope not in scopes:
        return Problem(status=403, title="Not yours", detail=f"the token lacks the scope {operation.scope}")
    return user


async def _by_session(request: web.Request) -> User | Problem:
    user = await signed_in_user(request)
    if user is None:
        return UNKNOWN
    if request.app[SESSION_RULES].lacks_factor(request[SESSION], datetime.now(UTC)):
        return Problem(
            status=403,
            title="Second factor needed",
            detail=f"your role needs a second factor: set it up, or show it, on the page {FACTOR_NEEDED}",
        )
    if request.method not in SAFE_METHODS and not is_own_request(request):
        return Problem(status=403, title="Not yours", detail="another site's page asked in your name")
    return user


def _with_role(user: User, operation: Operation) -> Asker | Problem:
    if user.role not in operation.roles:
        return Problem(status=403, title="Not yours", detail=f"this is not for the role {user.role}")
    return Asker(user=user)
