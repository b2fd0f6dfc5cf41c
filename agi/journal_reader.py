"""Tails the node's journal into PostgreSQL: every fact exactly once (journal.py says what may stand there)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agi import cel_queries, flow_queries, journal, journal_queries, queries
from agi.cel import RefusedLine
from agi.line_store import Item, LineStore
from router import caller_list_queries

KIND = "journal"
KEPT_DAYS = 7
DO_NOT_CALL = "do_not_call"
_CHUNKS_A_READ = 16
_DAY_MS = 86_400_000
_MAXIMUM_MS = 10**14


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Head(_Body):
    kind: str
    linkedid: str = Field(pattern=r"^[0-9A-Za-z._:;-]{0,150}$")
    at_ms: int = Field(ge=0, le=_MAXIMUM_MS)


class Matched(_Body):
    tracking_number_id: int | None = None
    campaign_id: int | None = None
    publisher_id: int | None = None
    flow_name: str | None = None
    flow_version: int | None = None


class Answered(_Body):
    sequence: int
    node: str
    tag: str
    value: str | None = None
    source: str
    heard: str = ""
    confidence: float | None = None
    engine: str | None = None


class Rejected(_Body):
    target_id: int
    code: str
    detail: str = ""


class Decided(_Body):
    sequence: int
    decided_by: str
    target_id: int | None = None
    duration_us: int = 0
    decision: dict[str, Any] = Field(default_factory=dict)
    rejections: tuple[Rejected, ...] = ()


class Tagged(_Body):
    tags: dict[str, Any]


class Recording(_Body):
    state: Literal["started", "refused"]
    part: int = Field(ge=1, le=999)
    consent_node: str = ""


class Requested(_Body):
    request: Literal["call_back", "do_not_call"]
    node: str = ""
    number: str | None = Field(None, pattern=r"^\+[0-9]{5,15}$")
    said: str = ""


class Noted(_Body):
    event: str = Field(max_length=40)
    node: str = ""
    detail: dict[str, Any] = Field(default_factory=dict)


class Alive(_Body):
    started_ms: int = Field(ge=0, le=_MAXIMUM_MS)
    alive_ms: int = Field(ge=0, le=_MAXIMUM_MS)


class Counted(_Body):
    name: str = Field(max_length=100)
    count: int = Field(1, ge=1, le=2**31)


_BODIES: Mapping[str, type[_Body]] = {
    journal.CALL_MATCHED: Matched,
    journal.ANSWERED: Answered,
    journal.DECIDED: Decided,
    journal.TAGGED: Tagged,
    journal.RECORDING: Recording,
    journal.REQUESTED: Requested,
    journal.NOTED: Noted,
    journal.ASTERISK_ALIVE: Alive,
    journal.COUNTED: Counted,
}


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One line of the journal. `linkedid` is empty for facts about the node."""

    linkedid: str
    at_ms: int
    body: _Body


def parse_line(data: bytes) -> Fact | RefusedLine | None:
    """Read one line; None for an empty one. A line glued to one torn by a full disk is still read."""
    if not data.strip():
        return None
    try:
        entry = _load(data)
    except (ValueError, RecursionError) as problem:
        return RefusedLine(problem=f"not JSON: {str(problem)[:200]}")
    try:
        head = _Head.model_validate(entry)
        body = _BODIES[head.kind].model_validate(entry)
    except KeyError as kind:
        return RefusedLine(problem=f"unknown kind {str(kind)[:80]}")
    except ValidationError as problem:
        return RefusedLine(problem=str(problem)[:500])
    if not head.linkedid and not isinstance(body, Alive | Counted):
        return RefusedLine(problem=f"{head.kind} of no call")
    return Fact(linkedid=head.linkedid, at_ms=head.at_ms, body=body)


class JournalReader:
    """Reads the journal files of one node's directory, day by day."""

    def __init__(self, engine: AsyncEngine, *, node: str, directory: Path) -> None:
        self._node = node
        self._directory = directory
        self._lines = LineStore(engine, node=node, kind=KIND, parse=parse_line, apply=self._apply)

    @property
    def stored(self) -> int:
        """How often something new was stored since the start."""
        return self._lines.stored

    async def read(self) -> bool:
        """Store what is new; return whether the end of every file was reached.

        Raises what the database raises when it is down; nothing is lost.
        """
        return all([await self._read_file(path) for path in self._files()])

    async def tidy(self, now_ms: int) -> None:
        """Drop files that are fully read and older than KEPT_DAYS."""
        oldest = journal.day_file(self._directory, now_ms - KEPT_DAYS * _DAY_MS)
        for path in self._files():
            if path < oldest and self._lines.fully_read(path.name, path):
                path.unlink()
                await self._lines.forget(path.name)

    def _files(self) -> list[Path]:
        return sorted(self._directory.glob(f"{journal.FILE_PREFIX}*{journal.FILE_SUFFIX}"))

    async def _read_file(self, path: Path) -> bool:
        for _ in range(_CHUNKS_A_READ):
            if await self._lines.store_next(path.name, path):
                return True
        return False

    async def _apply(self, connection: AsyncConnection, file: str, items: Sequence[Item[Fact]]) -> None:
        for started_ms, alive_ms in _heartbeats(items).items():
            await queries.boot_seen(connection, self._node, started_ms, alive_ms)
        of_calls = [fact for _, fact in items if not isinstance(fact.body, Counted | Alive)]
        first_seen = {fact.linkedid: fact.at_ms for fact in reversed(of_calls)}
        known = await cel_queries.ensure_calls(connection, self._node, first_seen)
        for _, fact in items:
            if isinstance(fact.body, Counted):
                await queries.count(connection, self._node, fact.body.name, fact.body.count)
                await queries.count_of_hour(
                    connection, self._node, fact.body.name, fact.body.count, fact.at_ms
                )
        await _apply_to_calls(connection, known, of_calls)
        for fact in of_calls:
            await self._apply_to_story(connection, known[fact.linkedid], fact)
        await flow_queries.insert_events(
            connection,
            [_happened(known[fact.linkedid], fact) for fact in of_calls if isinstance(fact.body, Noted)],
        )
        await cel_queries.tell(connection, known.values())

    async def _apply_to_story(self, connection: AsyncConnection, call_id: UUID, fact: Fact) -> None:
        match fact.body:
            case Recording(state="started", part=part, consent_node=node):
                await flow_queries.recording_began(connection, call_id, part, self._node, node, fact.at_ms)
            case Recording():
                await flow_queries.recording_refused(connection, call_id)
            case Requested() as wish:
                await requested(connection, self._node, call_id, wish, fact.at_ms)
            case _:
                pass  # the rest is written for all calls at once


async def _apply_to_calls(
    connection: AsyncConnection, known: Mapping[str, UUID], facts: Sequence[Fact]
) -> None:
    """Write what most lines say: a statement or two for each kind."""
    told: dict[type[_Body], list[journal_queries.Told]] = {}
    for fact in facts:
        one = journal_queries.Told(
            call_id=known[fact.linkedid], at_ms=fact.at_ms, said=fact.body.model_dump()
        )
        told.setdefault(type(fact.body), []).append(one)
    await journal_queries.lock_calls(connection, list(known.values()))
    await journal_queries.calls_matched(connection, told.get(Matched, ()))
    await journal_queries.insert_answers(connection, told.get(Answered, ()))
    await journal_queries.insert_decisions(connection, told.get(Decided, ()))
    await journal_queries.set_tags(connection, told.get(Tagged, ()))


async def requested(
    connection: AsyncConnection, node: str, call_id: UUID, wish: Requested, at_ms: int
) -> None:
    """Keep what the caller wants, with how it was said; who wants no calls is sold to nobody from then on."""
    detail = {"node": wish.node, "said": wish.said}
    await flow_queries.insert_request(connection, call_id, node, at_ms, wish.request, wish.number, detail)
    if wish.request == DO_NOT_CALL and wish.number is not None:
        reason = f"asked not to be called, in call {call_id}"
        await caller_list_queries.block_unless_known(connection, wish.number, reason)


def _happened(call_id: UUID, fact: Fact) -> flow_queries.Happened:
    noted = fact.body
    assert isinstance(noted, Noted)
    return flow_queries.Happened(
        call_id=call_id, at_ms=fact.at_ms, kind=noted.event, node=noted.node, detail=noted.detail
    )


def _heartbeats(items: Sequence[Item[Fact]]) -> dict[int, int]:
    """The last heartbeat of each life of Asterisk: a backlog of an hour is one row, not seven thousand."""
    last: dict[int, int] = {}
    for _, fact in items:
        if isinstance(fact.body, Alive):
            last[fact.body.started_ms] = max(fact.body.alive_ms, last.get(fact.body.started_ms, 0))
    return last


def _load(data: bytes) -> dict[str, Any]:
    text = data.decode("utf-8", "replace")
    try:
        entry = json.loads(text)
    except ValueError:
        start = text.rfind('{"kind"')
        if start <= 0:
            raise
        entry = json.loads(text[start:])
    if not isinstance(entry, dict):
        raise ValueError("not an object")
    cleaned: dict[str, Any] = _clean(entry)
    return cleaned


def _clean(value: Any) -> Any:
    """Replace what PostgreSQL cannot hold: NUL and lone surrogates in text, numbers that are none."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(each) for name, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
