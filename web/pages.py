"""Pages out of templates: one environment, autoescaped, that every page folder adds its templates to."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined

from web import formats, zones
from web.keys import FACTOR_DUE, USER
from web.navigation import menus_for

WEB_DIR = Path(__file__).parent
STATIC_DIR = WEB_DIR / "static"

# A template is named <page>/<file>: the folder it lies in is the page it belongs to.
TEMPLATE_DIRS = {
    "web": WEB_DIR / "templates",
    "sign_in": WEB_DIR / "sign_in" / "templates",
    "home": WEB_DIR / "home" / "templates",
    "live": WEB_DIR / "live" / "templates",
    "calls": WEB_DIR / "calls" / "templates",
    "call": WEB_DIR / "call" / "templates",
    "softphone": WEB_DIR / "softphone" / "templates",
    "prompts": WEB_DIR / "prompts" / "templates",
    "flows": WEB_DIR / "flows" / "templates",
    "api": WEB_DIR / "api" / "templates",
    "licences": WEB_DIR / "licences" / "templates",
    "suppressions": WEB_DIR / "suppressions" / "templates",
    "ping_tests": WEB_DIR / "ping_tests" / "templates",
    "test_calls": WEB_DIR / "test_calls" / "templates",
    "resources": WEB_DIR / "resources" / "templates",
    "plans": WEB_DIR / "plans" / "templates",
    "person": WEB_DIR / "person" / "templates",
    "terms": WEB_DIR / "terms" / "templates",
    "publisher_keys": WEB_DIR / "publisher_keys" / "templates",
    "sale_keys": WEB_DIR / "sale_keys" / "templates",
    "portal": WEB_DIR / "portal" / "templates",
    "buyer": WEB_DIR / "buyer" / "templates",
    "publisher": WEB_DIR / "publisher" / "templates",
    "reports": WEB_DIR / "reports" / "templates",
    "money": WEB_DIR / "money" / "templates",
    "account": WEB_DIR / "account" / "templates",
    "confirm": WEB_DIR / "confirm" / "templates",
    "oidc": WEB_DIR / "oidc" / "templates",
    "directory_groups": WEB_DIR / "directory_groups" / "templates",
    "second_factor": WEB_DIR / "second_factor" / "templates",
    "links": WEB_DIR / "links" / "templates",
    "tokens": WEB_DIR / "tokens" / "templates",
    "users": WEB_DIR / "users" / "templates",
    "audit_log": WEB_DIR / "audit_log" / "templates",
}

TEMPLATES: web.AppKey[Environment] = web.AppKey("templates", Environment)


def make_templates() -> Environment:
    environment = Environment(
        loader=PrefixLoader({page: FileSystemLoader(path) for page, path in TEMPLATE_DIRS.items()}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(formats.FILTERS)
    environment.globals["static"] = static_url
    environment.globals["menus_for"] = menus_for
    return environment


@cache
def static_url(name: str) -> str | None:
    """Return the address of a file below static/, with its digest so that browsers may keep it for ever.

    None when there is no such file: `npm run build` has not been run, and pages do without.
    """
    path = STATIC_DIR / name
    if not path.is_file():
        return None
    return f"/static/{name}?v={hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


def render(request: web.Request, template: str, *, status: int = 200, **context: Any) -> web.Response:
    """Return the page of a template. Every template knows `user` (or none), `zone`, `zones` and `path`."""
    zone = zones.zone_of(request)
    text = (
        request.app[TEMPLATES]
        .get_template(template)
        .render(
            user=request.get(USER),
            factor_due=request.get(FACTOR_DUE),
            zone=zone,
            zones=zones.choices(zone),
            path=request.path_qs,
            **context,
        )
    )
    return web.Response(text=text, content_type="text/html", charset="utf-8", status=status)


def wants_fragment(request: web.Request) -> bool:
    """Tell whether htmx asks for a part of the page only."""
    return request.headers.get("HX-Request-Type") == "partial"
