"""Whom money is for, a buyer or a publisher: few are listed, of many some are suggested while one types."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from billing.terms_document import Party
from web.keys import ENGINE
from web.pages import render
from web.portal.keyset import id_of
from web.resources.queries import ids_named, options_of
from web.resources.references import BY_NAME, SUGGESTED, WHOLE_MAXIMUM
from web.resources.views import SEARCH_CHARACTERS_MAXIMUM

_NAMED = re.compile(r"(?:.*\()?(buyer|publisher)[: ]([0-9]{1,18})\)?", re.ASCII)
RESOURCES = {party: BY_NAME[f"{party.value}s"] for party in Party}


async def offer_parties(connection: AsyncConnection) -> Mapping[str, Mapping[str, str]] | None:
    """Return all there are, by kind and then by code; None: too many to be listed."""
    found = {}
    for party, resource in RESOURCES.items():
        rows = await options_of(connection, resource, limit=WHOLE_MAXIMUM + 1)
        if len(rows) > WHOLE_MAXIMUM:
            return None
        found[party.value] = {f"{party.value}:{row_id}": name for row_id, name in rows.items()}
    return found


async def read_party(connection: AsyncConnection, text: str) -> tuple[Party, int] | None:
    """Return whom a text stands for: buyer:12, Northwind (buyer 12), or the name that only one of them all has."""
    text = text.strip()
    named = _NAMED.fullmatch(text)
    if named:
        party_id = id_of(named[2])
        return None if party_id is None else (Party(named[1]), party_id)
    if not text or "\x00" in text:
        return None
    found = [
        (party, row_id)
        for party, resource in RESOURCES.items()
        for row_id in await ids_named(connection, resource, text)
    ]
    return found[0] if len(found) == 1 else None


async def suggest(request: web.Request) -> web.Response:
    """Whom somebody may mean by what was typed so far."""
    typed = request.query.get("party", "").replace("\x00", "").strip()[:SEARCH_CHARACTERS_MAXIMUM]
    found: list[str] = []
    async with request.app[ENGINE].connect() as connection:
        for party, resource in RESOURCES.items():
            rows = await options_of(connection, resource, search=typed, limit=SUGGESTED)
            found += [f"{name} ({party.value} {row_id})" for row_id, name in rows.items()]
    return render(request, "resources/suggestions.html", suggestions=found)
