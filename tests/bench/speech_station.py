"""Real calls for the speech benchmark: a real Asterisk, the real speech processes, telephones that speak RTP.

In place of the agi process stands a small one of ours that puts one question after the other on the same call, so that
what is measured is the whole way of a caller's voice and nothing of a flow.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from agi.channel import Channel
from agi.fastagi import Connection, FastAgiServer
from agi.speech.client import SpeechClient, SpeechLost, SpeechUnavailable, pinged
from agi.speech.question import Heard, Question
from ivr_flows.library import load
from tests.bench.speech_line import Frames, Line
from tests.calls.node import ASTERISK, Node, environment_of, settings_on_free_ports
from tests.postgres import migrated
from tollbridge.layout import Layout
from tollbridge.phone import ports
from tollbridge.phone.caller import Caller
from tollbridge.phone.clock import now_ms
from tollbridge.phone.dialogue import Invite
from tollbridge.phone.rtp import PACKET_MS, Outgoing
from tollbridge.ports import speech_ports
from tollbridge.postgres import start_embedded_postgres, stop_embedded_postgres
from tollbridge.sample_market.market import SampleMarket
from tollbridge.sample_market.queries import seed_market
from tollbridge.secret import node_secret
from tollbridge.settings import Settings

PROCESSES = 2
RTP_PORTS = 400
NUMBER = "+18005550199"
_ANSWER_SECONDS = 15.0
_START_SECONDS = 60.0
_serial = itertools.count(1)


class TimedOutgoing(Outgoing):
    """Sends a line's packets, leaves out those that are lost, and notes when each left or would have left."""

    def __init__(self, source: int) -> None:
        super().__init__(source)
        self._line: deque[bytes | None] = deque()
        self.sent_ms: list[float] = []

    def send(self, frames: Frames) -> None:
        self._line, self.sent_ms = deque(frames), []

    def drop_rest(self) -> None:
        self._line.clear()

    def _audio_packet(self) -> tuple[bytes, ...]:
        if self._line:
            frame = self._line.popleft()
            self.sent_ms.append(now_ms())
            if frame is None:
                self._sequence = (self._sequence + 1) & 0xFFFF
                return ()
            self._audio.append(frame)
        return super()._audio_packet()

    def moment_ms(self, seconds: float) -> float | None:
        """When this moment of the line was spoken: a packet leaves when its last sample has been. None: not yet."""
        number = int(seconds * 1000 / PACKET_MS)
        if number >= len(self.sent_ms):
            return None
        return self.sent_ms[number] - ((number + 1) * PACKET_MS - seconds * 1000)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One question on a call. `heard` is None when it was refused or lost. Moments are epoch ms. `sent_seconds`: how
    much of the line was sent before the result.
    """

    heard: Heard | None
    problem: str = ""
    asked_ms: float = 0.0
    result_ms: float = 0.0
    speech_started_ms: float | None = None
    speech_ended_ms: float | None = None
    last_sound_ms: float | None = None
    key_sent_ms: float | None = None
    sent_seconds: float = 0.0

    @property
    def answer_ms(self) -> float | None:
        """From the end of speech to the result, below 0 for a result that came before; None when it came so early
        that the end was not said any more.
        """
        if self.heard is None or self.speech_ended_ms is None:
            return None
        return self.result_ms - self.speech_ended_ms


@dataclass(kw_only=True)
class TalkingCall:
    """One call that is up: our side of it (`channel`) and the caller's telephone."""

    station: Station
    channel: Channel
    caller: Caller
    outgoing: TimedOutgoing

    async def ask(self, question: Question, line: Line, *, key_after_seconds: float | None = None) -> Outcome:
        """Put the question and let the caller say `line`, or press a key so long after the question began."""
        asked_ms = now_ms()
        pressing: asyncio.Task[float] | None = None
        try:
            async with self.station.client.open(question) as asked:
                running = asyncio.create_task(
                    self.channel.run_audiosocket(asked.audiosocket_arguments, question=question)
                )
                self.outgoing.send(line.frames)
                if key_after_seconds is not None:
                    pressing = asyncio.create_task(self._press(key_after_seconds))
                heard = await asked.heard(timeout_seconds=question.maximum_seconds + _ANSWER_SECONDS)
                result_ms = now_ms()
                await running
        except (SpeechUnavailable, SpeechLost) as error:
            self.outgoing.drop_rest()
            await self.channel.arm(5)
            await asyncio.sleep(0.5)
            return Outcome(heard=None, problem=str(error))
        self.outgoing.drop_rest()
        await asyncio.sleep(0.06)
        return Outcome(
            heard=heard,
            asked_ms=asked_ms,
            result_ms=result_ms,
            speech_started_ms=self.outgoing.moment_ms(line.speech_started_seconds),
            speech_ended_ms=self.outgoing.moment_ms(line.speech_ended_seconds),
            last_sound_ms=_last_sound_ms(self.caller, asked_ms),
            key_sent_ms=await pressing if pressing is not None else None,
            sent_seconds=sent_seconds(line.frames, self.outgoing.sent_ms, result_ms),
        )

    async def _press(self, after_seconds: float) -> float:
        await asyncio.sleep(after_seconds)
        self.outgoing.press("1")
        while self.outgoing._keys or self.outgoing._key is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        return now_ms()


def sent_seconds(frames: Frames, sent_ms: Sequence[float], until_ms: float) -> float:
    """How much audio had left by then. `sent_ms`: when each packet left, those that the line loses among them."""
    left = sum(frame is not None and at_ms <= until_ms for frame, at_ms in zip(frames, sent_ms, strict=False))
    return left * PACKET_MS / 1000


def _last_sound_ms(caller: Caller, since_ms: float) -> float | None:
    """When the last packet with sound in it arrived."""
    sounding = (frame.at_ms for frame in reversed(caller.hearing.frames) if frame.is_sound)
    last = next(sounding, None)
    return last if last is not None and last > since_ms else None


@dataclass(kw_only=True)
class Station:
    """A node with nothing but Asterisk and speech, and our own steps in place of agi."""

    node: Node
    client: SpeechClient
    speech: list[subprocess.Popen[bytes]] = field(default_factory=list)
    waiting: dict[str, asyncio.Future[Channel]] = field(default_factory=dict)
    over: dict[str, asyncio.Event] = field(default_factory=dict)

    @asynccontextmanager
    async def call(self) -> AsyncIterator[TalkingCall]:
        """A call that is answered and waits for questions. Raises TimeoutError when it does not get through."""
        number = f"+1614{next(_serial):07d}"
        self.waiting[number] = asyncio.get_running_loop().create_future()
        self.over[number] = asyncio.Event()
        invite = Invite(switch=self.node.switch, dialled=NUMBER, caller=number)
        try:
            async with Caller.dial(invite) as caller:
                outgoing = TimedOutgoing(next(_serial))
                caller._media.outgoing = outgoing
                async with asyncio.timeout(10):
                    channel = await self.waiting[number]
                    await channel.answer()
                    if not await caller.answered(5):
                        raise TimeoutError("the call was not answered")
                yield TalkingCall(station=self, channel=channel, caller=caller, outgoing=outgoing)
        finally:
            self.over[number].set()

    async def on_inbound_call(self, connection: Connection) -> None:
        channel = Channel(connection)
        number = channel.given("caller")
        self.waiting[number].set_result(channel)
        await self.over[number].wait()

    async def speech_state(self) -> list[dict[str, Any]]:
        """What each speech process says of itself."""
        return [await pinged(control) or {} for control, _ in speech_ports(self.node.settings)]

    def speech_cpu_seconds(self) -> float:
        """CPU time of the speech processes and of their recognisers so far."""
        total = 0.0
        for process in self.speech:
            for each in _family(process.pid):
                times = each.cpu_times()
                # A recogniser that was replaced counts in its parent.
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def speech_memory_mb(self) -> float:
        return (
            sum(each.memory_full_info().pss for process in self.speech for each in _family(process.pid)) / 1e6
        )


def _family(pid: int) -> Sequence[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


@asynccontextmanager
async def station(folder: Path, *, engine: str, model: Path | None) -> AsyncIterator[Station]:
    """Start everything; on leaving, stop everything."""
    async with AsyncExitStack() as stack:
        settings = _settings(folder / "node", engine, model)
        node = Node(settings=settings, database_url="")
        stack.callback(stop_embedded_postgres, node.layout.postgres_dir)
        node.database_url = migrated(start_embedded_postgres(node.layout.postgres_dir))
        await _seed(node)
        node.settings = settings.model_copy(update={"database_url": node.database_url})
        secret = node_secret(
            node.settings.secret.get_secret_value(), Layout(data_dir=settings.data_dir).secret_file
        )
        started = Station(node=node, client=SpeechClient(speech_ports(settings), secret))
        server = await FastAgiServer({"inbound-call": started.on_inbound_call}, token=secret).start(
            settings.agi_port
        )
        stack.callback(server.close)
        stack.callback(node.stop_all)
        await node.up(ASTERISK)
        started.speech = [_start_speech(node, index) for index in range(PROCESSES)]
        for process in started.speech:
            stack.callback(process.wait)
            stack.callback(process.terminate)
        async with asyncio.timeout(_START_SECONDS):
            while not all(await started.speech_state()):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        yield started


async def _seed(node: Node) -> None:
    """A market, so that Asterisk has a trunk to take calls from; nobody in it is ever rung."""
    engine = node.engine()
    market = SampleMarket(
        campaign="Speech", number=NUMBER, flow_name="direct", flow=load("direct"), buyers=()
    )
    await seed_market(engine, market)
    await engine.dispose()


def _settings(data_dir: Path, engine: str, model: Path | None) -> Settings:
    data_dir.mkdir(mode=0o755)
    first = ports.free_block(2 * PROCESSES, kinds=(socket.SOCK_STREAM,))
    return settings_on_free_ports(data_dir, rtp_ports=RTP_PORTS).model_copy(
        update={
            "speech_processes": PROCESSES,
            "speech_port": first,
            "audiosocket_port": first + PROCESSES,
            "speech_engine": engine,
            "vosk_model_dir": model,
        }
    )


def _start_speech(node: Node, index: int) -> subprocess.Popen[bytes]:
    log = node.layout.log_dir / f"speech-{index}.out"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "tollbridge", "run", "speech", "--index", str(index)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={
                **os.environ, **environment_of(node.settings), "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"
            },
        )  # fmt: skip
