"""Who asks the API, and whether they may: a token with its scopes, or a page of ours with its session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from rules.log_lines import SecurityEvent
from web.api.operation import SAFE_METHODS, Operation, Problem
from web.api_tokens import user_of_token
from web.keys import ENGINE, User
from web.middleware import is_own_request, signed_in_user
from web.security_log import report

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
        found = None
        if kind.lower() == "bearer" and token.strip():
            found = await user_of_token(request.app[ENGINE], token.strip(), datetime.now(UTC))
        if found is None:
            report(request, SecurityEvent.TOKEN_GUESSED)
            return UNKNOWN
        user, scopes = found
        if operation.scope not in scopes:
            return Problem(
                status=403, title="Not yours", detail=f"the token lacks the scope {operation.scope}"
            )
        return _with_role(user, operation)
    signed_in = await signed_in_user(request)
    if signed_in is None:
        return UNKNOWN
    if request.method not in SAFE_METHODS and not is_own_request(request):
        return Problem(status=403, title="Not yours", detail="another site's page asked in your name")
    return _with_role(signed_in, operation)


def _with_role(user: User, operation: Operation) -> Asker | Problem:
    if user.role not in operation.roles:
        return Problem(status=403, title="Not yours", detail=f"this is not for the role {user.role}")
    return Asker(user=user)
