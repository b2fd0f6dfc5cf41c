"""The house's directory as the application holds it: set up once, asked again in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from router.buyers.ping_client import PingClient
from store.web_tables import DIRECTORY_GRANT
from web.keys import ENGINE
from web.oidc.config import OidcConfig
from web.oidc.provider import Provider
from web.oidc.renewal import keep_renewing
from web.second_factor.vault import Vault

CLOSING_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Directory:
    """The provider, and what its tokens are sealed with."""

    provider: Provider
    vault: Vault

    @property
    def config(self) -> OidcConfig:
        return self.provider.config


DIRECTORY: web.AppKey[Directory | None] = web.AppKey("directory")
"""None: people sign in by password and passkey only."""


def add_directory(app: web.Application, config: OidcConfig | None) -> None:
    """Let people sign in by the directory; None: the application has none."""
    app[DIRECTORY] = None
    if config is None:
        return
    client = PingClient(config.address_rules)
    directory = Directory(provider=Provider(config, client), vault=Vault(DIRECTORY_GRANT))
    app[DIRECTORY] = directory

    async def renew(app: web.Application) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with client:
            renewing = asyncio.create_task(
                keep_renewing(app[ENGINE], directory.vault, directory.provider, stop)
            )
            yield
            stop.set()
            await asyncio.wait({renewing}, timeout=CLOSING_SECONDS)
            renewing.cancel()

    app.cleanup_ctx.append(renew)
