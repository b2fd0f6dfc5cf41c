"""The agi process: routes AGI scripts to the steps, follows AMI, keeps the market fresh."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from agi.call_commands import CallCommands
from agi.channel import Channel
from agi.clock import ClockFile
from agi.code_calls import CodeCalls
from agi.dial_code import dial_code
from agi.fastagi import Connection, FastAgiServer, Handler
from agi.inbound_call import inbound_call
from agi.journal import Journal
from agi.live_calls import AmiAddress, LiveCalls
from agi.next_target import next_target
from agi.offer import Services
from agi.parsed_flows import ParsedFlows
from agi.sounds import Sounds
from agi.speech.client import SpeechClient
from agi.spy import spy
from agi.trunk_watch import TrunkWatch
from router.auction_house import PUBLIC_ONLY, open_auctions
from router.buyers.addresses import AddressRules
from router.buyers.ping_client import PingClient
from router.collector import leave_calls_in_peace
from router.domain.last_known import MAXIMUM_AGE_HOURS
from router.inbound_arrival import AskingPublishers
from router.route_call import Router
from router.snapshot import CurrentSnapshot
from store.session import open_engine

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AgiConfig:
    """What the agi process needs; tollbridge/cli.py fills it from the settings."""

    node: str
    agi_port: int
    ami: AmiAddress
    token: str
    database_url: str
    snapshot_file: Path
    journal_dir: Path
    prompts_dir: Path
    # (control port, AudioSocket port) of each speech process
    speech_ports: Sequence[tuple[int, int]]
    # Where Asterisk says why a registration failed.
    asterisk_log_file: Path
    clock_file: Path
    # So long lists of suppressed callers count that were read before the database went away.
    lists_last_hours: int = MAXIMUM_AGE_HOURS
    # Our name in the list of houses a call has come through.
    house: str = "tollbridge"
    # Where web hooks of flows may go beyond public addresses over https.
    web_hook_rules: AddressRules = PUBLIC_ONLY


Step = Callable[[Channel, Services], Awaitable[None]]
SCRIPTS: dict[str, Step] = {
    "inbound-call": inbound_call,
    "next-target": next_target,
    "dial-code": dial_code,
    "spy": spy,
}
"""The name in the dialplan's AGI(agi://…/NAME) is the name here."""


async def serve(config: AgiConfig) -> None:
    """Serve AGI steps until SIGTERM. Raises OSError when the port is taken."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    engine = open_engine(config.database_url, application_name="tollbridge-agi", pool_size=10)
    snapshot = CurrentSnapshot(engine, config.snapshot_file)
    await snapshot.load()
    async with (
        open_auctions(engine, own_hop=config.house) as auctions,
        PingClient(config.web_hook_rules) as web_hooks,
    ):
        router = Router(engine, snapshot, auctions)
        await router.keep_last_known(config.snapshot_file, config.journal_dir, config.lists_last_hours)
        await router.make_ready()
        await _serve_until(stop, config, engine, snapshot, router, web_hooks)
    await engine.dispose()


async def _serve_until(
    stop: asyncio.Event,
    config: AgiConfig,
    engine: AsyncEngine,
    snapshot: CurrentSnapshot,
    router: Router,
    web_hooks: PingClient,
) -> None:
    facts = Journal(config.journal_dir)
    live_calls = LiveCalls(config.ami, facts)
    services = Services(
        engine=engine,
        snapshot=snapshot,
        router=router,
        journal=facts,
        speech=SpeechClient(config.speech_ports, config.token),
        live_calls=live_calls,
        flows=ParsedFlows(),
        asking_publishers=AskingPublishers(engine),
        prompts_dir=config.prompts_dir,
        sounds=Sounds(config.prompts_dir),
        web_hooks=web_hooks,
    )
    server = FastAgiServer(
        {name: _handler(step, services) for name, step in SCRIPTS.items()}, token=config.token
    )
    commands = CallCommands(engine, node=config.node, asterisk=live_calls)
    code_calls = CodeCalls(engine, node=config.node, asterisk=live_calls)
    trunks = TrunkWatch(engine, node=config.node, asterisk=live_calls, log_file=config.asterisk_log_file)
    background = [
        asyncio.create_task(work)
        for work in (
            snapshot.keep_fresh(stop),
            live_calls.run(),
            services.asking_publishers.keep_fresh(),
            router.keep_fresh(),
            commands.run(),
            code_calls.run(),
            trunks.run(),
            ClockFile(config.clock_file).keep(),
        )
    ]
    leave_calls_in_peace()
    listening = await server.start(config.agi_port)
    log.info("ready on 127.0.0.1:%s", config.agi_port)
    await stop.wait()
    listening.close()
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)


def _handler(step: Step, services: Services) -> Handler:
    async def serve_step(connection: Connection) -> None:
        await step(Channel(connection), services)

    return serve_step
