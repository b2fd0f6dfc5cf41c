"""What a browser takes to the provider, and what only it can bring back. Pure.

All that binds an answer to its question comes of one secret in the browser's cookie: the state, the nonce and the
verifier of PKCE. The database keeps its sha256 alone, so that neither a stolen table nor an address in a log answers.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from urllib.parse import urlencode

from web.oidc.config import OidcConfig
from web.oidc.metadata import Metadata

END_SESSION_HINT_LENGTH_MAXIMUM = 4_000
"""A longer address is refused by some servers."""


def state_of(secret: str) -> str:
    return _derived(secret, b"state")


def nonce_of(secret: str) -> str:
    return _derived(secret, b"nonce")


def verifier_of(secret: str) -> str:
    return _derived(secret, b"verifier")


def is_state_of(secret: str, state: str) -> bool:
    return hmac.compare_digest(state_of(secret).encode(), state.encode("utf-8", "surrogatepass"))


def authorization_address(metadata: Metadata, config: OidcConfig, secret: str, *, anew: bool = False) -> str:
    """Return where a browser goes to show who it is. `again`: anyone who is known there already shows it again."""
    challenge = hashlib.sha256(verifier_of(secret).encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": config.client_id,
        "redirect_uri": config.redirect_uri,
        "scope": config.scopes,
        "state": state_of(secret),
        "nonce": nonce_of(secret),
        "code_challenge": _base64(challenge),
        "code_challenge_method": "S256",
    }
    if config.second_factor_acr:
        asked["acr_values"] = " ".join(sorted(config.second_factor_acr))
    if anew:
        asked |= {"prompt": "login", "max_age": "0"}
    return _with_query(metadata.authorization_endpoint, asked)


def end_session_address(metadata: Metadata, config: OidcConfig, id_token: str | None) -> str | None:
    """Return where a browser signs out of the provider too; None: it offers no such place."""
    if metadata.end_session_endpoint is None:
        return None
    said = {"client_id": config.client_id, "post_logout_redirect_uri": f"{config.web_url}/sign-in"}
    if id_token is not None and len(id_token) <= END_SESSION_HINT_LENGTH_MAXIMUM:
        said["id_token_hint"] = id_token
    return _with_query(metadata.end_session_endpoint, said)


def _derived(secret: str, purpose: bytes) -> str:
    return _base64(hmac.digest(secret.encode("utf-8", "surrogatepass"), purpose, "sha256"))


def _base64(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _with_query(address: str, parameters: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(parameters)}"
