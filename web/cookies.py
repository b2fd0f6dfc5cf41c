"""Cookies of ours: the one place that sets, reads and drops them.

Over https they bear the prefix __Host-: a browser then takes them from this host alone, by https alone and for all its
paths, and neither a neighbouring subdomain nor plain http can set one in its place.
"""

from __future__ import annotations

from aiohttp import web

from web.proxies import is_secure

HOST_PREFIX = "__Host-"


def read_cookie(request: web.Request, name: str) -> str | None:
    """Return a cookie's value. Over https one without the prefix does not count: anybody nearby may have set it."""
    return request.cookies.get(_full(request, name))


def set_cookie(
    request: web.Request, response: web.StreamResponse, name: str, value: str, *, lifetime_seconds: int
) -> None:
    """Give a visitor a cookie, for our own pages only and out of reach of scripts."""
    response.set_cookie(
        _full(request, name),
        value,
        max_age=lifetime_seconds,
        path="/",
        httponly=True,
        samesite="Lax",
        secure=is_secure(request),
    )


def drop_cookie(request: web.Request, response: web.StreamResponse, name: str) -> None:
    """Take a cookie back. A browser drops one with the prefix only when it is told so as it was given."""
    response.del_cookie(
        _full(request, name), path="/", httponly=True, samesite="Lax", secure=is_secure(request)
    )


def _full(request: web.Request, name: str) -> str:
    return HOST_PREFIX + name if is_secure(request) else name
