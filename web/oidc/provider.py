"""The provider, asked over HTTP: checked addresses, no redirects, bounded answers, bounded time."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus, urlencode

from joserfc.jwk import KeySet

from router.buyers.dialect import HttpAnswer, HttpRequest
from router.buyers.ping_client import PingClient, PingFailed
from web.oidc.config import OidcConfig
from web.oidc.failures import DirectoryRefusal, Failure, away, distrusted
from web.oidc.id_token import Claims, Identity, UnknownKey, identity_of, judge_id_token
from web.oidc.kept import Kept
from web.oidc.metadata import DISCOVERY, AuthMethod, Metadata, read_keys, read_metadata
from web.oidc.question import nonce_of, verifier_of

ANSWER_SECONDS = 8.0
"""How long the provider has for one answer."""
AT_ONCE = 8
"""Exchanges at once: a slow provider holds up those who sign in by it, and nothing else of this process."""
FROM_USERINFO = ("name", "email", "email_verified")
"""What is taken of there beside the groups: never how somebody signed in, which only the ID token says."""
TOKEN_LENGTH_MAXIMUM = 60_000
CODE_LENGTH_MAXIMUM = 4_000


@dataclass(frozen=True, kw_only=True)
class Granted:
    """What the provider gave for somebody."""

    identity: Identity
    id_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)


class Provider:
    """The provider as one process knows it."""

    def __init__(
        self, config: OidcConfig, client: PingClient, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.config = config
        self._client = client
        self._at_work = asyncio.Semaphore(AT_ONCE)
        self._metadata = Kept(self._fetch_metadata, clock)
        self._keys = Kept(self._fetch_keys, clock)

    async def metadata(self) -> Metadata | Failure:
        return await self._metadata.get()

    async def problem(self) -> str | None:
        """Return why nobody can sign in by it just now; None: it and its keys can be had, and are believed."""
        found = await self._keys.get()
        return found.why if isinstance(found, Failure) else None

    async def redeem(self, code: str, secret: str, now: datetime) -> Granted | Failure:
        """Turn the code that a browser brought into who it is. `secret` is the one its question was made of."""
        if len(code) > CODE_LENGTH_MAXIMUM:
            return distrusted("a code longer than any")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.config.redirect_uri,
            "code_verifier": verifier_of(secret),
        }
        return await self._granted(form, nonce=nonce_of(secret), subject=None, now=now)

    async def renew(self, refresh_token: str, subject: str, now: datetime) -> Granted | Failure:
        """Ask again who somebody is. A failure of OVER: the provider vouches for them no more."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self._granted(form, nonce=None, subject=subject, now=now)

    async def _granted(
        self, form: Mapping[str, str], *, nonce: str | None, subject: str | None, now: datetime
    ) -> Granted | Failure:
        answer = await self._tokens(form)
        if isinstance(answer, Failure):
            return answer
        id_token, refresh_token = _text(answer, "id_token"), _text(answer, "refresh_token")
        claims = await self._about(answer, id_token, nonce=nonce, subject=subject, now=now)
        if isinstance(claims, Failure):
            return replace(claims, refresh_token=refresh_token)
        identity = identity_of(claims, self.config)
        return Granted(identity=identity, id_token=id_token, refresh_token=refresh_token)

    async def _about(
        self,
        answer: Mapping[str, Any],
        id_token: str | None,
        *,
        nonce: str | None,
        subject: str | None,
        now: datetime,
    ) -> Claims | Failure:
        """Return what a token answer says of somebody. Asked again about a `subject`, it may hold no ID token."""
        claims: Claims | Failure = {"sub": subject}
        if id_token is not None:
            claims = await self._claims(id_token, nonce, now)
        elif subject is None:
            return distrusted("the token endpoint gave no ID token")
        if isinstance(claims, Failure):
            return claims
        if subject is not None and claims["sub"] != subject:
            return distrusted("the ID token is of somebody else than the one before")
        return await self._with_userinfo(claims, _text(answer, "access_token"))

    async def _claims(self, id_token: str, nonce: str | None, now: datetime) -> Claims | Failure:
        for newer in (False, True):
            keys = await self._keys.get(newer=newer)
            if isinstance(keys, Failure):
                return keys
            judged = judge_id_token(id_token, keys, config=self.config, nonce=nonce, now=now)
            if not isinstance(judged, UnknownKey):
                return judged
        return distrusted("ID token: signed by a key that the provider does not publish")

    async def _with_userinfo(self, claims: Claims, access_token: str | None) -> Claims | Failure:
        """Add what the ID token lacks from the provider's other place for it. What the ID token says stays."""
        metadata = await self.metadata()
        if isinstance(metadata, Failure):
            return metadata
        lacks = self.config.groups_claim not in claims or "email" not in claims
        if not lacks or metadata.userinfo_endpoint is None or access_token is None:
            return claims
        headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json"}
        found = await self._json(HttpRequest(method="GET", url=metadata.userinfo_endpoint, headers=headers))
        if isinstance(found, Failure):
            return found
        if found.get("sub") != claims["sub"]:
            return distrusted("userinfo is of somebody else than the ID token")
        # An address and whether it is verified come from one place, or not at all.
        wanted = {self.config.groups_claim, *(() if "email" in claims else FROM_USERINFO)}
        return {**{name: found[name] for name in wanted if name in found}, **claims}

    async def _tokens(self, form: Mapping[str, str]) -> Mapping[str, Any] | Failure:
        metadata = await self.metadata()
        if isinstance(metadata, Failure):
            return metadata
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        body = dict(form)
        if metadata.auth_method is AuthMethod.BASIC:
            named = f"{quote_plus(self.config.client_id)}:{quote_plus(self.config.client_secret)}"
            headers["Authorization"] = f"Basic {b64encode(named.encode()).decode()}"
        else:
            body["client_id"] = self.config.client_id
        if metadata.auth_method is AuthMethod.POST:
            body["client_secret"] = self.config.client_secret
        return await self._json(
            HttpRequest(
                method="POST", url=metadata.token_endpoint, headers=headers, body=urlencode(body).encode()
            )
        )

    async def _fetch_metadata(self) -> Metadata | Failure:
        # A trailing slash of the issuer is its own, and not doubled (OpenID Connect Discovery 1.0, section 4).
        document = await self._get(self.config.issuer.removesuffix("/") + DISCOVERY)
        if isinstance(document, Failure):
            return document
        return read_metadata(
            document,
            issuer=self.config.issuer,
            rules=self.config.address_rules,
            has_secret=bool(self.config.client_secret),
        )

    async def _fetch_keys(self) -> KeySet | Failure:
        metadata = await self.metadata()
        if isinstance(metadata, Failure):
            return metadata
        document = await self._get(metadata.jwks_uri)
        return document if isinstance(document, Failure) else read_keys(document)

    async def _get(self, url: str) -> Mapping[str, Any] | Failure:
        return await self._json(HttpRequest(method="GET", url=url, headers={"Accept": "application/json"}))

    async def _json(self, request: HttpRequest) -> Mapping[str, Any] | Failure:
        """Return the object of an answer, or why there is none. Paths alone are named: queries may hold secrets."""
        place = request.url.partition("?")[0]
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._at_work:
                answer = await self._client.exchange(request)
        except TimeoutError:
            return away(f"{place}: no answer within {ANSWER_SECONDS:.0f} s")
        except PingFailed as failed:
            return away(f"{place}: {failed.detail}")
        return read_answer(place, answer)


def read_answer(place: str, answer: HttpAnswer) -> Mapping[str, Any] | Failure:
    """Read an answer of the provider: a JSON object, or a refusal of its own. Pure."""
    if answer.status >= 500:
        return away(f"{place}: status {answer.status}")
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        content = None
    if answer.status != 200:
        error = content.get("error") if isinstance(content, dict) else None
        why = f"{place}: status {answer.status}, error {error!r:.100}"
        return (
            Failure(refusal=DirectoryRefusal.OVER, why=why) if error == "invalid_grant" else distrusted(why)
        )
    return content if isinstance(content, dict) else distrusted(f"{place}: no JSON object")


def _text(answer: Mapping[str, Any], name: str) -> str | None:
    value = answer.get(name)
    usable = isinstance(value, str) and 0 < len(value) <= TOKEN_LENGTH_MAXIMUM and value.isascii()
    return value if usable and isinstance(value, str) and value.isprintable() else None
