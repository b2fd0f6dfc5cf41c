"""The addresses of everything about who may come in, with who may use them."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from web.account import views as account
from web.audit_log import views as audit_log
from web.confirm import views as confirm
from web.confirm.views import confirming
from web.directory_groups import views as directory_groups
from web.keys import EDITORS, Role
from web.links import views as links
from web.middleware import FACTOR_NEEDED, only
from web.oidc import views as oidc
from web.oidc.config import CALLBACK
from web.passkeys import views as passkeys
from web.second_factor import views as second_factor
from web.sign_in import views as sign_in
from web.tokens import views as tokens
from web.users import views as users

_admin = only(Role.ADMIN)
# Who has to confirm that it is them does so on the way, and what they asked is done then.
_admin_confirms = confirming(_admin)
_editor = only(*EDITORS)
_anybody = only(*Role)
_anybody_confirms = confirming(_anybody)
# For who has yet to show the second factor that their role wants.
_on_the_way = only(*Role, before_factor=True)

_USER = "/users/{id:[0-9]{1,18}}"
_NUMBER = "{token_id:[0-9]{1,18}}"
_FACTOR = "/account/second-factor"


def routes() -> Sequence[web.RouteDef]:
    return [*_of_the_door(), *_of_oneself(), *_of_people()]


def _of_the_door() -> Sequence[web.RouteDef]:
    return [
        # For who is not signed in yet.
        web.get("/sign-in", sign_in.show),
        web.post("/sign-in", sign_in.submit),
        web.get("/sign-in/code", sign_in.show_code),
        web.post("/sign-in/code", sign_in.submit_code),
        web.post("/sign-in/passkey/question", passkeys.begin_sign_in),
        web.post("/sign-in/passkey", passkeys.finish_sign_in),
        web.get("/sign-in/directory", oidc.begin, allow_head=False),
        web.get(CALLBACK, oidc.finish, allow_head=False),
        web.get("/forgotten", links.show_forgotten),
        web.post("/forgotten", links.submit_forgotten),
        web.get("/link/{token}", links.show),
        web.post("/link/{token}", links.submit),
    ]


def _of_oneself() -> Sequence[web.RouteDef]:
    """For everybody who is signed in."""
    return [
        web.post("/sign-out", _on_the_way(sign_in.leave)),
        web.get("/account", _anybody(account.show)),
        web.post("/account/name", _anybody(account.submit_name)),
        web.post("/account/password", _anybody(account.submit_password)),
        web.post("/account/sessions/end-others", _anybody(account.end_others)),
        web.post("/account/sessions/{id}/end", _anybody(account.end_one)),
        web.get("/confirm", _on_the_way(confirm.show)),
        web.post("/confirm", _on_the_way(confirm.submit)),
        web.post("/confirm/passkey/question", _on_the_way(confirm.ask_passkey)),
        web.post("/confirm/passkey", _on_the_way(confirm.submit_passkey)),
        web.post("/account/sign-out-everywhere", _on_the_way(account.sign_out_everywhere)),
        web.get(FACTOR_NEEDED, _on_the_way(second_factor.show_needed)),
        web.post(_FACTOR, confirming(_on_the_way)(second_factor.begin)),
        web.post(f"{_FACTOR}/renew", _anybody_confirms(second_factor.renew)),
        web.post(f"{_FACTOR}/remove", _anybody_confirms(second_factor.remove)),
        web.get(f"{_FACTOR}/{{token}}", _on_the_way(second_factor.show_setup)),
        web.post(f"{_FACTOR}/{{token}}", _on_the_way(second_factor.finish)),
        web.get(f"{_FACTOR}/{{token}}/qr.svg", _on_the_way(second_factor.picture)),
        web.post("/account/passkeys/question", _on_the_way(passkeys.begin_adding)),
        web.post("/account/passkeys", _on_the_way(passkeys.finish_adding)),
        web.post("/account/directory", _anybody_confirms(oidc.begin_link)),
        web.post("/account/passkeys/{id}/name", _anybody(passkeys.rename)),
        web.post("/account/passkeys/{id}/remove", _anybody_confirms(passkeys.remove)),
        web.get("/account/tokens", _anybody(tokens.show)),
        web.post("/account/tokens", _anybody_confirms(tokens.make)),
        web.post(f"/account/tokens/{_NUMBER}/revoke", _anybody(tokens.revoke)),
    ]


def _of_people() -> Sequence[web.RouteDef]:
    """For who looks after people."""
    return [
        web.get("/users", _admin(users.show)),
        web.get("/users/new", _admin(users.show_invitation)),
        web.post("/users/new", _admin_confirms(users.invite)),
        web.get(_USER, _admin(users.show_person)),
        web.post(_USER, _admin_confirms(users.change)),
        web.post(f"{_USER}/link", _admin_confirms(users.make_link)),
        web.post(f"{_USER}/disable", _admin_confirms(users.disable)),
        web.post(f"{_USER}/enable", _admin_confirms(users.enable)),
        web.post(f"{_USER}/end-sessions", _admin_confirms(users.end_sessions)),
        web.post(f"{_USER}/remove-second-factor", _admin_confirms(users.take_factor)),
        web.post(f"{_USER}/passkeys/{{passkey}}/remove", _admin_confirms(users.take_passkey)),
        web.post(f"{_USER}/tokens/{_NUMBER}/revoke", _admin(users.revoke)),
        web.post(f"{_USER}/unlink", _admin_confirms(users.unlink)),
        web.get("/directory-groups", _admin(directory_groups.show)),
        web.post("/directory-groups", _admin_confirms(directory_groups.give)),
        web.post("/directory-groups/{id:[0-9]{1,18}}/remove", _admin_confirms(directory_groups.take)),
        web.get("/audit", _editor(audit_log.show)),
        web.get("/audit.csv", _editor(audit_log.as_csv)),
    ]
