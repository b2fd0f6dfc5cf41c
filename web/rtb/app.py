"""The pings process: answers publishers' machines, with a pool of its own, so that they and the pages do not meet."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.expected_yield import expected_yield
from router.inbound_bids import InboundBids
from router.snapshot import CurrentSnapshot
from store.session import open_engine
from web.health import health
from web.keys import (
    ENGINE,
    INBOUND_BIDS,
    MARKET,
    PINGS_AT_WORK,
    PINGS_ENTERING,
    ROUTER,
    RTB_KEYS,
    SECURE_COOKIES,
)
from web.known_keys import KnownKeys
from web.middleware import add_headers, errors_as_pages, refusals_as_pages, refuse_plain_http
from web.proxies import LOOPBACK, PLAIN_HTTP_NETWORKS, TRUSTED_PROXIES, Networks
from web.routing import add_market
from web.rtb import views
from web.rtb.body import BODY_BYTES_MAXIMUM
from web.rtb.queries import digests_in_force
from web.rtb.views import PINGS_AT_WORK_MOST, PINGS_ENTERING_MOST
from web.serving import bodies_in_time, serve_app

POOL_SIZE = PINGS_AT_WORK_MOST + PINGS_ENTERING_MOST + 4
"""A ping has one connection at a time; the market, bidders and their records are read beside them."""


@dataclass(frozen=True, kw_only=True)
class PingsConfig:
    """What the pings process needs to know."""

    address: str
    port: int
    database_url: str
    # Where this process keeps the market it last saw; its own.
    snapshot_file: Path
    # Our name in the list of houses a call has come through.
    house: str = "tollbridge"
    # Networks of reverse proxies that are believed when they say who asks; the web process always is.
    trusted_proxies: Networks = ()
    # Networks whose requests are taken without TLS.
    plain_http_networks: Networks = ()
    # The pages' own address is of https: so is a proxy that does not say by what scheme it was asked.
    secure_cookies: bool = False


def make_pings_app(
    engine: AsyncEngine,
    *,
    snapshot_file: Path,
    house: str = "tollbridge",
    trusted_proxies: Networks = (),
    plain_http_networks: Networks = (),
    secure_cookies: bool = False,
) -> web.Application:
    """Return the application over `engine`, which the caller opens and disposes of."""
    app = web.Application(
        middlewares=[errors_as_pages, refusals_as_pages, refuse_plain_http, bodies_in_time],
        client_max_size=BODY_BYTES_MAXIMUM,
    )
    app[ENGINE] = engine
    app[SECURE_COOKIES] = secure_cookies
    app[TRUSTED_PROXIES] = (*trusted_proxies, *LOOPBACK)
    app[PLAIN_HTTP_NETWORKS] = plain_http_networks
    app[PINGS_AT_WORK] = asyncio.Semaphore(PINGS_AT_WORK_MOST)
    app[PINGS_ENTERING] = asyncio.Semaphore(PINGS_ENTERING_MOST)
    app[RTB_KEYS] = KnownKeys(partial(digests_in_force, engine))
    add_market(app, CurrentSnapshot(engine, snapshot_file), house)

    async def answer_pings(app: web.Application) -> AsyncIterator[None]:
        app[INBOUND_BIDS] = InboundBids(
            engine, app[MARKET], app[ROUTER], network_name=house, yields=expected_yield
        )
        yield

    app.cleanup_ctx.append(answer_pings)
    app.on_response_prepare.append(add_headers)
    app.add_routes(
        [
            web.get("/health", health),
            web.get("/rtb/{key}", views.ping, allow_head=False),
            web.post("/rtb/{key}", views.ping),
            web.put("/rtb/{key}/{reservation}", views.confirm),
        ]
    )
    return app


async def serve(config: PingsConfig) -> None:
    """Answer pings until cancelled. Raises OSError when the port is taken; needs no database to start."""
    engine = open_engine(config.database_url, application_name="tollbridge-pings", pool_size=POOL_SIZE)
    app = make_pings_app(
        engine,
        snapshot_file=config.snapshot_file,
        house=config.house,
        trusted_proxies=config.trusted_proxies,
        plain_http_networks=config.plain_http_networks,
        secure_cookies=config.secure_cookies,
    )
    try:
        await serve_app(app, config.address, config.port)
    finally:
        await engine.dispose()
