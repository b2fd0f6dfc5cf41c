"""Starts and watches the processes of one node: `tollbridge up`."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from agi.speech.prompts import PromptError
from asterisk_conf.queries import load_market_version
from store.key_ring import KeyRing
from store.migrate import StillLocked, upgrade
from store.roles import RoleMissing
from store.session import open_engine
from tollbridge import health
from tollbridge.asterisk_keeper import AsteriskKeeper
from tollbridge.child_environment import environment_for
from tollbridge.children import Child, ChildSpec
from tollbridge.faults import CannotRun
from tollbridge.layout import Layout
from tollbridge.lines_source import DATABASE_FAULTS
from tollbridge.log_files import trim
from tollbridge.node_config import PROGRAM_DIR, kept_prompts_dir, layout_of
from tollbridge.node_state import NodeState, is_locked, locked, read_state, write_state
from tollbridge.ports import clashes, ports_of, speech_ports, why_not
from tollbridge.postgres import postgres_process, stop_embedded_postgres
from tollbridge.prompts import install_system_prompts, render_flow_prompts
from tollbridge.run import data_secret_of, database_url_of, owner_url_of, worker_heartbeat
from tollbridge.sealed_database import keys_at, leave_mark
from tollbridge.secret import node_secret
from tollbridge.settings import PREFIX, Settings
from web.second_factor.sealing import seal_older_factors
from web.second_factor.vault import Vault

log = logging.getLogger(__name__)

READY_WITHIN_SECONDS = 60.0
LEAST_FREE_BYTES = 200 * 1024 * 1024
_TURN_SECONDS = 0.5
_TIDY_SECONDS = 30.0
_DOWN_WITHIN_SECONDS = 40.0

Progress = Callable[[str], None]


@dataclass(kw_only=True)
class Node:
    """The parts of a node while it runs."""

    settings: Settings
    layout: Layout
    secret: str
    database_url: str
    keeper: AsteriskKeeper
    services: tuple[Child, ...]
    started_ms: int

    @property
    def children(self) -> tuple[Child, ...]:
        return (self.keeper.child, *self.services)


async def run_node(settings: Settings, progress: Progress, stop: asyncio.Event) -> None:
    """Run a node until `stop`, SIGTERM or SIGINT, and leave nothing running. Raises CannotRun with one sentence."""
    layout = layout_of(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with locked(layout):
        _check_ground(settings, layout)
        write_state(layout, _coming_up(settings))
        try:
            node = await _prepare(settings, layout, progress)
            await _run(node, progress, stop)
        finally:
            if not settings.database_url:
                await asyncio.to_thread(stop_embedded_postgres, layout.postgres_dir)


def _check_ground(settings: Settings, layout: Layout) -> None:
    """Raise CannotRun for what would stop the node before it starts anything."""
    problems = [*clashes(settings), *filter(None, (why_not(port) for port in ports_of(settings)))]
    free = shutil.disk_usage(layout.data_dir).free
    if free < LEAST_FREE_BYTES:
        problems.append(f"{layout.data_dir} has {free >> 20} MB left: free some space")
    if problems:
        raise CannotRun("; ".join(dict.fromkeys(problems)))


async def prepare(settings: Settings, progress: Progress) -> str:
    """Have the secret, a migrated database and all prompts at hand; return the database's URL. Raises CannotRun.

    `up` begins with it; where each process runs alone it goes before them (`tollbridge prepare`).
    """
    layout = layout_of(settings)
    secret = node_secret(settings.secret.get_secret_value(), layout.secret_file)
    progress("database")
    database_url = await asyncio.to_thread(database_url_of, settings)
    # Before the schema is brought up: migrations seal, too.
    ring = await keys_at(owner_url_of(settings), settings)
    await _migrate(owner_url_of(settings), database_url, layout, progress)
    await _seal(database_url, ring, settings, data_secret_of(settings, secret))
    progress("prompts")
    await _render_prompts(settings, layout, database_url)
    return database_url


async def _prepare(settings: Settings, layout: Layout, progress: Progress) -> Node:
    """Have everything at hand that the processes need, Asterisk too. Raises CannotRun."""
    database_url = await prepare(settings, progress)
    secret = node_secret(settings.secret.get_secret_value(), layout.secret_file)
    return Node(
        settings=settings,
        layout=layout,
        secret=secret,
        database_url=database_url,
        keeper=AsteriskKeeper(settings, database_url=database_url, secret=secret),
        services=tuple(Child(spec) for spec in _specs(settings, layout, database_url, secret)),
        started_ms=time.time_ns() // 1_000_000,
    )


async def _migrate(owner_url: str, database_url: str, layout: Layout, progress: Progress) -> None:
    try:
        await asyncio.to_thread(upgrade, owner_url, database_url, progress)
    except (RoleMissing, StillLocked) as problem:
        raise CannotRun(str(problem)) from problem
    except DATABASE_FAULTS as fault:
        if layout.snapshot_file.exists():
            # A node that has run before sells calls from its snapshot until the database is back.
            log.error("the database is away (%s): calls are sold from the last snapshot", fault)
            return
        raise CannotRun(
            f"the database cannot be reached ({_first_line(fault)}): check {PREFIX}DATABASE_URL"
        ) from fault


async def _seal(database_url: str, ring: KeyRing, settings: Settings, older_secret: str) -> None:
    """Have the database know its keys, and seal by them what an older Tollbridge sealed otherwise.

    With the database away, the next start does it. Raises CannotRun.
    """
    engine = open_engine(database_url, application_name="tollbridge-up", pool_size=1)
    try:
        async with engine.begin() as connection:
            await leave_mark(connection, ring, settings)
        factors = await seal_older_factors(engine, Vault(), older_secret)
        if factors.done:
            log.info("%d second factors are sealed by the node's keys from now on", factors.done)
        if factors.lost:
            log.warning("%d second factors cannot be opened: `tollbridge doctor` says more", factors.lost)
    except DATABASE_FAULTS as fault:
        log.warning("the database is away (%s): what it has sealed is not looked at", _first_line(fault))
    finally:
        await engine.dispose()


async def _render_prompts(settings: Settings, layout: Layout, database_url: str) -> None:
    kept = kept_prompts_dir(settings)
    try:
        sounds = layout.asterisk_dir / "sounds" / "tollbridge"
        await asyncio.to_thread(install_system_prompts, layout.prompts_dir, sounds, kept=kept)
    except (PromptError, OSError) as problem:
        raise CannotRun(f"{problem} (`make setup` puts missing parts in place)") from problem
    engine = open_engine(database_url, application_name="tollbridge-up", pool_size=1)
    await render_flow_prompts(engine, layout.prompts_dir, kept=kept)
    await engine.dispose()


def _specs(settings: Settings, layout: Layout, database_url: str, secret: str) -> list[ChildSpec]:
    given = {"database_url": database_url, "secret": secret, "data_dir": str(layout.data_dir)}
    # Speech decodes on one thread a process; the others compute nothing.
    more = {"PYTHONPATH": str(PROGRAM_DIR), "OMP_NUM_THREADS": "1"}

    def spec(name: str, ping: health.Ping, *arguments: str) -> ChildSpec:
        return ChildSpec(
            name=name,
            command=(sys.executable, "-m", "tollbridge", "run", *(arguments or (name,))),
            log_file=layout.log_dir / f"{name}.log",
            ping=ping,
            environment=environment_for(arguments[0] if arguments else name, settings, given) | more,
        )

    heartbeat = worker_heartbeat(layout)
    heartbeat.unlink(missing_ok=True)
    return [
        *(
            spec(f"speech-{index}", health.speech_ping(control), "speech", "--index", str(index))
            for index, (control, _) in enumerate(speech_ports(settings))
        ),
        spec("agi", health.agi_ping(settings.agi_port)),
        spec("worker", health.heartbeat_ping(heartbeat)),
        spec("pings", health.web_ping(settings.pings_address, settings.pings_port)),
        spec("web", health.web_ping(settings.web_address, settings.web_port)),
    ]


async def _run(node: Node, progress: Progress, stop: asyncio.Event) -> None:
    """Run everything until `stop`. Raises CannotRun when the node does not come up."""
    progress("asterisk, speech, agi, worker, pings, web")
    keeping = [asyncio.create_task(child.keep()) for child in node.services]
    keeping.append(asyncio.create_task(node.keeper.run()))
    stopping = asyncio.create_task(stop.wait())
    tending = asyncio.create_task(_tend(node))
    announcing = asyncio.create_task(_announce(node, progress))
    helpers = {stopping, tending, announcing}
    try:
        await asyncio.wait({*keeping, stopping, tending}, return_when=asyncio.FIRST_COMPLETED)
        if announcing.done():
            announcing.result()
        for task in keeping:
            if task.done():
                task.result()
    except OSError as fault:
        raise CannotRun(f"a process could not be started ({fault}): see {node.layout.log_dir}") from fault
    finally:
        progress("stopping")
        await _stop(node, keeping)
        for helper in helpers:
            helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)


async def _stop(node: Node, keeping: list[asyncio.Task[None]]) -> None:
    """Asterisk first, so that the worker still reads how the calls ended; then the services, the worker last."""
    await node.keeper.child.stop()
    workers = [child for child in node.services if child.spec.name == "worker"]
    await asyncio.gather(*(child.stop() for child in node.services if child not in workers))
    await asyncio.gather(*(child.stop() for child in workers))
    await asyncio.gather(*keeping, return_exceptions=True)


async def _announce(node: Node, progress: Progress) -> None:
    """Say when everything answers, or which part does not."""
    try:
        async with asyncio.timeout(READY_WITHIN_SECONDS):
            for child in node.children:
                await child.healthy.wait()
    except TimeoutError:
        silent = [child.spec for child in node.children if not child.healthy.is_set()]
        for spec in silent:
            progress(f"{spec.name} does not answer: see {spec.log_file}")
        return
    progress("ready")


async def _tend(node: Node) -> None:
    """Write the state down, bring a dead PostgreSQL back, keep logs small and prompts complete."""
    engine = open_engine(node.database_url, application_name="tollbridge-up", pool_size=1)
    next_tidy, ready, version = 0.0, False, None
    while True:
        ready = ready or all(child.healthy.is_set() for child in node.children)
        try:
            with suppress(OSError):
                write_state(node.layout, _state(node, ready=ready))
            await _keep_postgres(node)
            if time.monotonic() >= next_tidy:
                next_tidy = time.monotonic() + _TIDY_SECONDS
                await _trim_logs(node)
            version = await _follow_flows(engine, node, version)
        except Exception:
            # Housekeeping must never end a node: people are talking on it.
            log.exception("tending the node failed; tried again in %g s", _TURN_SECONDS)
        await asyncio.sleep(_TURN_SECONDS)


async def _trim_logs(node: Node) -> None:
    files = [child.spec.log_file for child in node.children]
    files.append(node.layout.asterisk_dir / "log" / "messages.log")
    with suppress(OSError):
        await asyncio.to_thread(trim, files)


async def _follow_flows(engine: AsyncEngine, node: Node, version: int | None) -> int | None:
    """Render the prompts of a changed flow. Return the market's version that was looked at."""
    try:
        async with asyncio.timeout(5), engine.connect() as connection:
            newest = await load_market_version(connection)
    except DATABASE_FAULTS:
        return version
    if newest != version:
        kept = kept_prompts_dir(node.settings)
        await render_flow_prompts(engine, node.layout.prompts_dir, kept=kept)
    return newest


async def _keep_postgres(node: Node) -> None:
    if node.settings.database_url or postgres_process(node.layout.postgres_dir) is not None:
        return
    log.error("PostgreSQL ended; starting it again")
    with suppress(CannotRun):
        await asyncio.to_thread(database_url_of, node.settings)


def _coming_up(settings: Settings) -> NodeState:
    """The first prompts take a while: `status` and `down` know the node from its first moment on."""
    return NodeState(
        pid=os.getpid(),
        started_ms=time.time_ns() // 1_000_000,
        database_url="",
        processes={},
        restarts={},
    )


def _state(node: Node, *, ready: bool) -> NodeState:
    return NodeState(
        pid=os.getpid(),
        started_ms=node.started_ms,
        database_url=node.database_url,
        processes={child.spec.name: child.pid for child in node.children},
        restarts={child.spec.name: max(child.restarts, 0) for child in node.children},
        ready=ready,
    )


def stop_node(layout: Layout) -> bool:
    """Stop the node that runs on this data directory and wait for its end; return whether there was one.

    Raises CannotRun when it does not end.
    """
    state = read_state(layout)
    if state is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + _DOWN_WITHIN_SECONDS
    # The lock, not the process id: a dead process whose parent has not looked still has its id.
    while is_locked(layout):
        if time.monotonic() > deadline:
            raise CannotRun(f"process {state.pid} did not end within {_DOWN_WITHIN_SECONDS:g} s: kill it")
        time.sleep(0.1)
    return True


def _first_line(fault: BaseException) -> str:
    return (str(fault) or type(fault).__name__).splitlines()[0][:160]
