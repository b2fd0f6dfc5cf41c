"""One's own API tokens: made, shown once, revoked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from web.api_tokens import TokenMade, TokenRefusal, make_token, revoke_token, scopes_for, tokens_of
from web.authority import NotAllowed
from web.confirm.views import confirm_page
from web.keys import ENGINE, USER
from web.pages import render
from web.visitors import actor_of, origin_of

LIFETIME_DAYS_OFFERED = "90"
FIELDS: Mapping[TokenRefusal, str] = {
    TokenRefusal.NAME: "name",
    TokenRefusal.SCOPES: "scopes",
    TokenRefusal.LIFETIME: "days",
}


@dataclass(frozen=True, kw_only=True)
class Typed:
    """The form as it was sent."""

    name: str = ""
    days: str = LIFETIME_DAYS_OFFERED
    scopes: list[str] = field(default_factory=list)


async def show(request: web.Request) -> web.StreamResponse:
    return await _page(request, Typed(), revoked="revoked" in request.query)


async def make(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    typed = Typed(
        name=str(form.get("name", "")),
        days=str(form.get("days", "")).strip()[:20],
        scopes=[str(value) for value in form.getall("scopes", [])],
    )
    days = _days(typed.days)
    if days is TokenRefusal.LIFETIME:
        return await _page(request, typed, refusal=TokenRefusal.LIFETIME)
    user = request[USER]
    made = await make_token(
        request.app[ENGINE],
        actor_of(request),
        user,
        name=typed.name,
        scopes=typed.scopes,
        lifetime_days=days if isinstance(days, int) else None,
        now=datetime.now(UTC),
    )
    if isinstance(made, TokenMade):
        return await _page(request, Typed(), secret=made.secret)
    if isinstance(made, NotAllowed):
        return await confirm_page(request, made)
    return await _page(request, typed, refusal=made)


async def revoke(request: web.Request) -> web.StreamResponse:
    user = request[USER]
    revoked = await revoke_token(
        request.app[ENGINE],
        actor_of(request),
        token_id=int(request.match_info["token_id"]),
        owner_id=user.user_id,
        now=datetime.now(UTC),
    )
    if not revoked:
        raise web.HTTPNotFound
    raise web.HTTPSeeOther("/account/tokens?revoked")


async def _page(
    request: web.Request,
    typed: Typed,
    *,
    refusal: TokenRefusal | None = None,
    secret: str | None = None,
    revoked: bool = False,
) -> web.Response:
    user = request[USER]
    return render(
        request,
        "tokens/tokens.html",
        status=422 if refusal else 200,
        tokens=await tokens_of(request.app[ENGINE], user.user_id),
        now=datetime.now(UTC),
        scopes=grouped_scopes(scopes_for(user.role)),
        typed=typed,
        problems={FIELDS.get(refusal, ""): refusal.value} if refusal else {},
        secret=secret,
        origin=origin_of(request),
        revoked=revoked,
    )


def grouped_scopes(scopes: list[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return scopes by what they are about: (buyers, [(read:buyers, read), (write:buyers, change)]). Pure."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for scope in scopes:
        kind, _, tag = scope.partition(":")
        groups.setdefault(tag, []).append((scope, "read" if kind == "read" else "change"))
    return sorted((tag, sorted(found)) for tag, found in groups.items())


def _days(text: str) -> Any:
    """Return a lifetime in days; None for an empty field; a refusal for what is no number."""
    if not text:
        return None
    return int(text) if text.isascii() and text.isdigit() else TokenRefusal.LIFETIME
