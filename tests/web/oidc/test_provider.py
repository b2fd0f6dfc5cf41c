"""A provider that is slow, huge, lost, led astray, or changes its keys: nobody waits long, and nothing is believed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey

from router.buyers.ping_client import PingClient
from tests.web.oidc.conftest import config_of
from tests.web.oidc.idp import Idp
from web.oidc import provider as provider_module
from web.oidc.config import OidcConfig
from web.oidc.failures import DirectoryRefusal, Failure, distrusted
from web.oidc.kept import FRESH_SECONDS, NEWER_SECONDS, STALE_SECONDS, Kept
from web.oidc.metadata import Metadata
from web.oidc.provider import Granted, Provider
from web.oidc.question import authorization_address

SECRET = "the browser's own"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def provider(config: OidcConfig, clock: Clock) -> AsyncIterator[Provider]:
    async with PingClient(config.address_rules) as client:
        yield Provider(config, client, clock)


async def redeemed(provider: Provider, idp: Idp) -> Granted | Failure:
    """Ask the provider in a browser's place, and turn its code into who it is."""
    metadata = await provider.metadata()
    if isinstance(metadata, Failure):
        return metadata
    address = authorization_address(metadata, provider.config, SECRET)
    query = dict(part.split("=", 1) for part in address.partition("?")[2].split("&"))
    code = f"code-{len(idp.asked)}"
    idp.codes[code] = query
    return await provider.redeem(code, SECRET, datetime.now(UTC))


def refused(answer: Granted | Failure | Metadata, refusal: DirectoryRefusal, why: str) -> bool:
    assert isinstance(answer, Failure), answer
    return answer.refusal is refusal and why in answer.why


async def test_a_right_answer(provider: Provider, idp: Idp) -> None:
    granted = await redeemed(provider, idp)
    assert isinstance(granted, Granted)
    assert (granted.identity.subject, granted.identity.email) == ("ada-1", "ada.l@house.example")
    assert "eyJ" not in repr(granted), "no token stands in a log by mistake"
    assert "/userinfo" not in idp.asked


async def test_what_the_id_token_lacks_is_asked_for_and_never_of_somebody_else(
    provider: Provider, idp: Idp
) -> None:
    idp.claims = {"groups": None, "email": None, "email_verified": None}
    idp.userinfo = {
        "sub": "ada-1",
        "groups": ["g"],
        "email": "a@b.example",
        "email_verified": True,
        "amr": ["mfa"],
        "iss": "x",
    }
    granted = await redeemed(provider, idp)
    assert isinstance(granted, Granted)
    assert granted.identity.groups == ("g",) and granted.identity.email == "a@b.example"
    idp.userinfo["sub"] = "eve"
    assert refused(await redeemed(provider, idp), DirectoryRefusal.DISTRUSTED, "somebody else")
    # An address of the ID token is not verified by a word about another.
    idp.claims = {"groups": None, "email": "admin@house.example", "email_verified": None}
    idp.userinfo["sub"] = "ada-1"
    granted = await redeemed(provider, idp)
    assert isinstance(granted, Granted) and granted.identity.email is None


async def test_new_keys_are_fetched_when_a_token_names_one_and_not_at_every_strangers_word(
    provider: Provider, idp: Idp, clock: Clock
) -> None:
    assert isinstance(await redeemed(provider, idp), Granted)
    clock.seconds += NEWER_SECONDS
    idp.key = ECKey.generate_key("P-256", {"kid": "two", "use": "sig"})
    idp.header = {"alg": "ES256", "kid": "two"}
    assert isinstance(await redeemed(provider, idp), Granted)
    idp.header = {"alg": "ES256", "kid": "nobody's"}
    for _ in range(10):
        assert refused(await redeemed(provider, idp), DirectoryRefusal.DISTRUSTED, "does not publish")
    assert idp.asked.count("/keys") == 2
    clock.seconds += NEWER_SECONDS
    await asyncio.gather(*(redeemed(provider, idp) for _ in range(6)))
    assert idp.asked.count("/keys") == 3, "six at once ask once"


async def test_huge_answers(provider: Provider, idp: Idp) -> None:
    idp.keys = {"keys": [idp.key.as_dict(private=False)] * 40, "more": "x" * 70_000}
    assert refused(await redeemed(provider, idp), DirectoryRefusal.AWAY, "bytes")


async def test_many_keys(provider: Provider, idp: Idp) -> None:
    idp.keys = {"keys": [idp.key.as_dict(private=False)] * 51}
    assert refused(await redeemed(provider, idp), DirectoryRefusal.DISTRUSTED, "more than 50 keys")


async def test_a_slow_provider_is_not_waited_for(
    provider: Provider, idp: Idp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_module, "ANSWER_SECONDS", 0.3)
    assert isinstance(await provider.metadata(), Metadata)
    idp.seconds = {"/token": 5}
    begun = time.monotonic()
    answers = await asyncio.gather(*(redeemed(provider, idp) for _ in range(20)))
    assert all(refused(answer, DirectoryRefusal.AWAY, "no answer within") for answer in answers)
    assert time.monotonic() - begun < 3, "twenty wait together, not one after another"


async def test_wrong_answers_of_the_token_endpoint(provider: Provider, idp: Idp, config: OidcConfig) -> None:
    assert refused(
        await provider.redeem("never given", SECRET, datetime.now(UTC)),
        DirectoryRefusal.OVER,
        "invalid_grant",
    )
    for text in ("", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."):
        idp.id_token = text
        assert refused(await redeemed(provider, idp), DirectoryRefusal.DISTRUSTED, "ID token"), text
    async with PingClient(config.address_rules) as client:
        unknown = Provider(replace(config, client_secret="wrong"), client)
        assert refused(await redeemed(unknown, idp), DirectoryRefusal.DISTRUSTED, "invalid_client")


async def test_redirects_are_not_followed_and_other_networks_not_asked(idp: Idp, config: OidcConfig) -> None:
    idp.metadata = {"token_endpoint": f"{idp.issuer}/moved"}
    async with PingClient(config.address_rules) as client:
        answer = await redeemed(Provider(config, client), idp)
        assert refused(answer, DirectoryRefusal.AWAY, "redirect") and "/token" not in idp.asked
    closed = replace(config, networks=())
    async with PingClient(closed.address_rules) as client:
        assert refused(
            await Provider(closed, client).metadata(), DirectoryRefusal.AWAY, "not a public address"
        )


async def test_the_document_of_another_issuer(idp: Idp) -> None:
    idp.metadata = {"issuer": "https://evil.example"}
    config = config_of(idp.issuer)
    async with PingClient(config.address_rules) as client:
        answer = await Provider(config, client).metadata()
    assert refused(answer, DirectoryRefusal.DISTRUSTED, "https://evil.example")


async def test_what_is_kept_outlasts_a_provider_that_is_away_for_a_day(clock: Clock) -> None:
    answers: list[Any] = ["first"]
    fetched = 0

    async def fetch() -> Any:
        nonlocal fetched
        fetched += 1
        return answers[0]

    kept: Kept[str] = Kept(fetch, clock)
    assert [await kept.get() for _ in range(3)] == ["first"] * 3 and fetched == 1
    answers[0] = distrusted("away")
    clock.seconds += FRESH_SECONDS
    assert [await kept.get() for _ in range(3)] == ["first"] * 3 and fetched == 2, "not asked in a hurry"
    clock.seconds = STALE_SECONDS
    assert isinstance(await kept.get(), Failure)
    answers[0] = "second"
    clock.seconds += 5
    assert await kept.get() == "second"
