"""Anyone who guesses leaves a line that fail2ban reads, and anyone who is used by another site's page is not banned."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from rules.log_lines import SECURITY, JsonLines, SecurityEvent, log_security
from tests.web.conftest import EMAIL, Client, open_client
from tests.web.market import Market
from tests.web.resources.conftest import clients  # noqa: F401
from tollbridge.run import keep_security_log
from tollbridge.settings import read_settings

FILTERS = Path(__file__).parents[2] / "tollbridge" / "fail2ban" / "filter.d"
KEY = "k" * 43
SAID = ("tollbridge_session", EMAIL, "wrong password", KEY, "+1614")


@pytest.fixture
def security_log(tmp_path: Path) -> Iterator[Path]:
    logger, file = logging.getLogger(SECURITY), tmp_path / "log" / "security.log"
    before, filters = list(logger.handlers), list(logger.filters)
    keep_security_log("a", file)
    yield file
    for handler in set(logger.handlers) - set(before):
        logger.removeHandler(handler)
        handler.close()
    logger.filters[:] = filters


@pytest.fixture
def process_log() -> Iterator[StringIO]:
    """What a process of ours writes."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


def events(file: Path) -> list[str]:
    lines = file.read_text().splitlines() if file.exists() else []
    found = [re.fullmatch(r"time=\S+Z node=a event=(\S+) address=(\S+)", line) for line in lines]
    return [f"{match[1]} {match[2]}" for match in found if match]


async def test_a_newline_in_an_address_writes_no_line_of_its_own(
    stranger: Client, process_log: StringIO
) -> None:
    forged = "2026-11-30 INFO web: ada@example.com signed in"
    other_site = {"Sec-Fetch-Site": "cross-site"}
    async with stranger.post(f"/sign-in%0a{forged}%1b[2J", headers=other_site) as answer:
        assert answer.status == 403
    lines = process_log.getvalue().splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)
    assert any(f"/sign-in\n{forged}" in json.loads(line)["message"] for line in lines)


async def test_a_refused_link_stays_out_of_the_log(stranger: Client, process_log: StringIO) -> None:
    """It is still open: anyone who reads the log must not be able to use it."""
    async with stranger.post(f"/link/{KEY}", headers={"Sec-Fetch-Site": "cross-site"}) as answer:
        assert answer.status == 403
    assert "refused a foreign POST /link/" in process_log.getvalue() and KEY not in process_log.getvalue()


async def test_guesses_leave_a_line_each_and_no_secret(
    stranger: Client, security_log: Path, market: Market
) -> None:
    wrong = {"email": EMAIL, "password": "wrong password"}
    for _ in range(6):
        await stranger.post("/sign-in", data=wrong)
    await stranger.get("/api/v1/buyers", headers={"Authorization": f"Bearer {KEY}"})
    await stranger.get(f"/link/{KEY}")
    await stranger.post(f"/rtb/{KEY}", json={"caller": "+16145550100"}, headers={"Sec-Fetch-Site": "none"})
    await stranger.post(f"/postback/sale/{KEY}", json={"caller": "+16145550100"})
    assert [event.removesuffix(" 127.0.0.1") for event in events(security_log)] == [
        *["sign-in-refused"] * 5,
        "sign-in-locked",
        "token-guessed",
        "link-guessed",
        "publisher-key-guessed",
        "sale-key-guessed",
    ]
    assert not [text for text in SAID if text in security_log.read_text()]


async def test_what_is_not_theirs_leaves_a_line(
    clients: Mapping[str, Client],  # noqa: F811
    security_log: Path,
) -> None:
    async with clients["publisher"].get("/users") as page:
        assert page.status == 403
    async with clients["publisher"].get("/api/v1/users") as answer:
        assert answer.status == 403
    assert events(security_log) == ["forbidden 127.0.0.1"] * 2


async def test_another_sites_page_gets_no_visitor_banned(site: TestServer, security_log: Path) -> None:
    async with open_client(site) as client:
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        ):
            client.session.headers.clear()
            sent = {name: value for name, value in headers.items() if value}
            await client.post("/sign-in", data={}, headers=sent)
            await client.get(f"/link/{KEY}", headers=sent)
            await client.post(f"/postback/sale/{KEY}", headers=sent)
        # A token cannot be sent from there: anyone who says so would only hide.
        await client.get(
            "/api/v1/buyers", headers={"Authorization": "Bearer x", "Sec-Fetch-Site": "cross-site"}
        )
    assert events(security_log) == ["cross-site 127.0.0.1"] * 6 + ["token-guessed 127.0.0.1"]


def fail2ban_regex() -> list[str]:
    """Return the command of the real thing: installed, or unpacked by `tollbridge/setup.sh --tests`."""
    installed = shutil.which("fail2ban-regex")
    unpacked = read_settings().cache_dir / "fail2ban" / "usr"
    if installed:
        return [installed]
    if (unpacked / "bin" / "fail2ban-regex").exists():
        modules = unpacked / "lib" / "python3" / "dist-packages"
        return ["env", f"PYTHONPATH={modules}", sys.executable, str(unpacked / "bin" / "fail2ban-regex")]
    pytest.skip("NO fail2ban-regex: run tollbridge/setup.sh --tests, or install the package fail2ban")


def banned(file: Path, name: str) -> list[str]:
    command = [*fail2ban_regex(), "-o", "ip", str(file), str(FILTERS / name)]
    said = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=60, env=dict(os.environ)
    )
    return said.stdout.split()


def test_fail2ban_takes_the_address_from_each_line(security_log: Path) -> None:
    addresses = {event: f"203.0.113.{number}" for number, event in enumerate(SecurityEvent)}
    for event, address in addresses.items():
        log_security(event, address)
    log_security(SecurityEvent.FORBIDDEN, "2001:db8::7")
    log_security(SecurityEvent.FORBIDDEN, "no address\n event=forbidden address=198.51.100.1")
    never, sip = addresses[SecurityEvent.CROSS_SITE], addresses[SecurityEvent.SIP_UNKNOWN]
    web = [address for address in addresses.values() if address not in (never, sip)]
    assert banned(security_log, "tollbridge.conf") == [*web, "2001:db8::7"]
    assert banned(security_log, "tollbridge-sip.conf") == [sip]
