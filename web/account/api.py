"""One's own account, for machines: name, sessions, tokens.

Password, second factor and passkeys want a person before a browser and are not here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from web import api_tokens
from web.account.account import rename
from web.account.sessions import end_session, sessions_of
from web.api.operation import (
    Answered,
    Asked,
    Body,
    FieldProblem,
    Operation,
    Problem,
    conflict,
    forbidden,
    not_found,
    refused,
)
from web.api_tokens import TokenMade, TokenRefusal
from web.auth import digest_of
from web.authority import NotAllowed
from web.keys import Role
from web.person_fields import NAME_LENGTH_MAXIMUM

_EVERYBODY = frozenset(Role)
_FIELDS = {TokenRefusal.NAME: "name", TokenRefusal.SCOPES: "scopes", TokenRefusal.LIFETIME: "lifetime_days"}


class AccountItem(BaseModel):
    """Who asks."""

    id: int
    email: str
    name: str
    role: Role
    buyer_id: int | None
    publisher_id: int | None


class NameChange(Body):
    name: str = Field(max_length=NAME_LENGTH_MAXIMUM)


class SessionItem(BaseModel):
    id: UUID
    address: str
    browser: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


class TokenItem(BaseModel):
    """A token without its secret."""

    id: int
    name: str
    beginning: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewToken(Body):
    name: str = Field(min_length=1, max_length=api_tokens.NAME_LENGTH_MAXIMUM)
    scopes: list[str] = Field(min_length=1, max_length=200)
    lifetime_days: int | None = Field(default=None, ge=1, le=api_tokens.LIFETIME_DAYS_MAXIMUM)


class TokenSecret(BaseModel):
    """A new token's one showing."""

    id: int
    token: str


async def get_account(asked: Asked) -> Answered:
    one = asked.user
    return Answered(
        content=AccountItem(
            id=one.user_id,
            email=one.email,
            name=one.name,
            role=one.role,
            buyer_id=one.buyer_id,
            publisher_id=one.publisher_id,
        )
    )


async def change_name(asked: Asked) -> Answered | Problem:
    body: NameChange = asked.body
    refusal = await rename(asked.engine, asked.actor, asked.user, body.name)
    if refusal is not None:
        return refused(FieldProblem(field="name", problem=refusal.value))
    return Answered(status=204)


async def list_sessions(asked: Asked) -> Answered:
    found = await sessions_of(asked.engine, asked.user.user_id, asked.now)
    items = [
        SessionItem(
            id=one.session_id,
            address=one.address,
            browser=one.browser,
            created_at=one.created_at,
            last_seen_at=one.last_seen_at,
            expires_at=one.expires_at,
        )
        for one in found
    ]
    return Answered(content=items)


async def delete_session(asked: Asked) -> Answered | Problem:
    ended = await end_session(asked.engine, asked.actor, asked.user, asked.path["id"])
    return Answered(status=204) if ended else not_found("session")


async def list_tokens(asked: Asked) -> Answered:
    found = await api_tokens.tokens_of(asked.engine, asked.user.user_id)
    items = [
        TokenItem(
            id=one.token_id,
            name=one.name,
            beginning=one.beginning,
            scopes=one.scopes,
            created_at=one.created_at,
            expires_at=one.expires_at,
            last_used_at=one.last_used_at,
        )
        for one in found
    ]
    return Answered(content=items)


async def make_token(asked: Asked) -> Answered | Problem:
    """No token makes another: anyone who holds one for a day would hold one for ever."""
    body: NewToken = asked.body
    made = await api_tokens.make_token(
        asked.engine,
        asked.actor,
        asked.user,
        name=body.name,
        scopes=body.scopes,
        lifetime_days=body.lifetime_days,
        now=asked.now,
    )
    if isinstance(made, TokenMade):
        return Answered(content=TokenSecret(id=made.token_id, token=made.secret))
    if isinstance(made, NotAllowed):
        return forbidden(made)
    if made is TokenRefusal.MANY:
        return conflict(made.value)
    return refused(FieldProblem(field=_FIELDS.get(made, ""), problem=made.value))


async def delete_token(asked: Asked) -> Answered | Problem:
    token = _bearer(asked)
    if token and await api_tokens.is_token(asked.engine, asked.path["id"], digest_of(token)):
        return conflict("this is the token you ask with: revoke it with another, or on the page")
    revoked = await api_tokens.revoke_token(
        asked.engine, asked.actor, token_id=asked.path["id"], owner_id=asked.user.user_id, now=asked.now
    )
    return Answered(status=204) if revoked else not_found("token")


def _bearer(asked: Asked) -> str:
    return asked.request.headers.get("Authorization", "").partition(" ")[2].strip()


def _operation(method: str, path: str, name: str, summary: str, handler: Any, **more: Any) -> Operation:
    return Operation(
        method=method,
        path=f"/account{path}",
        name=name,
        summary=summary,
        tag="account",
        roles=_EVERYBODY,
        handler=handler,
        **more,
    )


OPERATIONS = (
    _operation("GET", "", "get_account", "Read who asks", get_account, answer=AccountItem),
    _operation(
        "PUT", "/name", "change_name", "Change one's own name", change_name, body=NameChange, status=204
    ),
    _operation(
        "GET",
        "/sessions",
        "list_sessions",
        "List one's own sessions",
        list_sessions,
        answer=list[SessionItem],
    ),
    _operation(
        "DELETE",
        "/sessions/{id}",
        "delete_session",
        "End one of one's own sessions",
        delete_session,
        path_types={"id": UUID},
        status=204,
    ),
    _operation("GET", "/tokens", "list_tokens", "List one's own tokens", list_tokens, answer=list[TokenItem]),
    _operation(
        "POST",
        "/tokens",
        "make_token",
        "Make a token, in a session that was confirmed; it is in this answer and nowhere else",
        make_token,
        body=NewToken,
        answer=TokenSecret,
        shown_once="delete the token that nobody knows (GET /account/tokens lists them), then make another",
        status=201,
    ),
    _operation(
        "DELETE",
        "/tokens/{id}",
        "delete_token",
        "Revoke one of one's own tokens",
        delete_token,
        status=204,
        problems=frozenset({409}),
    ),
)
