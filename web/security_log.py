"""Security events of the pages and the API: who may be guessing, and from which address."""

from __future__ import annotations

from aiohttp import hdrs, web

from rules.log_lines import SecurityEvent, log_security
from web.proxies import client_address


def report(request: web.Request, event: SecurityEvent) -> None:
    """Log a security event of anyone who asks.

    A page of another site can make anybody's browser ask for what is refused: that must not ban its owner's address.
    It cannot send a token of the API.
    """
    forced = _from_another_site(request) and event is not SecurityEvent.TOKEN_GUESSED
    log_security(SecurityEvent.CROSS_SITE if forced else event, client_address(request))


def _from_another_site(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("cross-site", "same-site")
    origin = request.headers.get(hdrs.ORIGIN)
    return origin is not None and origin.partition("://")[2] != request.host
