"""What a provider publishes about itself: its addresses and its keys. Pure; believes nothing unseen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, KeySet, OKPKey, RSAKey

from router.buyers.addresses import AddressRules, url_problem
from web.oidc.failures import Failure, distrusted

DISCOVERY = "/.well-known/openid-configuration"
KEYS_MAXIMUM = 50
RSA_BITS_MINIMUM = 2048
RSA_BITS_MAXIMUM = 8192
"""A larger one costs more time to check than anybody needs."""
FAULTS = (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
"""What the library raises at what a provider sent."""


class AuthMethod(StrEnum):
    """How we show at the provider that we are its client."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Where the provider is asked for what. All addresses have passed the rules."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    auth_method: AuthMethod
    names_itself: bool
    """Its answers bear `iss` (RFC 9207)."""


def read_metadata(document: Any, *, issuer: str, rules: AddressRules, has_secret: bool) -> Metadata | Failure:
    """Read the discovery document of the provider that is `issuer`, and of no other."""
    if not isinstance(document, dict):
        return distrusted("the discovery document is no JSON object")
    if document.get("issuer") != issuer:
        return distrusted(f"the discovery document is of the issuer {document.get('issuer')!r:.200}")
    found: dict[str, str | None] = {}
    for name, needed in _ADDRESSES.items():
        address = document.get(name)
        if address is None and not needed:
            found[name] = None
            continue
        problem = url_problem(address, rules) if isinstance(address, str) else "is missing"
        if problem or "#" in str(address):
            return distrusted(f"{name} {problem or 'has a fragment'}")
        found[name] = str(address)
    methods = document.get("token_endpoint_auth_methods_supported")
    return Metadata(
        authorization_endpoint=found["authorization_endpoint"] or "",
        token_endpoint=found["token_endpoint"] or "",
        jwks_uri=found["jwks_uri"] or "",
        userinfo_endpoint=found["userinfo_endpoint"],
        end_session_endpoint=found["end_session_endpoint"],
        auth_method=_auth_method(methods, has_secret=has_secret),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


_ADDRESSES: Mapping[str, bool] = {
    "authorization_endpoint": True,
    "token_endpoint": True,
    "jwks_uri": True,
    "userinfo_endpoint": False,
    "end_session_endpoint": False,
}
"""Whether each is needed."""


def read_keys(document: Any) -> KeySet | Failure:
    """Read the provider's public keys for signatures. Keys of a kind that we do not take are left out."""
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        return distrusted("the key set is no list of keys")
    if len(listed) > KEYS_MAXIMUM:
        return distrusted(f"the key set has more than {KEYS_MAXIMUM} keys")
    keys = [key for key in map(_key, listed) if key is not None]
    return KeySet(keys) if keys else distrusted("the key set has no key for signatures")


def _key(listed: Any) -> Key | None:
    if not isinstance(listed, dict) or listed.get("use", "sig") != "sig":
        return None
    try:
        key = JWKRegistry.import_key(listed)
        key.ensure_kid()
    except FAULTS:
        return None
    # A symmetric key that is published signs for everybody.
    if isinstance(key, RSAKey):
        bits = key.raw_value.key_size
        return key if RSA_BITS_MINIMUM <= bits <= RSA_BITS_MAXIMUM else None
    return key if isinstance(key, (ECKey, OKPKey)) else None


def _auth_method(methods: Any, *, has_secret: bool) -> AuthMethod:
    if not has_secret:
        return AuthMethod.NONE
    # Without a list it is basic (OpenID Connect Discovery 1.0, section 3).
    listed = methods if isinstance(methods, list) else [AuthMethod.BASIC]
    only_post = AuthMethod.POST in listed and AuthMethod.BASIC not in listed
    return AuthMethod.POST if only_post else AuthMethod.BASIC
