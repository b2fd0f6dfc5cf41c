"""Each process is given its own secrets and nobody else's; what a process starts by itself finds none."""

from __future__ import annotations

import os

import pytest
from pydantic import SecretStr

from tollbridge.child_environment import NEEDED, SECRETS, bare_environment, environment_for, forget_secrets
from tollbridge.settings import Settings

OWN = {"secret": "s" * 20, "database_url": "postgresql://a:b@c/d", "data_dir": "/somewhere"}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in SECRETS - {"database_url", "database_owner_url"}:
        monkeypatch.setenv(f"TOLLBRIDGE_{name.upper()}", f"canary-of-{name}")
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", "postgresql://a:canary@c/d")
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_OWNER_URL", "postgresql://owner:canary@c/d")
    monkeypatch.setenv("tollbridge_stripe_live", "true")
    monkeypatch.setenv("TOLLBRIDGE_HOUSE", "ours")
    monkeypatch.setenv("OTHER_TOKEN", "canary")
    return Settings()


def test_every_setting_that_hides_its_value_is_a_secret() -> None:
    hidden = {name for name, value in Settings() if isinstance(value, SecretStr)}
    assert hidden | {"database_url", "database_owner_url"} == SECRETS
    assert all(needed <= SECRETS for needed in NEEDED.values())


@pytest.mark.parametrize("process", NEEDED)
def test_a_process_is_given_its_own_secrets_alone(settings: Settings, process: str) -> None:
    found = environment_for(process, settings, OWN)
    given = {name for name in SECRETS if f"TOLLBRIDGE_{name.upper()}" in found}
    assert given == NEEDED[process]
    assert found["TOLLBRIDGE_HOUSE"] == "ours" and found["TOLLBRIDGE_DATA_DIR"] == "/somewhere"
    assert found["tollbridge_stripe_live"] == "true" and "OTHER_TOKEN" not in found and "PATH" in found
    assert found.get("TOLLBRIDGE_DATABASE_URL", OWN["database_url"]) == OWN["database_url"]


def test_what_is_started_by_the_way_finds_no_secret(settings: Settings) -> None:
    assert not [value for value in bare_environment().values() if "canary" in value]
    before = dict(os.environ)
    try:
        forget_secrets()
        assert not [name for name, value in os.environ.items() if "canary" in value]
        assert os.environ["PATH"] and os.environ["TOLLBRIDGE_HOUSE"] == "ours"
    finally:
        os.environ.update(before)
    assert settings.smtp_password.get_secret_value() == "canary-of-smtp_password", (
        "who has read them keeps them"
    )
