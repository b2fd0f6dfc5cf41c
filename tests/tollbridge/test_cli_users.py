"""`tollbridge admin create` and `tollbridge user`: the first admin, and people looked after from the machine itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pydantic import ValidationError

from store.session import open_engine
from tests.web.market import add_market
from tollbridge.cli import cli
from tollbridge.faults import CannotRun
from tollbridge.run import mail_of, oidc_of
from tollbridge.settings import minutes_of_roles, read_settings
from web.oidc.queries import link_person

PASSWORD = "correct horse battery"
Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    async def seed() -> None:
        engine = open_engine(database_url, application_name="test")
        await add_market(engine)
        await engine.dispose()

    asyncio.run(seed())
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)
    return lambda *arguments: CliRunner().invoke(cli, list(arguments))


def people(run: Run) -> dict[str, dict[str, Any]]:
    return {one["email"]: one for one in json.loads(run("user", "list", "--json").output)}


def test_the_first_admin_and_everybody_after(run: Run) -> None:
    made = json.loads(run("admin", "create", "Ada@Example.com", "--generate", "--json").output)
    assert made["email"] == "ada@example.com" and len(made["password"]) >= 10
    assert "password" not in run("admin", "create", "al@example.com", "--password", PASSWORD).output
    assert run("admin", "create", "none@example.com").exit_code == 1

    added = run(
        "user",
        "add",
        "bea@example.com",
        "--password",
        PASSWORD,
        "--role",
        "buyer",
        "--buyer",
        "buckeye lending",
    )
    assert added.exit_code == 0, added.output
    invited = run("user", "invite", "pat@example.com", "--role", "publisher", "--publisher", "1", "--json")
    assert "/link/" in json.loads(invited.output)["link"] and not json.loads(invited.output)["sent"]
    assert "opens once" in run("user", "link", "pat@example.com").output
    found = people(run)
    assert found["bea@example.com"]["buyer_id"] and found["bea@example.com"]["state"] == "active"
    assert found["pat@example.com"]["publisher_id"] == 1 and found["pat@example.com"]["state"] == "invited"
    assert "(Buckeye Lending), active" in run("user", "list").output

    assert run("user", "disable", "al@example.com").output.strip() == "disabled"
    assert "last admin" in run("user", "disable", "ada@example.com").output
    assert people(run)["al@example.com"]["state"] == "disabled"
    assert run("user", "enable", "al@example.com").output.strip() == "enabled"
    assert run("user", "password", "al@example.com", "--password", PASSWORD).exit_code == 0

    assert "set up again" in run("user", "reset-factor", "ada@example.com").output

    for wrong, words in (
        (
            ("add", "x@y", "--password", PASSWORD, "--role", "buyer", "--buyer", "Nobody"),
            "no buyer called Nobody",
        ),
        (("add", "x@y", "--password", PASSWORD, "--buyer", "1"), "goes with --role buyer"),
        (("add", "x@y", "--password", PASSWORD, "--role", "emperor"), "a role is one of"),
        (("add", "bea@example.com", "--password", PASSWORD), "exists already"),
        (("invite", "x@y", "--role", "buyer"), "which buyer"),
        (("disable", "nobody@example.com"), "nobody called"),
        (("link", "\x00"), "nobody called"),
    ):
        refused = run("user", *wrong)
        assert refused.exit_code == 1 and words in refused.output, (wrong, refused.output)


def test_mail_is_set_up_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mail_of(read_settings()) is None
    monkeypatch.setenv("TOLLBRIDGE_SMTP_HOST", "mail.example")
    with pytest.raises(ValidationError, match="needs TOLLBRIDGE_WEB_URL and TOLLBRIDGE_SMTP_SENDER"):
        read_settings()
    monkeypatch.setenv("TOLLBRIDGE_SMTP_SENDER", "switch@switch.example")
    monkeypatch.setenv("TOLLBRIDGE_WEB_URL", "https://switch.example/")
    monkeypatch.setenv("TOLLBRIDGE_SMTP_PASSWORD", "hunter2")
    config = mail_of(read_settings())
    assert config and (config.host, config.port, config.web_url) == (
        "mail.example",
        587,
        "https://switch.example",
    )
    assert "hunter2" not in repr(config)
    for wrong in ("switch.example", "ftp://switch.example", "https://", "https://switch.example/pages"):
        monkeypatch.setenv("TOLLBRIDGE_WEB_URL", wrong)
        with pytest.raises(ValidationError, match="must be https://host"):
            read_settings()


def test_somebody_of_the_directory_is_taken_back_and_given_a_password(run: Run, database_url: str) -> None:
    run("admin", "create", "ada@example.com", "--password", PASSWORD)

    async def hand_over() -> None:
        engine = open_engine(database_url, application_name="test")
        async with engine.begin() as connection:
            assert await link_person(connection, 1, "https://login.example", "ada-1")
        await engine.dispose()

    asyncio.run(hand_over())
    assert people(run)["ada@example.com"]["directory"] and people(run)["ada@example.com"]["state"] == "active"
    refused = run("user", "password", "ada@example.com", "--password", PASSWORD)
    assert refused.exit_code == 1 and "user unlink" in refused.output
    assert "signs in by the directory" in run("user", "link", "ada@example.com").output
    assert "unlinked" in run("user", "unlink", "ada@example.com").output
    assert "does not sign in by the directory" in run("user", "unlink", "ada@example.com").output
    assert run("user", "password", "ada@example.com", "--password", PASSWORD).exit_code == 0
    assert not people(run)["ada@example.com"]["directory"]


def test_the_directory_is_set_up_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert oidc_of(read_settings()) is None
    monkeypatch.setenv("TOLLBRIDGE_OIDC_ISSUER", "https://login.example/house")
    with pytest.raises(ValidationError, match="needs TOLLBRIDGE_WEB_URL and TOLLBRIDGE_OIDC_CLIENT_ID too"):
        read_settings()
    monkeypatch.setenv("TOLLBRIDGE_WEB_URL", "https://switch.example")
    monkeypatch.setenv("TOLLBRIDGE_OIDC_CLIENT_ID", "tollbridge")
    for wrong in (
        "http://login.example",
        "login.example",
        "https://login.example/?a=b",
        "https://a:b@login.example",
        "http://127.0.0.1.evil.example",
    ):
        monkeypatch.setenv("TOLLBRIDGE_OIDC_ISSUER", wrong)
        with pytest.raises(ValidationError):
            read_settings()
    monkeypatch.setenv("TOLLBRIDGE_OIDC_ISSUER", "https://login.example/house")
    for name, wrong in (("SCOPES", "profile email"), ("NETWORKS", "10.0.0"), ("RECHECK_MINUTES", "4")):
        monkeypatch.setenv(f"TOLLBRIDGE_OIDC_{name}", wrong)
        with pytest.raises(ValidationError):
            read_settings()
        monkeypatch.delenv(f"TOLLBRIDGE_OIDC_{name}")
    monkeypatch.setenv("TOLLBRIDGE_OIDC_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(CannotRun, match="cannot be read"):
        oidc_of(read_settings())
    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("TOLLBRIDGE_OIDC_SECOND_FACTOR_AMR", "mfa, hwk")
    config = oidc_of(read_settings())
    assert config is not None and config.client_secret == "s3cret" and "s3cret" not in repr(config)
    assert config.second_factor_amr == {"mfa", "hwk"} and config.second_factor_acr == set()
    assert config.redirect_uri == "https://switch.example/sign-in/directory/back"
    monkeypatch.setenv("TOLLBRIDGE_OIDC_CLIENT_SECRET", "another")
    with pytest.raises(ValidationError, match="not both"):
        read_settings()


@pytest.mark.parametrize("wrong", ["admin=4", "admin=721", "emperor=30", "admin", "admin=x", "admin=-5"])
def test_idle_minutes_are_of_a_role_and_within_reason(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("TOLLBRIDGE_SESSION_IDLE_MINUTES", wrong)
    with pytest.raises(ValidationError, match=r"5 to 720 minutes|is none of"):
        read_settings()


def test_idle_minutes_that_are_set_stand_beside_the_usual() -> None:
    assert minutes_of_roles(" buyer=20, admin=10,") == {"buyer": 20, "admin": 10}
