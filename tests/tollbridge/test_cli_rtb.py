"""`tollbridge rtb keys`: a key is shown once, listed without itself, and revoked for good."""

from __future__ import annotations

import asyncio
import json

import pytest
from click.testing import CliRunner, Result

from store.session import open_engine
from tests.web.rtb.conftest import CAMPAIGN, PUBLISHER, a_market
from tollbridge.cli import cli
from tollbridge.sample_market.queries import seed_market
from web.rtb.publisher_keys import is_key

WANTED = ("rtb", "keys", "add", "--publisher", PUBLISHER, "--campaign", CAMPAIGN)


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    async def seed() -> None:
        engine = open_engine(database_url, application_name="test")
        await seed_market(engine, a_market())
        await engine.dispose()

    asyncio.run(seed())
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)

    def runner(*arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments))

    return runner


def test_a_key_is_shown_once_listed_without_itself_and_revoked(run) -> None:  # type: ignore[no-untyped-def]
    made = json.loads(run(*WANTED, "--dialect", "ringba", "--name", "Spring", "--json").output)
    assert is_key(made["key"])
    listed = run("rtb", "keys", "list")
    assert "ringba" in listed.output and "Spring" in listed.output
    assert made["key"] not in listed.output
    assert made["key"] not in run("rtb", "keys", "list", "--json").output
    assert run("rtb", "keys", "revoke", str(made["id"])).output.strip() == "revoked"
    assert run("rtb", "keys", "revoke", str(made["id"])).exit_code == 1
    assert "revoked" in run("rtb", "keys", "list").output


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--publisher", "Nobody"), "no publisher or no campaign"),
        (("--dialect", "morse"), "a dialect is one of"),
        (("--rate", "-1"), "a rate is"),
        (("--share", "101"), "a share is"),
        (("--share", "0"), "a share is"),
        (("--seconds", "1"), "a bid stands"),
        (("--open", "0"), "reservations may be open"),
        (("--room-share", "101"), "a share of room"),
        (("--pings-per-call", "0"), "pings are allowed"),
        (("--name", "a\nb"), "printable"),
    ],
)
def test_a_key_that_cannot_be_right_is_refused_with_the_reason(run, wrong, words) -> None:  # type: ignore[no-untyped-def]
    result = run(*WANTED, *wrong)
    assert result.exit_code == 1
    assert words in result.output


def test_what_a_key_may_hold_is_listed_and_changed(run) -> None:  # type: ignore[no-untyped-def]
    run(*WANTED, "--open", "4")
    assert (
        "4 open, 25 % of room, 50 pings a call; in 7 days 0 calls on 0 pings"
        in run("rtb", "keys", "list").output
    )
    assert run("rtb", "keys", "limit", "1", "--room-share", "40").output.strip() == "changed"
    assert "4 open, 40 % of room, 50 pings a call" in run("rtb", "keys", "list").output
    assert "1 to 100 percent" in run("rtb", "keys", "limit", "1", "--room-share", "0").output
    assert "no key 7" in run("rtb", "keys", "limit", "7", "--open", "3").output
