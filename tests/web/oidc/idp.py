"""A provider of a test's own that says whatever the test wants, true or not. Honest ones: real_idp.py."""

from __future__ import annotations

import asyncio
import hashlib
import time
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs

from aiohttp import BasicAuth, web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

CLIENT_ID, CLIENT_SECRET = "tollbridge", "s:cr&t of the client"


class Idp:
    """Answers as an OpenID provider does, but for what a test has changed."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig", "alg": "ES256"})
        self.claims: dict[str, Any] = {}
        """Put over the claims of each ID token; None takes one away."""
        self.userinfo: dict[str, Any] | None = None
        self.person: dict[str, Any] = {
            "sub": "ada-1",
            "email": "ada.l@house.example",
            "email_verified": True,
            "name": "Ada L.",
            "groups": ["sales", "everybody"],
        }
        self.metadata: dict[str, Any] = {}
        """Put over the discovery document."""
        self.keys: Any = None
        """Published in the place of the key."""
        self.id_token: str | None = None
        """Given in the place of a right one."""
        self.signs_with: Any = None
        self.header: dict[str, Any] = {"alg": "ES256", "kid": "one"}
        self.refresh: list[str] = []
        """Refresh tokens that are good."""
        self.gives_refresh_tokens = False
        self.seconds: dict[str, float] = {}
        """How long an answer takes, by path."""
        self.asked: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}
        self.issuer = ""
        app = web.Application(middlewares=[self._noted])
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/keys", self._keys)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_post("/moved", self._moved)
        app.router.add_get("/userinfo", self._userinfo)
        self.server = TestServer(app)

    async def start(self) -> None:
        await self.server.start_server()
        self.issuer = str(self.server.make_url("")).rstrip("/")

    @web.middleware
    async def _noted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        await asyncio.sleep(self.seconds.get(request.path, 0))
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _discovery(self, request: web.Request) -> web.Response:
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end?of=session",
            "response_types_supported": ["code"],
        }
        said = document | self.metadata
        return web.json_response({name: value for name, value in said.items() if value is not None})

    async def _keys(self, request: web.Request) -> web.Response:
        if self.keys is not None:
            return web.json_response(self.keys)
        return web.json_response(KeySet([self.key]).as_dict(private=False))

    async def _authorize(self, request: web.Request) -> web.Response:
        """Let anyone who comes in at once: who they are is `person`."""
        code = f"code-{len(self.codes)}"
        self.codes[code] = dict(request.query)
        answer = f"code={code}&state={request.query['state']}"
        raise web.HTTPFound(f"{request.query['redirect_uri']}?{answer}")

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: values[0] for name, values in parse_qs(await request.text()).items()}
        named = BasicAuth.decode(request.headers["Authorization"])
        if (named.login, named.password) != (CLIENT_ID, "s%3Acr%26t+of+the+client"):
            return web.json_response({"error": "invalid_client"}, status=401)
        nonce = None
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] not in self.refresh:
                return web.json_response({"error": "invalid_grant"}, status=400)
            self.refresh.remove(form["refresh_token"])
        else:
            question = self.codes.pop(form["code"], None)
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
            if question is None or question["code_challenge"] != challenge:
                return web.json_response({"error": "invalid_grant"}, status=400)
            nonce = question["nonce"]
        answer = {"access_token": "access", "token_type": "Bearer", "id_token": self.made(nonce)}
        if self.gives_refresh_tokens:
            self.refresh.append(f"refresh-{len(self.asked)}")
            answer["refresh_token"] = self.refresh[-1]
        return web.json_response(answer)

    async def _moved(self, request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("/token")

    async def _userinfo(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer access"
        return web.json_response(self.userinfo or {"sub": self.person["sub"]})

    def made(self, nonce: str | None) -> str:
        """Return an ID token, made as the test wants it."""
        if self.id_token is not None:
            return self.id_token
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 7_200,
            "nonce": nonce,
            **self.person,
            **self.claims,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(self.header, said, self.signs_with or self.key, algorithms=[self.header["alg"]])
