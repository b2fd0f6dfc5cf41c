"""Every address of the web, on one screen, with who may use it."""

from __future__ import annotations

from aiohttp import web

from web import hooks
from web.access_routes import routes as access_routes
from web.api import routes as api
from web.buyer.routes import routes as buyer_routes
from web.calls.routes import routes as calls_routes
from web.flows import routes as flows
from web.health import health
from web.home import views as home
from web.keys import EDITORS, Role
from web.licences import views as licences
from web.live.routes import routes as live_routes
from web.middleware import only
from web.money.routes import routes as money_routes
from web.pages import STATIC_DIR
from web.person import views as persons
from web.ping_tests import views as ping_tests
from web.plans import views as plans
from web.prompts import views as prompts
from web.publisher.routes import routes as publisher_routes
from web.publisher_keys import views as publisher_keys
from web.recordings import routes as sound_routes
from web.reports.routes import routes as reports_routes
from web.resources import views as resources
from web.rtb import forward
from web.sale_keys import views as sale_keys
from web.softphone import views as softphone
from web.softphone.proxy import pass_on
from web.suppressions import views as suppressions
from web.terms import views as terms
from web.test_calls import views as test_calls
from web.time_zone import views as time_zone

_editors = only(*EDITORS)
_anybody_signed_in = only(*Role)


PUBLIC = frozenset(
    {
        "GET /health",
        "POST /time-zone",
        "GET /static",
        # The way in, and links that are keys themselves.
        "GET /sign-in",
        "POST /sign-in",
        "GET /sign-in/code",
        "POST /sign-in/code",
        "POST /sign-in/passkey/question",
        "POST /sign-in/passkey",
        "GET /sign-in/directory",
        "GET /sign-in/directory/back",
        "GET /forgotten",
        "POST /forgotten",
        "GET /link/{token}",
        "POST /link/{token}",
        f"GET {api.PREFIX}/openapi.json",
        # Machines of others, each with a key in the address or a signature.
        f"POST {hooks.ADDRESS}",
        "GET /rtb/{key}",
        "POST /rtb/{key}",
        "PUT /rtb/{key}/{reservation}",
        "GET /postback/sale/{key}",
        "POST /postback/sale/{key}",
    }
)
"""What anybody may ask. Every other address names the roles that may."""


class UnguardedRoute(Exception):
    """An address names no roles and is not known to be for everybody."""


def refuse_unguarded(app: web.Application) -> None:
    """Raise UnguardedRoute unless every address of `app` says who may ask: the web does not start then."""
    for route in app.router.routes():
        if route.method == "HEAD" or route.resource is None or hasattr(route.handler, "roles"):
            continue
        named = f"{route.method} {route.resource.canonical}"
        if named not in PUBLIC:
            raise UnguardedRoute(f"{named}: say which roles may ask, or list it as public")


def add_routes(app: web.Application) -> None:
    app.add_routes(
        [
            web.get("/health", health),
            web.post("/time-zone", time_zone.choose),
            web.get("/", _anybody_signed_in(home.show)),
            web.get("/prompts", _editors(prompts.show)),
            web.post("/prompts", _editors(prompts.bring)),
            web.get("/prompts/sound/{file:.+}", _editors(prompts.sound)),
            web.get("/api", _anybody_signed_in(api.show)),
            web.get("/softphone", _editors(softphone.show)),
            web.get("/softphone/ws", _editors(pass_on), allow_head=False),
            web.get("/flows/draft-call/{id}/events", _editors(softphone.events), allow_head=False),
            # Machines of publishers: outside sign-in and the CSRF check, behind keys of their own (web/rtb).
            web.post(hooks.ADDRESS, hooks.payment_event),
            web.get("/rtb/{key}", forward.pass_on, allow_head=False),
            web.post("/rtb/{key}", forward.pass_on),
            web.put("/rtb/{key}/{reservation}", forward.pass_on),
        ]
    )
    app.add_routes(access_routes())
    app.add_routes(flows.routes())
    app.add_routes(buyer_routes())
    app.add_routes(publisher_routes())
    app.add_routes(reports_routes())
    app.add_routes(money_routes())
    app.add_routes(sale_keys.routes())
    app.add_routes(calls_routes())
    app.add_routes(sound_routes())
    app.add_routes(persons.routes())
    app.add_routes(live_routes())
    app.add_routes(plans.routes())
    app.add_routes(publisher_keys.routes())
    app.add_routes(terms.routes())
    app.add_routes(licences.routes())
    app.add_routes(suppressions.routes())
    app.add_routes(ping_tests.routes())
    app.add_routes(test_calls.routes())
    app.add_routes(resources.routes())
    api.add_api(app)
    app.router.add_static("/static", STATIC_DIR)
    refuse_unguarded(app)
