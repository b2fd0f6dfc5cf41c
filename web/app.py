"""The web process: pages for admins over the database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.payment_provider import PaymentProvider
from router.auction_house import PUBLIC_ONLY
from router.snapshot import CurrentSnapshot
from store.session import open_engine
from web.at_once import AtOnce
from web.calls.download import EXPORTS, EXPORTS_EACH, EXPORTS_TOGETHER
from web.etags import ETAGS, Etags
from web.keys import (
    ENGINE,
    HOUSE_NAME,
    PAYMENTS,
    PING_RULES,
    PROMPTS_DIR,
    RECORDINGS_DIR,
    SALE_KEYS,
    SECURE_COOKIES,
)
from web.known_devices import DEVICES, KnownDevices
from web.known_keys import KnownKeys
from web.live.stream import add_live_hub
from web.mail import MAILER, MailConfig, Mailer
from web.middleware import (
    add_headers,
    errors_as_pages,
    refusals_as_pages,
    refuse_foreign_posts,
    refuse_plain_http,
)
from web.oidc.config import OidcConfig
from web.oidc.directory import add_directory
from web.open_streams import add_open_streams
from web.pages import TEMPLATES, make_templates
from web.prompts.uploads import SOUNDS_AT_WORK, TAKE_SOUND, TakeSound, take_no_sound
from web.proxies import PLAIN_HTTP_NETWORKS, TRUSTED_PROXIES, Networks
from web.routes import add_routes
from web.routing import add_market
from web.rtb.forward import add_pings
from web.sale_keys.queries import digests_in_force
from web.second_factor.vault import VAULT, Vault
from web.serving import SHUTDOWN_SECONDS, bodies_in_time, serve_app
from web.session_rules import SESSION_RULES, SessionRules
from web.softphone.line import SoftphoneLine
from web.softphone.setup import add_softphone
from web.visitors import WEB_URL, hand_renewed_session

# The largest form of ours is a sign-in.
REQUEST_BYTES_MAXIMUM = 64 * 1024
POOL_SIZE = 16
"""Pages want a connection for some milliseconds each; publishers' pings have a process and a pool of their own."""


@dataclass(frozen=True, kw_only=True)
class WebConfig:
    """What the web process needs to know. `secure_cookies` when browsers reach it by https."""

    address: str
    port: int
    database_url: str
    # Where this process keeps the market it last saw; its own, the agi process has another.
    snapshot_file: Path
    # Rendered prompts, to be listened to.
    prompts_dir: Path
    # Our name in the list of houses a call has come through.
    house: str = "tollbridge"
    # Where the process that answers publishers' pings is; empty: nobody answers them.
    pings_url: str = ""
    secure_cookies: bool = False
    # Where this node's Asterisk takes softphones; None: nobody can call from the pages.
    softphone: SoftphoneLine | None = None
    # Networks of reverse proxies that are believed when they say who asks.
    trusted_proxies: Networks = ()
    # Networks that plain http may come from beside this machine.
    plain_http_networks: Networks = ()
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
    # How long sessions live unused, and how soon a second factor is needed.
    session_rules: SessionRules = field(default_factory=SessionRules)
    # The house's directory, by which people may sign in; None: it has none.
    oidc: OidcConfig | None = None


def make_app(
    engine: AsyncEngine,
    *,
    secure_cookies: bool,
    snapshot_file: Path,
    prompts_dir: Path,
    house: str = "tollbridge",
    pings_url: str = "",
    softphone: SoftphoneLine | None = None,
    web_url: str = "",
    trusted_proxies: Networks = (),
    plain_http_networks: Networks = (),
    mail: MailConfig | None = None,
    recordings_dir: Path | None = None,
    payments: PaymentProvider | None = None,
    take_sound: TakeSound = take_no_sound,
    session_rules: SessionRules | None = None,
    oidc: OidcConfig | None = None,
) -> web.Application:
    """Return the application over `engine`, which the caller opens and disposes of."""
    app = web.Application(
        middlewares=[
            errors_as_pages,
            refusals_as_pages,
            refuse_plain_http,
            bodies_in_time,
            refuse_foreign_posts,
            hand_renewed_session,
        ],
        client_max_size=REQUEST_BYTES_MAXIMUM,
    )
    app[ENGINE] = engine
    app[SECURE_COOKIES] = secure_cookies
    app[PROMPTS_DIR] = prompts_dir
    app[TAKE_SOUND] = take_sound
    app[SOUNDS_AT_WORK] = asyncio.Semaphore(1)
    app[VAULT] = Vault()
    app[ETAGS] = Etags()
    app[DEVICES] = KnownDevices()
    add_directory(app, oidc)
    app[HOUSE_NAME] = house
    app[PING_RULES] = PUBLIC_ONLY
    app[RECORDINGS_DIR] = recordings_dir
    app[PAYMENTS] = payments
    app[TEMPLATES] = make_templates()
    app[WEB_URL] = web_url
    app[SESSION_RULES] = session_rules or SessionRules()
    app[TRUSTED_PROXIES] = trusted_proxies
    app[PLAIN_HTTP_NETWORKS] = plain_http_networks
    _add_mailer(app, mail)
    app[EXPORTS] = AtOnce("exports", each=EXPORTS_EACH, together=EXPORTS_TOGETHER)
    add_open_streams(app)
    add_live_hub(app)
    add_softphone(app, softphone)
    add_market(app, CurrentSnapshot(engine, snapshot_file), house)
    add_pings(app, pings_url)
    app[SALE_KEYS] = KnownKeys(partial(digests_in_force, engine))
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


async def serve(config: WebConfig) -> None:
    """Serve the pages until cancelled. Raises OSError when the port is taken; needs no database to start."""
    engine = open_engine(config.database_url, application_name="tollbridge-web", pool_size=POOL_SIZE)
    app = make_app(
        engine,
        secure_cookies=config.secure_cookies,
        snapshot_file=config.snapshot_file,
        prompts_dir=config.prompts_dir,
        house=config.house,
        pings_url=config.pings_url,
        softphone=config.softphone,
        web_url=config.web_url,
        trusted_proxies=config.trusted_proxies,
        plain_http_networks=config.plain_http_networks,
        mail=config.mail,
        recordings_dir=config.recordings_dir,
        payments=config.payments,
        take_sound=config.take_sound,
        session_rules=config.session_rules,
        oidc=config.oidc,
    )
    try:
        await serve_app(app, config.address, config.port)
    finally:
        await engine.dispose()
