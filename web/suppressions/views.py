"""The page of the callers that a buyer does not buy again."""

from __future__ import annotations

from urllib.parse import urlencode

from aiohttp import web

from router.caller_lists import ListRefused, Suppressed
from web.audit import Actor
from web.keys import EDITORS, ENGINE, HOUSE, USER
from web.look_ups import note_search
from web.middleware import only
from web.pages import render
from web.suppressions import queries
from web.suppressions.lists import (
    KIND,
    LIST_BYTES_MAXIMUM,
    REASON_CHARACTERS_MAXIMUM,
    NoBuyer,
    add_numbers,
    digits_of,
    place_in,
    place_of,
    remove_number,
    seen_rows,
)
from web.visibility import Field, viewer_of

PAGE_LENGTH = 50
PROBLEMS_SHOWN = 50
REQUEST_BYTES_MAXIMUM = LIST_BYTES_MAXIMUM + 128 * 1024
CHARACTERS_MAXIMUM = 40


def routes() -> list[web.RouteDef]:
    reads, edits, path = only(*HOUSE), only(*EDITORS), "/buyers/{id:[0-9]{1,18}}/suppressions"
    return [
        web.get(path, reads(show)),
        web.post(path, edits(add)),
        web.post(f"{path}/remove", edits(remove)),
    ]


async def show(request: web.Request) -> web.StreamResponse:
    return await _page(request)


async def add(request: web.Request) -> web.StreamResponse:
    try:
        form = await request.clone(client_max_size=REQUEST_BYTES_MAXIMUM).post()
    except web.HTTPRequestEntityTooLarge:
        return await _page(request, problems=(_TOO_LARGE,), status=413)
    upload, typed = form.get("file"), str(form.get("numbers") or "")
    reason = str(form.get("reason") or "").replace("\x00", "").strip()[:REASON_CHARACTERS_MAXIMUM]
    text = typed
    if isinstance(upload, web.FileField) and upload.filename:
        data = upload.file.read(LIST_BYTES_MAXIMUM + 1)
        if len(data) > LIST_BYTES_MAXIMUM:
            return await _page(request, problems=(_TOO_LARGE,), typed=typed, reason=reason, status=413)
        text = data.decode("utf-8", errors="replace") + "\n" + typed
    if not text.strip():
        return await _page(
            request, problems=("Write a number, or choose a file.",), reason=reason, status=422
        )
    buyer_id = int(request.match_info["id"])
    found = await add_numbers(
        request.app[ENGINE], Actor(user=request[USER]), buyer_id, text.splitlines(), reason
    )
    if isinstance(found, NoBuyer):
        raise web.HTTPNotFound
    if isinstance(found, ListRefused):
        return await _page(request, problems=found.problems, typed=typed, reason=reason, status=422)
    done = urlencode({"added": found.added, "known": found.known})
    raise web.HTTPSeeOther(f"{request.path}?{done}")


async def remove(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    caller = str(form.get("caller") or "").replace("\x00", "")
    buyer_id = int(request.match_info["id"])
    if not await remove_number(request.app[ENGINE], Actor(user=request[USER]), buyer_id, caller):
        raise web.HTTPNotFound
    raise web.HTTPSeeOther(f"/buyers/{buyer_id}/suppressions?gone=1")


_TOO_LARGE = (
    f"The list is too large: at most {LIST_BYTES_MAXIMUM // 1024 // 1024} MB at a time. Send it in parts."
)


async def _page(
    request: web.Request,
    *,
    problems: tuple[str, ...] = (),
    typed: str = "",
    reason: str = "",
    status: int = 200,
) -> web.Response:
    buyer_id = int(request.match_info["id"])
    search = request.query.get("q", "")[:CHARACTERS_MAXIMUM].replace("\x00", "")
    place, viewer = request.query.get("after", ""), viewer_of(request[USER])
    after, whole = place_in(place), viewer.sees(Field.WHOLE_CALLER)
    if whole and after is None:
        await note_search(request.app[ENGINE], Actor(user=request[USER]), KIND, search)
    async with request.app[ENGINE].connect() as connection:
        name = await queries.buyer_name(connection, buyer_id)
        if name is None:
            raise web.HTTPNotFound
        rows = await queries.page_of(
            connection,
            buyer_id,
            digits=digits_of(search) if whole else "",
            after=after,
            limit=PAGE_LENGTH + 1,
        )
    shown = rows[:PAGE_LENGTH]
    more = {"q": search, "after": place_of(shown[-1])} if len(rows) > PAGE_LENGTH else None
    return render(
        request,
        "suppressions/list.html",
        status=status,
        buyer_id=buyer_id,
        name=name,
        rows=seen_rows(shown, viewer),
        search=search,
        may_search=whole,
        at_top=after is None,
        following=urlencode(more) if more else "",
        problems=problems[:PROBLEMS_SHOWN],
        problems_count=len(problems),
        typed=typed,
        reason=reason,
        done=_done(request),
        gone="gone" in request.query,
        may_edit=request[USER].role in EDITORS,
    )


def _done(request: web.Request) -> Suppressed | None:
    """Return what the redirect before says was done."""
    added, known = request.query.get("added", ""), request.query.get("known", "")
    if all(text.isascii() and text.isdigit() and len(text) <= 9 for text in (added, known)):
        return Suppressed(added=int(added), known=int(known))
    return None
