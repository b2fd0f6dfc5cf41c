"""The web process for `make bench-web`, with one address more: which pages there are, and for whom."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop
from aiohttp import web

from store.session import open_engine
from web.app import POOL_SIZE, make_app
from web.keys import MARKET


async def _routes(request: web.Request) -> web.Response:
    found = [
        (route.resource.canonical, sorted(getattr(route.handler, "roles", ())))
        for route in request.app.router.routes()
        if route.method == "GET" and route.resource is not None
    ]
    return web.json_response(found)


async def _serve(database_url: str, folder: Path) -> None:
    engine = open_engine(database_url, application_name="tollbridge-web", pool_size=POOL_SIZE)
    app = make_app(
        engine, secure_cookies=False, snapshot_file=folder / "market.json", prompts_dir=folder / "prompts"
    )
    app.router.add_get("/bench/routes", _routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    # A start reads the whole market, beside the pages; what is measured is a house that is up.
    await app[MARKET].refresh()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1], Path(sys.argv[2])))
