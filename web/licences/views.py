"""The map of states that are covered, and the page that brings in a file of licences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from router.domain.licence_file import COLUMNS, NEEDED_COLUMNS
from router.domain.market import LOAN_TYPES
from router.licence_import import Refused
from rules.places import STATES
from web.api.cursor import read_cursor, write_cursor
from web.audit import Actor
from web.keys import EDITORS, ENGINE, HOUSE, USER
from web.licences import queries
from web.licences.imports import (
    FILE_BYTES_MAXIMUM,
    PROBLEMS_SHOWN,
    REQUEST_BYTES_MAXIMUM,
    bring_in,
    carried,
    carry,
)
from web.licences.tiles import SHADES, tiles_of
from web.middleware import only
from web.pages import render
from web.resources.campaigns import CAMPAIGNS
from web.resources.fields import reference_in
from web.resources.queries import labels_of, options_of

PAGE_LENGTH = 50
CAMPAIGNS_OFFERED = 200


def routes() -> list[web.RouteDef]:
    reads, edits = only(*HOUSE), only(*EDITORS)
    return [
        web.get("/licences/map", reads(show_map)),
        web.get("/licences/map/{state:[A-Z][A-Z]}", reads(show_state)),
        web.get("/licences/import", edits(show_import)),
        web.post("/licences/import", edits(look_or_store)),
    ]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which map is meant."""

    product: str
    campaign_id: int | None
    campaign: str
    day: date

    @property
    def query(self) -> str:
        more = {} if self.campaign_id is None else {"campaign_id": str(self.campaign_id)}
        return urlencode({"product": self.product, **more})


async def _asked(request: web.Request, connection: AsyncConnection) -> Asked:
    """Return which map is meant; what cannot be is left aside."""
    product = request.query.get("product", "")
    campaign_id = reference_in(request.query.get("campaign_id", ""))
    names = {} if campaign_id is None else await labels_of(connection, CAMPAIGNS, [campaign_id])
    known = campaign_id if campaign_id in names else None
    return Asked(
        product=product if product in LOAN_TYPES else LOAN_TYPES[0],
        campaign_id=known,
        campaign="" if known is None else names[known],
        day=datetime.now(UTC).date(),
    )


async def show_map(request: web.Request) -> web.StreamResponse:
    async with request.app[ENGINE].connect() as connection:
        asked = await _asked(request, connection)
        campaigns = await options_of(connection, CAMPAIGNS, limit=CAMPAIGNS_OFFERED)
        buyers = await queries.buyers_by_state(
            connection, product=asked.product, campaign_id=asked.campaign_id, day=asked.day
        )
    tiles = tiles_of(buyers)
    return render(
        request,
        "licences/map.html",
        asked=asked,
        products=LOAN_TYPES,
        campaigns=campaigns,
        tiles=tiles,
        gaps=[tile for tile in tiles if not tile.buyers],
        most=max(buyers.values(), default=0),
        shades=SHADES,
    )


async def show_state(request: web.Request) -> web.StreamResponse:
    state = request.match_info["state"]
    if state not in STATES:
        raise web.HTTPNotFound
    after = read_cursor(request.query.get("after", ""), (str, int)) or ("", 0)
    async with request.app[ENGINE].connect() as connection:
        asked = await _asked(request, connection)
        found = await queries.buyers_in_state(
            connection,
            product=asked.product,
            campaign_id=asked.campaign_id,
            day=asked.day,
            state=state,
            after=after,  # type: ignore[arg-type]
            limit=PAGE_LENGTH + 1,
        )
    shown = found[:PAGE_LENGTH]
    more = len(found) > PAGE_LENGTH
    return render(
        request,
        "licences/state.html",
        asked=asked,
        state=state,
        name=STATES[state],
        buyers=shown,
        products=LOAN_TYPES,
        following=write_cursor([shown[-1]["name"].lower(), shown[-1]["id"]]) if more else None,
    )


async def show_import(request: web.Request) -> web.StreamResponse:
    return _import_page(request)


async def look_or_store(request: web.Request) -> web.StreamResponse:
    """Show what a file would change, or store the one that was looked at."""
    try:
        form = await request.clone(client_max_size=REQUEST_BYTES_MAXIMUM).post()
    except web.HTTPRequestEntityTooLarge:
        return _import_page(request, refusal=_TOO_LARGE, status=413)
    looked_at = form.get("looked_at")
    upload = form.get("file")
    if isinstance(looked_at, str) and looked_at:
        data = carried(looked_at)
    elif isinstance(upload, web.FileField):
        data = upload.file.read(FILE_BYTES_MAXIMUM + 1)
    else:
        return _import_page(request, refusal="Choose a file first.", status=422)
    if data is None:
        return _import_page(request, refusal="What came back is not the file: choose it again.", status=422)
    if len(data) > FILE_BYTES_MAXIMUM:
        return _import_page(request, refusal=_TOO_LARGE, status=413)
    write = bool(looked_at)
    found = await bring_in(request.app[ENGINE], Actor(user=request[USER]), data, write=write)
    if isinstance(found, Refused):
        return _import_page(request, problems=found, status=422)
    return _import_page(request, found=found, stored=write, looked_at="" if write else carry(data))


_TOO_LARGE = f"The file is too large: at most {FILE_BYTES_MAXIMUM // 1024 // 1024} MB. Bring it in in parts."


def _import_page(
    request: web.Request,
    *,
    refusal: str = "",
    problems: Refused | None = None,
    found: object = None,
    stored: bool = False,
    looked_at: str = "",
    status: int = 200,
) -> web.Response:
    rows = () if problems is None else problems.problems
    return render(
        request,
        "licences/import.html",
        status=status,
        refusal=refusal,
        problems=rows[:PROBLEMS_SHOWN],
        problems_count=len(rows),
        found=found,
        stored=stored,
        looked_at=looked_at,
        columns=COLUMNS,
        needed=NEEDED_COLUMNS,
    )
