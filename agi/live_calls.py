"""Who is on the line now, and is Asterisk alive: read from AMI by panoramisk. Never money.

The AMI user may read call and security events, and end a call; it can start none. panoramisk answers no question
about a dead peer by itself (FACTS 4), so every ping has a deadline and a silent connection is cut.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from panoramisk.manager import Manager

from agi import journal
from router.domain.counts import Counts

HEARTBEAT_SECONDS = 0.5
PING_SECONDS = 3.0
RECONNECT_SECONDS = 1
_TARGET_CHANNEL = re.compile(r"^PJSIP/target-(\d+)-")
# Nothing else goes into an action: a line break in a value would be a second one (FACTS 4).
_UNIQUEID = re.compile(r"[0-9A-Za-z._-]{1,150}")
_ENDED_NORMALLY = 16
NO_ANSWER = "Asterisk does not answer"
_OF_TRUNKS = ("Registry", "ContactStatus")
_UNLISTED = frozenset({"FailedACL", "InvalidAccountID", "ChallengeSent", "ChallengeResponseFailed"})

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AmiAddress:
    """Where Asterisk's manager listens and who we are there."""

    port: int
    username: str
    secret: str


class LiveCalls:
    """Counts the live legs of each target and writes Asterisk's heartbeat to the journal."""

    def __init__(self, address: AmiAddress, facts: journal.Journal) -> None:
        self._address = address
        self._journal = facts
        self._legs: dict[str, int] = {}
        self._started_ms: int | None = None
        self._manager: Manager | None = None
        self.trunks_changed = asyncio.Event()
        """Set when a registration or a carrier's answer has changed; whoever looks clears it."""

    def counts(self) -> Counts:
        """Return the legs in use by target id, as far as this node's Asterisk has told."""
        return Counts(concurrency=dict(Counter(self._legs.values())))

    async def hang_up(self, uniqueid: str) -> str:
        """End the call of a channel, as if it had hung up itself. Return why it could not be done, '' when it was."""
        if not _UNIQUEID.fullmatch(uniqueid):
            return "the channel has no name that could be one"
        if self._manager is None or self._manager.protocol is None or self._started_ms is None:
            return NO_ANSWER
        action = {"Action": "Hangup", "Channel": uniqueid, "Cause": str(_ENDED_NORMALLY)}
        try:
            said = await asyncio.wait_for(self._manager.send_action(action), PING_SECONDS)
        except TimeoutError:
            return NO_ANSWER
        return "" if said.success else "the call was over already"

    async def ask(self, action: Mapping[str, str]) -> Sequence[Mapping[str, Any]] | None:
        """Return what an action that changes nothing answers, event by event; None while Asterisk does not answer."""
        if self._manager is None or self._manager.protocol is None or self._started_ms is None:
            return None
        try:
            said = await asyncio.wait_for(self._manager.send_action(dict(action)), PING_SECONDS)
        except TimeoutError:
            return None
        return list(said) if isinstance(said, list) else [said]

    async def run(self) -> None:
        """Connect, follow events and beat until cancelled."""
        manager = Manager(
            loop=asyncio.get_running_loop(),
            host="127.0.0.1",
            port=self._address.port,
            username=self._address.username,
            secret=self._address.secret,
            reconnect_timeout=RECONNECT_SECONDS,
            ping_delay=3600,
            ping_interval=3600,
            on_login=lambda _: asyncio.ensure_future(self._synchronise()),
            on_disconnect=lambda *_: self._forget(),
        )
        manager.register_event("Newchannel", self._channel_began)
        manager.register_event("Hangup", self._channel_ended)
        for event in _OF_TRUNKS:
            manager.register_event(event, lambda *_: self.trunks_changed.set())
        for event in _UNLISTED:
            manager.register_event(event, self._refused_at_the_door)
        self._manager = manager
        manager.connect()
        try:
            await self._beat_for_ever(manager)
        finally:
            manager.close()

    async def _beat_for_ever(self, manager: Manager) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                await self._beat(manager)
            except Exception:
                log.exception("the heartbeat failed")

    async def _beat(self, manager: Manager) -> None:
        if self._started_ms is None or manager.protocol is None:
            return
        try:
            await asyncio.wait_for(manager.send_action({"Action": "Ping"}), PING_SECONDS)
        except TimeoutError:
            log.warning("Asterisk's manager did not answer for %s s; connecting anew", PING_SECONDS)
            manager.protocol.transport.abort()
            return
        if self._started_ms is not None:
            alive_ms = time.time_ns() // 1_000_000
            body = {"started_ms": self._started_ms, "alive_ms": alive_ms}
            self._journal.write(journal.ASTERISK_ALIVE, "", body)

    async def _synchronise(self) -> None:
        """After a login: which Asterisk is this, and who is on the line already?"""
        assert self._manager is not None
        status = await self._manager.send_action({"Action": "CoreStatus"})
        channels = await self._manager.send_action({"Action": "CoreShowChannels"})
        self._legs = {}
        for event in channels if isinstance(channels, list) else [channels]:
            if event.event == "CoreShowChannel":
                self._channel_began(self._manager, event)
        self._started_ms = _started_ms(status)
        self.trunks_changed.set()

    def _forget(self) -> None:
        self._started_ms = None
        self._legs = {}

    def _channel_began(self, _: Manager, event: Any) -> None:
        match = _TARGET_CHANNEL.match(str(event.channel))
        if match:
            self._legs[str(event.uniqueid)] = int(match[1])

    def _channel_ended(self, _: Manager, event: Any) -> None:
        self._legs.pop(str(event.uniqueid), None)

    def _refused_at_the_door(self, _: Manager, event: Any) -> None:
        self._journal.write(journal.COUNTED, "", {"name": "unlisted_source"})


def _started_ms(status: Any) -> int:
    """Return Asterisk's start in epoch ms. CoreStatus tells it to the second, in the machine's own zone."""
    text = f"{status['CoreStartupDate']} {status['CoreStartupTime']}"
    started = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").astimezone(UTC)
    return int(started.timestamp() * 1000)
