"""How the web's processes listen."""

from __future__ import annotations

import asyncio

from aiohttp import web

SHUTDOWN_SECONDS = 2.0


async def serve_app(app: web.Application, address: str, port: int) -> None:
    """Serve until cancelled. Raises OSError when the port is taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
