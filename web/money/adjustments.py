"""Corrections by hand: one, or a file of them that is looked at before anything is posted."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from aiohttp import web

from billing.money_import import FileKind, Imported, ImportRefused
from billing.post_adjustment import AdjustmentRefused
from billing.post_once import KeyTaken
from rules.money import MoneyError, parse_dollars
from web.audit import Actor
from web.keys import ENGINE, USER
from web.money import work
from web.money.parties import offer_parties, read_party
from web.pages import render

FILE_BYTES_MAXIMUM = 1_000_000
PROBLEMS_SHOWN = 20


async def show(request: web.Request) -> web.Response:
    return await _show(request)


async def _show(request: web.Request, *, status: int = 200, **more: Any) -> web.Response:
    async with request.app[ENGINE].connect() as connection:
        parties = await offer_parties(connection)
    said: dict[str, Any] = {
        "typed": {},
        "problem": "",
        "problems": (),
        "preview": None,
        "text": "",
        "kind": "",
    }
    said |= more
    said["typed"] = defaultdict(str, said["typed"])
    return render(
        request,
        "money/adjustments.html",
        status=status,
        parties=parties,
        done="done" in request.query,
        **said,
    )


async def submit(request: web.Request) -> web.Response:
    form = await request.post()
    typed = {name: str(form.get(name, ""))[:200] for name in ("party", "amount", "key", "reason")}
    async with request.app[ENGINE].connect() as connection:
        whom = await read_party(connection, typed["party"])
    if whom is None:
        return await _show(request, status=422, typed=typed, problem="Choose whom it is for.")
    try:
        amount_micros = parse_dollars(typed["amount"])
    except MoneyError:
        problem = "Write an amount like 12.50; with a minus it is taken back."
        return await _show(request, status=422, typed=typed, problem=problem)
    async with request.app[ENGINE].begin() as connection:
        posted = await work.adjust(
            connection,
            Actor(user=request[USER]),
            party=whom[0],
            party_id=whom[1],
            amount_micros=amount_micros,
            key=typed["key"].strip(),
            reason=typed["reason"],
        )
    if isinstance(posted, str):
        return await _show(request, status=422, typed=typed, problem=posted)
    if isinstance(posted, AdjustmentRefused):
        problem = f"{posted.reason[:1].upper()}{posted.reason[1:]}."
        return await _show(request, status=409, typed=typed, problem=problem)
    if isinstance(posted, KeyTaken):
        problem = "This reference was posted before with another amount: take another one."
        return await _show(request, status=409, typed=typed, problem=problem)
    raise web.HTTPSeeOther("/money/adjustments?done")


async def submit_file(request: web.Request) -> web.Response:
    """Look at a file, or post it: the text of the preview is what is posted."""
    # This form alone may be larger than a form of ours.
    request._client_max_size = FILE_BYTES_MAXIMUM + 10_000
    form = await request.post()
    kind, write = str(form.get("kind", "")), form.get("write") == "yes"
    text = str(form.get("text", ""))
    given = form.get("file")
    if isinstance(given, web.FileField) and given.filename:
        data = given.file.read(FILE_BYTES_MAXIMUM + 1)
        text = data.decode("utf-8-sig", errors="replace")
    data = text.encode()
    if kind not in tuple(FileKind) or not data.strip():
        return await _show(request, status=422, problems=("Choose what the file holds, and the file.",))
    if len(data) > FILE_BYTES_MAXIMUM:
        problem = f"The file is larger than {FILE_BYTES_MAXIMUM:,} bytes: split it, or use the command."
        return await _show(request, status=413, problems=(problem,))
    done = await work.import_file(
        request.app[ENGINE], Actor(user=request[USER]), data, FileKind(kind), write=write
    )
    if isinstance(done, ImportRefused):
        return await _show(request, status=422, problems=done.problems[:PROBLEMS_SHOWN], text=text, kind=kind)
    if isinstance(done, Imported) and done.written:
        raise web.HTTPSeeOther("/money/adjustments?done")
    return await _show(request, preview=done, text=text, kind=kind)
