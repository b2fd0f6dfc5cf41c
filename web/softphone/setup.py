"""What the application keeps for softphones while it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

from aiohttp import web

from web.at_once import AtOnce
from web.keys import ENGINE
from web.softphone import proxy, story
from web.softphone.line import LINE, SoftphoneLine


def add_softphone(app: web.Application, line: SoftphoneLine | None) -> None:
    """Let the pages call by `line`; without one they say that they cannot."""
    if line is not None:
        app[LINE] = line
    app[proxy.OPEN] = Counter()
    app[proxy.SOCKETS] = set()
    app[story.STREAMS] = AtOnce("calls to drafts", each=story.STREAMS_EACH, together=story.STREAMS_TOGETHER)
    app[story.NEWS] = story.DraftNews(app[ENGINE])
    app.cleanup_ctx.append(_keep_session)
    app.on_shutdown.append(proxy.close_all)


async def _keep_session(app: web.Application) -> AsyncIterator[None]:
    async with proxy.client_session() as session:
        app[proxy.SESSION] = session
        yield
