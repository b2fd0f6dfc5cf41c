"""The web process: pages for admins over the database."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.expected_yield import expected_yield
from billing.payment_provider import PaymentProvider
from router.auction_house import PUBLIC_ONLY, open_auctions
from router.inbound_bids import InboundBids
from router.route_call import Router
from router.snapshot import CurrentSnapshot
from store.session import open_engine
from web.calls.download import AT_ONCE, EXPORTS
from web.keys import (
    ENGINE,
    HOUSE_NAME,
    INBOUND_BIDS,
    MARKET,
    PAYMENTS,
    PING_RULES,
    PINGS_AT_WORK,
    PROMPTS_DIR,
    RECORDINGS_DIR,
    ROUTER,
    SECURE_COOKIES,
)
from web.live.stream import add_live_hub
from web.mail import MAILER, MailConfig, Mailer
from web.middleware import add_headers, errors_as_pages, refuse_foreign_posts
from web.oidc.config import OidcConfig
from web.oidc.directory import add_directory
from web.open_streams import add_open_streams
from web.pages import TEMPLATES, make_templates
from web.prompts.uploads import SOUNDS_AT_WORK, TAKE_SOUND, TakeSound, take_no_sound
from web.proxies import TRUSTED_PROXIES, Networks
from web.routes import add_routes
from web.rtb.views import PINGS_AT_WORK_MOST
from web.second_factor.vault import VAULT, Vault
from web.session_rules import SESSION_RULES, SessionRules
from web.softphone.line import SoftphoneLine
from web.softphone.setup import add_softphone
from web.visitors import WEB_URL

# The largest form of ours is a sign-in.
REQUEST_BYTES_MAXIMUM = 64 * 1024
SHUTDOWN_SECONDS = 2.0
PING_DATABASE_SECONDS = 1.5
"""No caller is listening yet."""
POOL_SIZE = 20
"""Pings want a connection each while they are decided; pages are few."""


@dataclass(frozen=True, kw_only=True)
class WebConfig:
    """What the web process needs to know. `secure_cookies` when browsers reach it by https."""

    address: str
    port: int
    database_url: str
    # What second factors are sealed with in the database: the same for all nodes that share it.
    data_secret: str = field(repr=False)
    # Where this process keeps the market it last saw; its own, the agi process has another.
    snapshot_file: Path
    # Rendered prompts, to be listened to.
    prompts_dir: Path
    # Our name in the list of houses a call has come through.
    house: str = "tollbridge"
    secure_cookies: bool = False
    # Where this node's Asterisk takes softphones; None: nobody can call from the pages.
    softphone: SoftphoneLine | None = None
    # Networks of reverse proxies that are believed when they say who asks.
    trusted_proxies: Networks = ()
    # How people reach the pages, such as https://switch.example; empty: as each request says.
    web_url: str = ""
    # The SMTP server for invitations and forgotten passwords; None: admins hand links on.
    mail: MailConfig | None = None
    # What Asterisk recorded on this node, to be listened to.
    recordings_dir: Path | None = None
    # Who takes buyers' money by card; None: they pay by hand.
    payments: PaymentProvider | None = None
    # Who checks and keeps the sounds that admins bring in.
    take_sound: TakeSound = take_no_sound
    # The house's directory, by which people may sign in; None: it has none.
    oidc: OidcConfig | None = None
    # How long sessions live unused, and how soon a second factor is needed.
    session_rules: SessionRules = field(default_factory=SessionRules)


def make_app(
    engine: AsyncEngine,
    *,
    secure_cookies: bool,
    snapshot_file: Path,
    prompts_dir: Path,
    data_secret: str = "",
    house: str = "tollbridge",
    softphone: SoftphoneLine | None = None,
    web_url: str = "",
    trusted_proxies: Networks = (),
    mail: MailConfig | None = None,
    recordings_dir: Path | None = None,
    payments: PaymentProvider | None = None,
    take_sound: TakeSound = take_no_sound,
    oidc: OidcConfig | None = None,
    session_rules: SessionRules | None = None,
) -> web.Application:
    """Return the application over `engine`, which the caller opens and disposes of.

    Without a `data_secret`, second factors are sealed under one that is gone with the application.
    """
    app = web.Application(
        middlewares=[errors_as_pages, refuse_foreign_posts],
        client_max_size=REQUEST_BYTES_MAXIMUM,
    )
    app[ENGINE] = engine
    app[SECURE_COOKIES] = secure_cookies
    app[PROMPTS_DIR] = prompts_dir
    app[TAKE_SOUND] = take_sound
    app[SOUNDS_AT_WORK] = asyncio.Semaphore(1)
    data_secret = data_secret or secrets.token_urlsafe()
    app[VAULT] = Vault(data_secret)
    add_directory(app, oidc, data_secret)
    app[HOUSE_NAME] = house
    app[PING_RULES] = PUBLIC_ONLY
    app[RECORDINGS_DIR] = recordings_dir
    app[PAYMENTS] = payments
    app[TEMPLATES] = make_templates()
    app[WEB_URL] = web_url
    app[SESSION_RULES] = session_rules or SessionRules()
    app[TRUSTED_PROXIES] = trusted_proxies
    _add_mailer(app, mail)
    app[EXPORTS] = asyncio.Semaphore(AT_ONCE)
    add_open_streams(app)
    add_live_hub(app)
    add_softphone(app, softphone)
    _add_bids(app, CurrentSnapshot(engine, snapshot_file), house)
    app.on_response_prepare.append(add_headers)
    add_routes(app)
    return app


def _add_mailer(app: web.Application, mail: MailConfig | None) -> None:
    if mail is None:
        return
    mailer = app[MAILER] = Mailer(mail)

    async def finish(app: web.Application) -> None:
        await mailer.finish(SHUTDOWN_SECONDS)

    app.on_shutdown.append(finish)


def _add_bids(app: web.Application, snapshot: CurrentSnapshot, house: str) -> None:
    """Let publishers ask for bids on the market of `snapshot`, which is kept fresh while the application runs."""
    engine = app[ENGINE]
    app[MARKET] = snapshot
    app[PINGS_AT_WORK] = asyncio.Semaphore(PINGS_AT_WORK_MOST)

    async def answer_pings(app: web.Application) -> AsyncIterator[None]:
        stop = asyncio.Event()
        keeping = asyncio.create_task(snapshot.keep_fresh(stop))
        async with open_auctions(engine, own_hop=house) as auction:
            # The winner is told when the call comes, by the process that routes it.
            router = Router(
                engine, snapshot, auction, hands_over=False, database_seconds=PING_DATABASE_SECONDS
            )
            app[ROUTER] = router
            app[INBOUND_BIDS] = InboundBids(
                engine, snapshot, router, network_name=house, yields=expected_yield
            )
            yield
        stop.set()
        await asyncio.wait({keeping}, timeout=SHUTDOWN_SECONDS)
        keeping.cancel()

    app.cleanup_ctx.append(answer_pings)


async def serve(config: WebConfig) -> None:
    """Serve the pages until cancelled. Raises OSError when the port is taken; needs no database to start."""
    engine = open_engine(config.database_url, application_name="tollbridge-web", pool_size=POOL_SIZE)
    runner = web.AppRunner(
        make_app(
            engine,
            secure_cookies=config.secure_cookies,
            snapshot_file=config.snapshot_file,
            prompts_dir=config.prompts_dir,
            data_secret=config.data_secret,
            house=config.house,
            softphone=config.softphone,
            web_url=config.web_url,
            trusted_proxies=config.trusted_proxies,
            mail=config.mail,
            recordings_dir=config.recordings_dir,
            payments=config.payments,
            take_sound=config.take_sound,
            oidc=config.oidc,
            session_rules=config.session_rules,
        ),
        access_log=None,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, config.address, config.port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
        await engine.dispose()
