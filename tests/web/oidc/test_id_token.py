"""ID tokens as strangers, other tenants and tired clocks make them: only the right one is believed."""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from web.oidc.config import OidcConfig
from web.oidc.failures import Failure
from web.oidc.id_token import ALGORITHMS, UnknownKey, groups_of, identity_of, judge_id_token
from web.oidc.metadata import read_keys

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
CONFIG = OidcConfig(
    issuer="https://login.example/house", client_id="tollbridge", web_url="https://switch.example"
)
RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})
KEYS = KeySet([RSA, EC])
RIGHT: dict[str, Any] = {
    "iss": CONFIG.issuer,
    "aud": "tollbridge",
    "sub": "ada",
    "exp": SECONDS + 300,
    "iat": SECONDS,
    "nonce": "n",
}


def token(*, header: dict[str, Any] | None = None, key: Any = EC, **changed: Any) -> str:
    claims = {name: value for name, value in (RIGHT | changed).items() if value is not None}
    header = header or {"alg": "ES256", "kid": "ec"}
    return jwt.encode(header, claims, key, algorithms=[header["alg"]])


def judged(text: str, keys: KeySet = KEYS, nonce: str | None = "n") -> Any:
    return judge_id_token(text, keys, config=CONFIG, nonce=nonce, now=NOW)


def forged(header: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(RIGHT).encode(), signature]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ({"alg": "ES256", "kid": "ec"}, EC),
        ({"alg": "RS256", "kid": "rsa", "x-unknown": 1, "typ": "JWT"}, RSA),
        ({"alg": "PS512", "kid": "rsa"}, RSA),
    ],
)
def test_a_right_token_is_believed(header: dict[str, Any], key: Any) -> None:
    registry = {"alg": header["alg"], "kid": header["kid"]}
    assert judged(token(header=registry, key=key))["sub"] == "ada"


def test_without_a_key_id_the_only_key_counts() -> None:
    text = token(header={"alg": "ES256"})
    assert judged(text, KeySet([EC]))["sub"] == "ada"
    assert isinstance(judged(text), UnknownKey)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://login.example/house/"},
        {"iss": "https://login.example/HOUSE"},
        {"iss": "https://evil.example"},
        {"iss": [CONFIG.issuer]},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"aud": ["another"]},
        {"aud": ["tollbridge", "another"]},
        {"aud": ["tollbridge", "another"], "azp": "another"},
        {"azp": "another"},
        {"azp": ["tollbridge"]},
        {"aud": {"tollbridge": 1}},
        {"exp": SECONDS - 61},
        {"exp": None},
        {"exp": str(SECONDS + 300)},
        {"exp": True},
        {"iat": SECONDS + 61},
        {"iat": None},
        {"nbf": SECONDS + 61},
        {"nonce": "m"},
        {"nonce": None},
        {"nonce": ["n", "m"]},
        {"nonce": ["n"]},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": ["ada"]},
        {"sub": "a" * 256},
        {"sub": "ada\nroot"},
    ],
)
def test_wrong_claims_are_refused(changed: dict[str, Any]) -> None:
    assert isinstance(judged(token(**changed)), Failure)


def test_both_clocks_may_differ_by_a_minute() -> None:
    assert judged(token(exp=SECONDS - 59))["sub"] == "ada"
    assert judged(token(iat=SECONDS + 59, nbf=SECONDS + 59))["sub"] == "ada"
    assert judged(token(aud=["tollbridge", "another"], azp="tollbridge"))["sub"] == "ada"
    assert judged(token(nonce=None), nonce=None)["sub"] == "ada", "an answer to no question of a browser"


def test_no_shared_secret_and_no_none_signs() -> None:
    for kid, key in (("rsa", RSA), ("ec", EC)):
        said = forged({"alg": "HS256", "kid": kid}).rstrip(".")
        signature = hmac.digest(key.as_pem(private=False), said.encode(), "sha256")
        text = f"{said}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        assert isinstance(judged(text), Failure), "the public key taken for a shared secret"
    for algorithm in ("none", "None", "NONE", "", None, 7, ["ES256"]):
        for kid in ({}, {"kid": "ec"}):
            assert isinstance(judged(forged({"alg": algorithm} | kid)), Failure), algorithm
    assert not {"none", "HS256", "HS384", "HS512"} & set(ALGORITHMS)


def test_keys_of_another_are_unknown_and_keys_in_the_token_count_for_nothing() -> None:
    eves = ECKey.generate_key("P-256", {"kid": "eve"})
    assert isinstance(judged(token(header={"alg": "ES256", "kid": "eve"}, key=eves)), UnknownKey)
    stolen_name = ECKey.generate_key("P-256", {"kid": "ec"})
    assert isinstance(judged(token(key=stolen_name)), Failure)
    own = {"alg": "ES256", "kid": "ec", "jwk": eves.as_dict(private=False)}
    assert isinstance(judged(token(header=own, key=eves)), Failure)
    elsewhere = {"alg": "ES256", "kid": "ec", "jku": "https://evil.example/keys"}
    assert isinstance(judged(token(header=elsewhere, key=eves)), Failure)
    assert isinstance(judged(token(header={"alg": "ES256", "kid": "rsa"})), (Failure, UnknownKey))


def test_a_changed_token_is_refused() -> None:
    head, body, signature = token().split(".")
    claims = json.loads(urlsafe_b64encode(b"") or "{}") | RIGHT | {"sub": "admin"}
    other = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    for text in (
        f"{head}.{other}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature}x",
    ):
        assert isinstance(judged(text), Failure), text
    deep = urlsafe_b64encode(b"[" * 60_000).rstrip(b"=").decode()
    assert isinstance(judged(f"{deep}.{body}.{signature}"), Failure)
    crit = forged({"alg": "ES256", "kid": "ec", "crit": ["exp"], "exp": 1})
    assert isinstance(judged(crit), Failure)


@given(
    st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True)
)
def test_no_text_breaks_the_judge(text: str) -> None:
    assert isinstance(judged(text), (Failure, UnknownKey))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from([*RIGHT, "azp", "nbf", "email", "name", "groups", "amr", "acr"]), _JSON)
)
def test_no_claims_break_the_judge_nor_become_somebody_else(changed: dict[str, Any]) -> None:
    answer = judged(token(**changed))
    if not isinstance(answer, Failure):
        who = identity_of(answer, CONFIG)
        assert who.subject == answer["sub"] and who.email is None and not who.shows_second_factor
        assert answer["aud"] == "tollbridge" or "tollbridge" in answer["aud"]


@given(st.dictionaries(st.sampled_from(["kty", "n", "e", "crv", "x", "y", "k", "kid", "use", "alg"]), _JSON))
def test_no_key_set_breaks_the_reader(key: dict[str, Any]) -> None:
    for document in ({"keys": [key, EC.as_dict(private=False)]}, {"keys": key}, key):
        found = read_keys(document)
        assert isinstance(found, (Failure, KeySet))


def test_groups() -> None:
    assert groups_of("sales") == ("sales",) and groups_of(["a", 7, None, "b" * 301]) == ("a",)
    assert groups_of({"a": 1}) is groups_of(None) is groups_of(["x"] * 2_001) is None


def test_a_late_clock_is_a_late_clock() -> None:
    later = NOW + timedelta(minutes=6, seconds=1)
    assert isinstance(judge_id_token(token(), KEYS, config=CONFIG, nonce="n", now=later), Failure)
