"""The page on which an admin finds, hands over and erases what is held on a person's telephone number.

The number goes in forms, never in an address: addresses are in logs and histories.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import web

from rules.telephone import known_number
from web.authority import Act
from web.confirm.views import confirm_page, confirming
from web.keys import ENGINE, RECORDINGS_DIR, USER, Role
from web.middleware import only
from web.open_streams import while_signed_in
from web.pages import render
from web.person.archive import write_archive
from web.person.items import NOT_SEARCHED, Item, Kind, fate_of, is_work
from web.person.person import erase_person, find_person
from web.visitors import actor_of

PATH = "/persons"
CHARACTERS_MAXIMUM = 40
ROWS_SHOWN = 500
_PIECE_BYTES = 256 * 1024


def routes() -> list[web.RouteDef]:
    admin = only(Role.ADMIN)
    confirmed = confirming(admin)
    return [
        web.get(PATH, admin(show)),
        web.post(f"{PATH}/find", confirmed(find)),
        web.post(f"{PATH}/export", confirmed(export)),
        web.post(f"{PATH}/erase", confirmed(erase)),
    ]


async def show(request: web.Request) -> web.StreamResponse:
    return _page(request)


async def find(request: web.Request) -> web.StreamResponse:
    number = await _asked(request)
    if not isinstance(number, str):
        return number
    return _page(request, number=number, items=await _find(request, number))


async def export(request: web.Request) -> web.StreamResponse:
    number = await _asked(request)
    if not isinstance(number, str):
        return number
    items = await find_person(request.app[ENGINE], actor_of(request), number, action="export")
    recordings = request.app[RECORDINGS_DIR] or Path("/nonexistent/recordings")
    # Both are folders of the node's Asterisk (asterisk_conf.node_config).
    folders = {Kind.RECORDING: recordings, Kind.VOICE_MESSAGE: recordings.with_name("voicemail")}
    with tempfile.TemporaryDirectory(prefix="person-") as folder:
        to = Path(folder) / "person.zip"
        await write_archive(request.app[ENGINE], to, items, folders, number=number)
        opened = to.open("rb")
    # From here on the file has no name: whatever happens, nothing of it stays.
    with opened:
        response = web.StreamResponse(headers={"Content-Disposition": 'attachment; filename="person.zip"'})
        response.content_type = "application/zip"
        await response.prepare(request)
        async with while_signed_in(request):
            while piece := await asyncio.to_thread(opened.read, _PIECE_BYTES):
                await response.write(piece)
            await response.write_eof()
    return response


async def erase(request: web.Request) -> web.StreamResponse:
    number = await _asked(request)
    if not isinstance(number, str):
        return number
    if (await request.post()).get("sure") != "yes":
        problem = "Tick that you are sure: what is erased cannot be brought back."
        items = await _find(request, number)
        return _page(request, number=number, items=items, problem=problem, status=422)
    counts = await erase_person(request.app[ENGINE], actor_of(request), number)
    return _page(request, number=number, items=await _find(request, number), erased=counts)


async def _asked(request: web.Request) -> str | web.StreamResponse:
    """Return the number of the form, or what is answered instead."""
    why = actor_of(request).may_not(Act.OPEN_PERSON, request[USER].role)
    if why is not None:
        return await confirm_page(request, why)
    typed = str((await request.post()).get("number", ""))[:CHARACTERS_MAXIMUM]
    number = known_number(typed)
    if number is None:
        problem = "That is no telephone number. Write it like +1 614 555 0123."
        return _page(request, typed=typed, problem=problem, status=422)
    return number


async def _find(request: web.Request, number: str) -> list[Item]:
    return await find_person(request.app[ENGINE], actor_of(request), number)


def _page(
    request: web.Request, *, number: str = "", items: list[Item] | None = None, status: int = 200, **more: Any
) -> web.Response:
    said = {"typed": number, "problem": "", "erased": None} | more
    return render(
        request,
        "person/person.html",
        status=status,
        number=number,
        rows=None if items is None else [(item, *fate_of(item)) for item in items[:ROWS_SHOWN]],
        hidden=max(len(items or ()) - ROWS_SHOWN, 0),
        work=sum(map(is_work, items or ())),
        not_searched=NOT_SEARCHED,
        **said,
    )
