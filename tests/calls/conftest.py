"""Fixtures of call tests: a node shared by the scenarios of one test process, words to say, a market builder."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from agi.speech.prompts import render_prompts
from ivr_flows.definition import parse_flow
from ivr_flows.inspection import texts_of
from ivr_flows.library import load
from tests.calls.market import Scenario, Wanted, build
from tests.calls.node import AGI, ASTERISK, FAST, SPEECH, WORKER, Node, settings_on_free_ports
from tests.postgres import migrated
from tollbridge.phone.ports import is_free_udp
from tollbridge.phone.voice import clips
from tollbridge.postgres import start_embedded_postgres, stop_embedded_postgres
from tollbridge.priority import go_first
from tollbridge.prompts import install_system_prompts

SERVICES = (ASTERISK, SPEECH, AGI, WORKER)
FLOWS = ("mortgage", "direct")
TRUNK_PORT = 5060
MakeScenario = Callable[..., Awaitable[Scenario]]
Say = Callable[[str], Awaitable[bytes]]
Rendered = Callable[[str], Path]
Published = Callable[[Mapping[str, Any]], None]


@pytest.fixture(scope="session", autouse=True)
def telephones_do_not_wait() -> None:
    """The callers are in this process; their clocks are compared with Asterisk's, to 20 ms."""
    go_first(alone=True)


@pytest.fixture(scope="session")
def session_node(request: pytest.FixtureRequest) -> Iterator[Node]:
    """A whole node of real processes in a folder of its own, whose logs are kept when a scenario fails."""
    # Not below pytest's own folder: that one is closed to the user PostgreSQL runs as when the tests run as root.
    data_dir = Path(tempfile.mkdtemp(prefix=f"tbnode-{os.getpid()}-"))
    data_dir.chmod(0o755)
    settings = settings_on_free_ports(data_dir)
    node = Node(settings=settings, database_url="")
    try:
        url = migrated(start_embedded_postgres(node.layout.postgres_dir, FAST))
        node.settings = settings.model_copy(update={"database_url": url})
        node.database_url = url
        _lend_prompts(node)
        # Started here, not in the thread: the kernel ends a service with the thread that started it.
        for name in SERVICES:
            node.start(name)
        _in_a_thread(node.up(*SERVICES))
        yield node
    finally:
        node.stop_all()
        stop_embedded_postgres(node.layout.postgres_dir)
        shutil.rmtree(node.layout.postgres_dir, ignore_errors=True)
        if not request.session.testsfailed:
            shutil.rmtree(data_dir, ignore_errors=True)


@pytest_asyncio.fixture
async def node(session_node: Node, request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    """The node with all its services up, whatever the test before did to them."""
    session_node.start_database()
    for name in SERVICES:
        if session_node.is_running(name):
            session_node.thaw(name)
    await session_node.up(*SERVICES)
    request.node.stash[NODE] = session_node
    yield session_node


@pytest_asyncio.fixture
async def scenario(node: Node, tmp_path: Path) -> AsyncIterator[MakeScenario]:
    """Builds a scenario's market: `await scenario([Wanted(...), …], **fields of SampleMarket)`."""
    async with AsyncExitStack() as stack:

        async def make(wanted: Sequence[Wanted], **changes: Any) -> Scenario:
            return await build(node, stack, tmp_path, wanted, **changes)

        yield make


@pytest.fixture
def say(session_node: Node) -> Say:
    """Renders words once for all test runs: `await call.say(await say("refinance"))`."""

    async def rendered(words: str) -> bytes:
        return (await clips((words,), _prompt_store(session_node)))[0]

    return rendered


@pytest.fixture
def rendered(session_node: Node) -> Rendered:
    """Renders a text of the market, as a node does when it is published; returns its sound file."""

    def render(text: str) -> Path:
        return render_prompts(_prompt_store(session_node), [text])[text]

    return render


@pytest.fixture
def trunk_port() -> Iterator[int]:
    """The port at which a trunk that is known by its address only takes calls: one test at a time may play it."""
    with (Path(tempfile.gettempdir()) / f"tollbridge-test-{TRUNK_PORT}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_free_udp(TRUNK_PORT):
            pytest.skip(f"port {TRUNK_PORT} is somebody else's")
        yield TRUNK_PORT


@pytest.fixture
def published(session_node: Node) -> Published:
    """Renders all that a flow may say, as publishing it does; the flow itself goes into the scenario's market."""

    def render(flow: Mapping[str, Any]) -> None:
        render_prompts(_prompt_store(session_node), texts_of(parse_flow(flow)))

    return render


def _prompt_store(node: Node) -> Path:
    return node.settings.cache_dir / "prompts"


def _lend_prompts(node: Node) -> None:
    """Let the node use prompts that are kept between test runs: rendering them takes longer than all the rest."""
    store = _prompt_store(node)
    store.mkdir(parents=True, exist_ok=True)
    render_prompts(store, [text for name in FLOWS for text in texts_of(parse_flow(load(name)))])
    node.layout.prompts_dir.symlink_to(store)
    install_system_prompts(store, node.layout.asterisk_dir / "sounds" / "tollbridge", kept=store)


def _in_a_thread(work: Coroutine[Any, Any, None]) -> None:
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


NODE = pytest.StashKey[Node]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Name the kept logs when a scenario fails."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    node = item.stash.get(NODE, None)
    if report.failed and node is not None:
        folder = item.funcargs.get("tmp_path") if hasattr(item, "funcargs") else None
        lines = (
            f"scenario: {item.path.parent.name} / {item.name}",
            f"services: {node.layout.log_dir}",
            f"Asterisk: {node.layout.asterisk_dir / 'log'}",
            f"journal:  {node.layout.journal_file.parent}",
            f"buyers:   {folder}",
        )
        report.sections.append(("kept logs", "\n".join(lines)))
