"""Secrets and numbers that anybody would know again, on a whole node: nobody is told them, nothing keeps them."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from store.session import open_engine
from tests.market import NUMBER
from tests.postgres import owner_of
from tests.tollbridge.command_line import CommandLine, command_line_in
from tests.tollbridge.leaks.canaries import Canaries, Canary, Finding
from tests.tollbridge.leaks.crawl import Crawl, crawl
from tests.tollbridge.leaks.known import NEEDED, TO_MEND
from tests.tollbridge.leaks.looking import in_columns, in_files, in_processes, is_open_to_all
from tests.tollbridge.leaks.planting import CALLING, Planted, plant_market, plant_secrets
from tests.web.browser import open_browser
from web.api.operation import JSON
from web.api.operations import OPERATIONS
from web.api.routes import PREFIX
from web.keys import HOUSE, Role

pytestmark = [pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]
START_SECONDS = 150.0
SECRETS_LEAST = 50


@dataclass(frozen=True, kw_only=True)
class Node:
    """A running node with everything planted, and who may look. `pages` are of what holds a secret."""

    base: str
    folder: Path
    data_dir: Path
    names: Mapping[int, str]
    planted: Planted
    pages: Sequence[str]
    engine: AsyncEngine

    @property
    def canaries(self) -> Canaries:
        return self.planted.canaries


def _settings(canaries: Canaries, database_url: str) -> dict[str, str]:
    def with_password(url: str, kind: str) -> str:
        return make_url(url).set(password=canaries.new(kind)).render_as_string(hide_password=False)

    return {
        "TOLLBRIDGE_DATABASE_URL": with_password(database_url, "database_password"),
        "TOLLBRIDGE_DATABASE_OWNER_URL": with_password(owner_of(database_url), "owner_password"),
        "TOLLBRIDGE_SECRET": canaries.new("node_secret"),
        "TOLLBRIDGE_DATA_SECRET": canaries.new("data_secret"),
        "TOLLBRIDGE_STRIPE_API_KEY": canaries.new("stripe_key", prefix="sk_test_"),
        "TOLLBRIDGE_STRIPE_WEBHOOK_SECRET": canaries.new("stripe_signing", prefix="whsec_"),
        "TOLLBRIDGE_SMTP_PASSWORD": canaries.new("smtp_password"),
        "TOLLBRIDGE_OIDC_CLIENT_SECRET": canaries.new("oidc_client_secret"),
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    canaries = Canaries()
    folder = tmp_path_factory.mktemp("leaks")
    plain = command_line_in(folder)
    line = CommandLine(environment=plain.environment | _settings(canaries, module_database_url))
    engine = open_engine(module_database_url, application_name="test")
    planted = await plant_market(engine, canaries)
    process = _start(line, folder)
    try:
        names = await _ready(line, process, folder)
        base = f"http://127.0.0.1:{line.environment['TOLLBRIDGE_WEB_PORT']}"
        pages = await plant_secrets(base, planted)
        _learn_keys(folder / "data", canaries)
        await asyncio.to_thread(_call, line)
        yield Node(
            base=base,
            folder=folder,
            data_dir=folder / "data",
            names={process.pid: "supervisor", **names},
            planted=planted,
            pages=pages,
            engine=engine,
        )
    finally:
        await engine.dispose()
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()


def _learn_keys(data_dir: Path, canaries: Canaries) -> None:
    """Look for what the node's own keys are made of, too."""
    kept = {"ledger_key": data_dir / "ledger-key.pem"}
    if named := os.environ.get("TOLLBRIDGE_SEALING_KEYS_FILE"):
        kept["sealing_key"] = Path(named)
    for kind, file in kept.items():
        for word in re.findall(r"[A-Za-z0-9+/_=-]{40,}", file.read_text()):
            canaries.learn(kind, word)


def _start(line: CommandLine, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "up.out").open("wb") as output:
        return subprocess.Popen(line.words("up"), env=line.environment, stdout=output, stderr=output)


def _call(line: CommandLine) -> None:
    """Have somebody call, choose by keys, and find nobody: the call leaves its traces all the same."""
    keys = [word for key in ("1#", "1#", "22#", "22#") for word in ("--keys", key)]
    line.run("testcall", "--to", NUMBER, "--from", CALLING, "--seconds", "35", *keys, seconds=100)


async def _ready(line: CommandLine, process: subprocess.Popen[bytes], folder: Path) -> dict[int, str]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None and time.monotonic() < deadline, (folder / "up.out").read_text()
        status = await asyncio.to_thread(line.status)
        if status.get("ready"):
            return {pid: name for name, pid in status["processes"].items()}
        await asyncio.sleep(0.5)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as opened:
        yield opened


def _judge(found: set[Finding], whose: str) -> None:
    """Fail for what is neither needed there nor known to be mended, and for what is known and no longer so."""
    known = [one for one in (*NEEDED, *TO_MEND) if one.place.startswith(whose)]
    leaks = sorted(str(one) for one in found if not any(place.explains(one) for place in known))
    assert not leaks, "\n".join(leaks)
    mended = [one for one in TO_MEND if one in known and not any(one.explains(finding) for finding in found)]
    assert not mended, f"mended: take it off the list: {mended}"


def _forbidden(node: Node, role: Role) -> list[Canary]:
    """What somebody of a role must never be told."""
    looked_for = list(node.canaries.secrets)
    if role in (Role.BUYER, Role.PUBLISHER):
        looked_for += node.canaries.of("tenant")
    if role in (Role.ANALYST, Role.PUBLISHER):
        looked_for += node.canaries.of("number")
    return looked_for


def _asked(node: Node, role: Role) -> list[str]:
    """Every GET of the API that this role may use, and its own call and the other tenant's."""
    found = []
    for operation in OPERATIONS:
        if operation.method == "GET" and role in operation.roles and operation.media == JSON:
            for number in ("1", "2") if "{" in operation.path else ("",):
                path = operation.path.replace("{name}", "mortgage").replace("{resource}", "buyers")
                found.append(PREFIX + path.replace("{id}", number))
    for call in (node.planted.own_call, node.planted.foreign_call):
        found += [f"{PREFIX}/calls/{call}", f"{PREFIX}/own/calls/{call}", f"/calls/{call}"]
        found += [f"/buyer/calls/{call}", f"/publisher/calls/{call}"]
    found += [f"{prefix}{page}" for page in node.pages for prefix in ("", PREFIX)]
    return [path for path in found if "{" not in path]


async def test_fifty_secrets_of_every_kind_were_planted(node: Node) -> None:
    kinds = {one.kind for one in node.canaries.secrets}
    assert len(node.canaries.secrets) >= SECRETS_LEAST
    assert len(kinds) >= 15, sorted(kinds)


@pytest.mark.parametrize("who", ["admin", "manager", "analyst", "buyer", "publisher"])
async def test_nobody_is_told_a_secret_or_what_is_anothers(node: Node, browser: Browser, who: str) -> None:
    person = node.planted.people[who]
    seen: Crawl = await crawl(
        browser,
        node.base,
        who,
        person,
        looked_for=_forbidden(node, person.role),
        asked=_asked(node, person.role),
    )
    assert seen.streams or person.role not in HOUSE, "the live board sends its calls"
    assert len(seen.addresses) > 8 and seen.told_bytes > 100_000, seen.addresses
    _judge(seen.found, f"answer:{who} ")


async def test_no_column_keeps_a_secret_or_a_number_in_clear(node: Node) -> None:
    looked_for = [*node.canaries.secrets, *node.canaries.of("number")]
    _judge(await in_columns(node.engine, looked_for), "column:")


async def test_no_file_or_log_keeps_a_secret_or_a_number(node: Node) -> None:
    found = in_files(node.folder, [*node.canaries.secrets, *node.canaries.of("number")])
    _judge(found, "file:")
    open_to_all = [one for one in found if is_open_to_all(node.folder / one.place[5:], node.data_dir)]
    assert not open_to_all, open_to_all


async def test_no_command_line_or_environment_holds_a_secret(node: Node) -> None:
    found = in_processes(node.data_dir, node.names, node.canaries.secrets)
    _judge({one for one in found if one.place.startswith("cmdline:")}, "cmdline:")
    _judge({one for one in found if one.place.startswith("environ:")}, "environ:")
