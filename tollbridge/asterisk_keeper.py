"""Keeps one Asterisk in step with the market: writes its configuration, starts it, reloads it, guards its door."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from agi import journal
from asterisk_conf.command import CommandFailed, reload, run_command
from asterisk_conf.install import NoAsterisk, command_line, find_asterisk
from asterisk_conf.node_config import Installation, Lines, NodeConfig
from asterisk_conf.node_folder import prepare_node_folder
from asterisk_conf.render import render
from asterisk_conf.sip_door import DoorOpen, allowed_networks, close_door, turned_away
from asterisk_conf.write import write_configuration
from store.session import open_engine
from tollbridge.children import Child, ChildSpec
from tollbridge.faults import CannotRun
from tollbridge.health import manager_ping
from tollbridge.lines_source import LinesSource
from tollbridge.node_config import layout_of, node_config
from tollbridge.settings import Settings

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0
RESOLVE_EVERY_SECONDS = 60.0
"""Buyers' host names may move; the door follows."""
BOOT_WITHIN_SECONDS = 30.0
UNLISTED = "unlisted_source"
"""Name of the counter of SIP packets from addresses that are nobody's."""


class AsteriskKeeper:
    """One Asterisk of this node and everything it needs from us, but the calls."""

    def __init__(self, settings: Settings, *, database_url: str, secret: str) -> None:
        """Find Asterisk. Raises CannotRun when there is none."""
        self._settings = settings
        self._secret = secret
        self._installation = installed(settings.cache_dir)
        self._layout = layout_of(settings)
        self._engine = open_engine(database_url, application_name="tollbridge-asterisk", pool_size=1)
        self._source = LinesSource(self._engine, self._layout.asterisk_dir / "lines.json")
        self._journal = journal.Journal(self._layout.journal_file.parent)
        self._lines = Lines()
        self._turned_away = 0
        self.child = Child(self._spec(), after_start=self._after_start)

    async def run(self) -> None:
        """Start Asterisk and follow the market until cancelled; then stop Asterisk. Raises OSError, CannotRun."""
        self._lines = await self._source.load()
        self._write()
        follow = asyncio.create_task(self._follow())
        try:
            await self.child.keep()
        finally:
            follow.cancel()
            await asyncio.gather(follow, return_exceptions=True)
            await self.child.stop()
            await self._engine.dispose()

    def _config(self) -> NodeConfig:
        return node_config(
            self._settings, installation=self._installation, secret=self._secret, lines=self._lines
        )

    def _spec(self) -> ChildSpec:
        conf = self._layout.asterisk_dir / "etc" / "asterisk.conf"
        return ChildSpec(
            name="asterisk",
            command=command_line(self._installation, conf, "-f"),
            log_file=self._layout.log_dir / "asterisk.log",
            ping=manager_ping(self._settings.ami_port),
            # Killing Asterisk ends every call: it must be silent for long.
            failures_allowed=6,
            ping_every_seconds=2.5,
        )

    def _write(self) -> Sequence[str]:
        config = self._config()
        for refused in self._lines.refused:
            log.warning("left out: %s", refused)
        try:
            prepare_node_folder(config)
            written = write_configuration(config.etc_dir, render(config))
        except OSError as fault:
            raise CannotRun(
                f"{fault.filename} cannot be written ({fault.strerror}): free or change the data folder"
            ) from fault
        return written.reloads

    async def _after_start(self, child: Child) -> None:
        """Close the door as soon as there is one, before Asterisk has even booted."""
        self._turned_away = 0
        deadline = asyncio.get_running_loop().time() + BOOT_WITHIN_SECONDS
        address, port = self._settings.sip_address, self._settings.sip_port
        while turned_away(address, port) is None and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await self._close_door(child)

    async def _close_door(self, child: Child) -> None:
        if child.pid is None:
            return
        networks = (*await allowed_networks(self._lines), *self._config().desk_phones_apart)
        door = close_door(child.pid, self._settings.sip_address, self._settings.sip_port, networks)
        if isinstance(door, DoorOpen):
            log.warning("unlisted SIP sources are challenged, not ignored: %s", door.reason)

    async def _follow(self) -> None:
        """Take up changes of the market, look names up again, count who was turned away."""
        rounds = 0
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            rounds += 1
            try:
                await self._look(resolve=rounds % int(RESOLVE_EVERY_SECONDS / LOOK_EVERY_SECONDS) == 0)
            except Exception:
                # Whatever it is, Asterisk must go on learning of new targets.
                log.exception("following the market failed; tried again in a second")

    async def _look(self, *, resolve: bool) -> None:
        self._count_turned_away()
        lines = await self._source.changed()
        if lines is not None and lines != self._lines:
            self._lines = lines
            await self._take_up(self._write())
        elif resolve:
            await self._close_door(self.child)

    async def _take_up(self, commands: Sequence[str]) -> None:
        # The door opens first: a new trunk's call must not meet a closed one.
        await self._close_door(self.child)
        failed = await reload(self._installation, self._config().etc_dir, tuple(commands))
        if failed is not None:
            log.error("Asterisk did not take %r: %s", failed.command, failed.reason)
            return
        log.info("%d trunks and %d targets in use", len(self._lines.trunks), len(self._lines.targets))

    def _count_turned_away(self) -> None:
        now = turned_away(self._settings.sip_address, self._settings.sip_port)
        if now is None or now == self._turned_away:
            return
        new = now - self._turned_away if now > self._turned_away else now
        self._turned_away = now
        with suppress(OSError):
            self._journal.write(journal.COUNTED, "", {"name": UNLISTED, "count": new})


def installed(cache_dir: Path) -> Installation:
    """Return the Asterisk to use. Raises CannotRun when there is none."""
    found = find_asterisk(cache_dir.expanduser().resolve())
    if isinstance(found, NoAsterisk):
        raise CannotRun(found.reason)
    return found


async def booted(installation: Installation, etc_dir: Path) -> bool:
    """Return whether this Asterisk has come up; waits for it as long as its command line does."""
    answer = await run_command(installation, etc_dir, "core waitfullybooted")
    return not isinstance(answer, CommandFailed)
