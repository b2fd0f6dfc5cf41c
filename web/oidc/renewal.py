"""The directory asked again, in the background, about everybody of it who is signed in or has a token.

What it takes away ends here with the next answer, and at the latest when its last word has run out: a session of
somebody of the directory opens nothing after that, whether or not anybody asks.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from web.oidc import queries
from web.oidc.admission import reason_of, role_of, take_over_role, turn_out, vouch
from web.oidc.failures import DirectoryRefusal, Failure
from web.oidc.id_token import Identity
from web.oidc.provider import Granted, Provider
from web.oidc.queries import Due
from web.second_factor.vault import Vault

log = logging.getLogger(__name__)

ROUND_SECONDS = 30.0
PAUSE = timedelta(minutes=1)
"""Between two tries about one person."""
AT_ONCE = 4
A_ROUND_MOST = 200


async def keep_renewing(engine: AsyncEngine, vault: Vault, provider: Provider, stop: asyncio.Event) -> None:
    """Ask again and again until `stop`. A database that is away is waited for."""
    while not stop.is_set():
        try:
            await renew_due(engine, vault, provider, datetime.now(UTC))
        except (SQLAlchemyError, OSError, TimeoutError) as problem:
            log.warning("directory: nobody could be asked about: %r", str(problem)[:200])
        try:
            async with asyncio.timeout(ROUND_SECONDS):
                await stop.wait()
        except TimeoutError:
            continue


async def renew_due(engine: AsyncEngine, vault: Vault, provider: Provider, now: datetime) -> int:
    """Ask about everybody whose time is half over or more; return how many were asked about."""
    config = provider.config
    async with engine.begin() as connection:
        due = await queries.take_due(
            connection,
            config.issuer,
            due_at=now + config.confirmed_for / 2,
            now=now,
            pause=PAUSE,
            most=A_ROUND_MOST,
        )
    at_work = asyncio.Semaphore(AT_ONCE)

    async def renew(one: Due) -> None:
        async with at_work:
            await _renew(engine, vault, provider, one, now)

    await asyncio.gather(*(renew(one) for one in due))
    return len(due)


async def _renew(engine: AsyncEngine, vault: Vault, provider: Provider, one: Due, now: datetime) -> None:
    refresh_token = vault.open(one.user_id, one.refresh_token)
    if refresh_token is None:
        return  # Sealed under another secret: their time runs out by itself.
    answer = await provider.renew(refresh_token, one.subject, now)
    if isinstance(answer, Failure):
        log.warning("directory: asked again about user %d: %r", one.user_id, answer.why)
        if answer.refusal is DirectoryRefusal.OVER:
            await _end(engine, one, now)
        elif answer.refresh_token is not None:
            await _keep(engine, one, vault.seal(one.user_id, answer.refresh_token))
        return
    await _apply(engine, vault, provider, one, answer, now)


async def _end(engine: AsyncEngine, one: Due, now: datetime) -> None:
    async with engine.begin() as connection:
        # Who has signed in meanwhile has another token, and the end of the old one says nothing.
        if await queries.has_grant(connection, one.user_id, one.refresh_token):
            await turn_out(connection, one.user_id, "the directory vouches no more", now)


async def _keep(engine: AsyncEngine, one: Due, refresh_token: bytes) -> None:
    """Keep the next token of a directory that gives each once, although its answer could not be used."""
    async with engine.begin() as connection:
        if await queries.has_grant(connection, one.user_id, one.refresh_token):
            await queries.keep_grant(connection, one.user_id, refresh_token=refresh_token, id_token=None)


async def _apply(
    engine: AsyncEngine, vault: Vault, provider: Provider, one: Due, granted: Granted, now: datetime
) -> None:
    identity: Identity = granted.identity
    async with engine.begin() as connection:
        person = await queries.lock_person(connection, identity.issuer, identity.subject)
        # Meanwhile they may have been unlinked, and somebody else linked.
        if person is None or person.user.user_id != one.user_id:
            return
        role = await role_of(connection, identity)
        if isinstance(role, DirectoryRefusal):
            await turn_out(connection, one.user_id, reason_of(role), now)
            return
        await take_over_role(connection, person.user, role, now)
        await vouch(connection, vault, provider.config, one.user_id, granted, now)
