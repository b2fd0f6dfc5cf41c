"""Who the provider says somebody is: an ID token, judged as OpenID Connect Core 1.0, section 3.1.3.7 asks. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from web.authority import FRESH_FOR
from web.oidc.config import OidcConfig
from web.oidc.failures import Failure, distrusted
from web.oidc.metadata import FAULTS

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519"),
)
"""Signatures by keys that only the provider has: never `none`, never a shared secret."""
LEEWAY_SECONDS = 60
"""By how much two clocks may differ."""
SUBJECT_LENGTH_MAXIMUM = 255
GROUPS_MAXIMUM = 2_000
GROUP_LENGTH_MAXIMUM = 300


@dataclass(frozen=True, kw_only=True)
class UnknownKey:
    """The token names a key that is not among those we hold: the provider may have new ones."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Somebody, as the provider vouches for them."""

    issuer: str
    subject: str
    email: str | None
    """None: none was given, or it may be anybody's."""
    name: str
    groups: tuple[str, ...] | None
    """None: the provider did not say."""
    shows_second_factor: bool
    authenticated_at_seconds: float | None
    """When they last showed at the provider who they are (seconds since 1970); None: it did not say."""

    def is_recent(self, now: datetime) -> bool:
        """Tell whether they have shown just now who they are. A provider that does not say when is believed to ask."""
        moment = self.authenticated_at_seconds
        return moment is None or now.timestamp() - moment <= FRESH_FOR.total_seconds()


Claims = Mapping[str, Any]


def judge_id_token(
    text: str, keys: KeySet, *, config: OidcConfig, nonce: str | None, now: datetime
) -> Claims | UnknownKey | Failure:
    """Return what a token claims, once its signature and its claims hold. `nonce` of None: it answers no question."""
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        claims = jwt.decode(text, keys, registry=registry).claims
        _requirements(config, nonce, now).validate(claims)
    except InvalidKeyIdError:
        return UnknownKey()
    except FAULTS as fault:
        return distrusted(f"ID token: {type(fault).__name__}: {fault!s:.200}")
    problem = _problem_of(claims, config.client_id, nonce)
    return distrusted(f"ID token: {problem}") if problem else claims


def _requirements(config: OidcConfig, nonce: str | None, now: datetime) -> jwt.JWTClaimsRegistry:
    wanted: dict[str, jwt.ClaimsOption] = {
        "iss": {"essential": True, "value": config.issuer},
        "aud": {"essential": True, "value": config.client_id},
        "sub": {"essential": True},
        "exp": {"essential": True},
        "iat": {"essential": True},
    }
    if nonce is not None:
        wanted["nonce"] = {"essential": True, "value": nonce}
    return jwt.JWTClaimsRegistry(now=int(now.timestamp()), leeway=LEEWAY_SECONDS, **wanted)


def _problem_of(claims: Claims, client_id: str, nonce: str | None) -> str | None:
    """Return what else is wrong: what the library does not look at."""
    subject = claims["sub"]
    if not (1 <= len(subject) <= SUBJECT_LENGTH_MAXIMUM and subject.isprintable()):
        return "the subject is no name"
    if nonce is not None and claims["nonce"] != nonce:
        return "the nonce is a list"
    party = claims.get("azp")
    if party is not None and party != client_id:
        return "it was made for another client"
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and party is None:
        return "it is for several and does not say who asked"
    return None


def identity_of(claims: Claims, config: OidcConfig) -> Identity:
    """Return the person that judged claims are about."""
    verified = claims.get("email_verified") is True or config.trust_emails
    email, name, moment = claims.get("email"), claims.get("name"), claims.get("auth_time")
    amr = claims.get("amr")
    methods = {method for method in amr if isinstance(method, str)} if isinstance(amr, list) else set()
    acr = claims.get("acr")
    return Identity(
        issuer=config.issuer,
        subject=claims["sub"],
        email=email if verified and isinstance(email, str) else None,
        name=name if isinstance(name, str) else "",
        groups=groups_of(claims.get(config.groups_claim)),
        shows_second_factor=bool(methods & config.second_factor_amr)
        or (isinstance(acr, str) and acr in config.second_factor_acr),
        authenticated_at_seconds=moment
        if isinstance(moment, (int, float)) and not isinstance(moment, bool)
        else None,
    )


def groups_of(claim: Any) -> tuple[str, ...] | None:
    """Read the claim of groups: a list of names, or one name. None: the claim is missing, or is something else."""
    if isinstance(claim, str):
        claim = [claim]
    if not isinstance(claim, list) or len(claim) > GROUPS_MAXIMUM:
        return None
    return tuple(one for one in claim if isinstance(one, str) and len(one) <= GROUP_LENGTH_MAXIMUM)
