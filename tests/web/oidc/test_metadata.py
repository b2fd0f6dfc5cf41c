"""What a provider publishes about itself, and what somebody would like us to believe it did."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from router.buyers.addresses import AddressRules
from web.oidc.failures import Failure
from web.oidc.metadata import AuthMethod, Metadata, read_keys, read_metadata

ISSUER = "https://login.example/house"
PUBLIC = AddressRules()
RIGHT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://login.example/authorize?tenant=house",
    "token_endpoint": "https://login.example/token",
    "jwks_uri": "https://keys.example/keys",
}


def read(document: Any, rules: AddressRules = PUBLIC, *, has_secret: bool = True) -> Metadata | Failure:
    return read_metadata(document, issuer=ISSUER, rules=rules, has_secret=has_secret)


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://login.example/house/"},
        {"issuer": "https://login.example/{tenant}"},
        {"issuer": None},
        {"authorization_endpoint": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://login.example/a#b"},
        {"authorization_endpoint": "https://login.example\n/a"},
        {"token_endpoint": "http://login.example/token"},
        {"token_endpoint": "https://10.0.0.5/token"},
        {"token_endpoint": "https://169.254.169.254/latest"},
        {"token_endpoint": "https://user:pass@login.example/"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ["https://login.example/keys"]},
        {"jwks_uri": "https://[::1]/keys"},
        {"userinfo_endpoint": "https://127.0.0.1/u"},
        {"end_session_endpoint": "javascript:alert(1)"},
    ],
)
def test_what_is_not_believed(changed: dict[str, Any]) -> None:
    assert isinstance(read(RIGHT | changed), Failure)


def test_what_is() -> None:
    found = read(RIGHT)
    assert isinstance(found, Metadata)
    assert found.end_session_endpoint is None and not found.names_itself
    for document in (None, [], "x", {}):
        assert isinstance(read(document), Failure)


def test_a_private_provider_is_for_houses_that_say_so() -> None:
    private = RIGHT | {"token_endpoint": "https://10.0.0.5/token"}
    assert isinstance(read(private, AddressRules(allowed=(ip_network("10.0.0.0/24"),))), Metadata)


@pytest.mark.parametrize(
    ("methods", "has_secret", "method"),
    [
        (None, True, AuthMethod.BASIC),
        (["client_secret_post"], True, AuthMethod.POST),
        (["client_secret_post", "client_secret_basic"], True, AuthMethod.BASIC),
        ("client_secret_post", True, AuthMethod.BASIC),
        (["client_secret_post"], False, AuthMethod.NONE),
    ],
)
def test_how_we_show_who_we_are(methods: Any, has_secret: bool, method: AuthMethod) -> None:
    found = read(RIGHT | {"token_endpoint_auth_methods_supported": methods}, has_secret=has_secret)
    assert isinstance(found, Metadata) and found.auth_method is method


def test_only_public_keys_of_a_fair_size_for_signatures_are_kept() -> None:
    good = ECKey.generate_key("P-256", {"kid": "good"})
    others = [
        OctKey.generate_key(256, {"kid": "shared"}).as_dict(),
        RSAKey.generate_key(1024, {"kid": "weak"}).as_dict(private=False),
        ECKey.generate_key("P-256", {"kid": "for encryption", "use": "enc"}).as_dict(private=False),
        {"kty": "RSA", "n": "!!", "e": "AQAB", "kid": "broken"},
        {"kty": "RSA", "n": "A" * 3_000, "e": "AQAB", "kid": "huge"},
        {"kty": "AKP", "kid": "of tomorrow"},
        "no key",
    ]
    found = read_keys({"keys": [*others, good.as_dict(private=False)]})
    assert isinstance(found, KeySet) and [key.kid for key in found] == ["good"]
    assert isinstance(read_keys({"keys": others}), Failure)
    assert isinstance(read_keys({"keys": [good.as_dict(private=False)] * 51}), Failure)
