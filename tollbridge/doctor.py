"""Looks at every part of a node and says what to mend."""

from __future__ import annotations

import asyncio
import platform
import shutil
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from agi.speech.client import pinged
from agi.speech.prompts import PromptError, voice_model
from agi.speech.vosk_model import is_vosk_model
from agi.speech.vosk_phrases import grammars_of_folder
from asterisk_conf.install import MINIMUM_VERSION, NoAsterisk, find_asterisk
from asterisk_conf.prompts import system_prompts
from asterisk_conf.queries import load_lines
from asterisk_conf.sip_door import turned_away
from ivr_flows.publishing import transfers_not_rung
from ivr_flows.queries import dialling_rules
from router.abroad_room import ceilings_reached, numbers_not_rung
from router.buyers.ping_client import PingClient
from router.domain.expiring_licences import WARNING_DAYS, find_expiring
from router.licence_queries import chains_about_to_end
from store.session import open_engine
from tollbridge.faults import CannotRun
from tollbridge.lines_source import DATABASE_FAULTS
from tollbridge.node_config import layout_of
from tollbridge.node_state import NodeState, read_state
from tollbridge.ports import clashes, ports_of, speech_ports, why_not
from tollbridge.prompts import missing_prompts, texts_in
from tollbridge.queries import (
    database_facts,
    market_counts,
    may_rewrite_ledger,
    node_counters,
    published_flows,
)
from tollbridge.run import oidc_of, vosk_model_dir
from tollbridge.sealed_database import note_on_keys, problem_of_keys
from tollbridge.sealing_keys import sealing_keys_file
from tollbridge.settings import PREFIX, Settings
from web.oidc.provider import Provider
from web.resources.trunk_lines import Health, line_in_words, lines_of_trunks
from web.second_factor.sealing import count_lost
from web.second_factor.vault import Vault

_FREE_BYTES_WANTED = 1024 * 1024 * 1024
_CLOCK_LATEST_MS = 500
"""Node and database may differ by so much."""


class Verdict(StrEnum):
    """fine, worth a look, or broken."""

    FINE = "fine"
    NOTE = "note"
    BROKEN = "broken"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One part, how it is, and what to do."""

    part: str
    verdict: Verdict
    detail: str


def _fine(part: str, detail: str) -> Finding:
    return Finding(part=part, verdict=Verdict.FINE, detail=detail)


def _note(part: str, detail: str) -> Finding:
    return Finding(part=part, verdict=Verdict.NOTE, detail=detail)


def _broken(part: str, detail: str) -> Finding:
    return Finding(part=part, verdict=Verdict.BROKEN, detail=detail)


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything. Takes a second or two; changes nothing."""
    state = read_state(layout_of(settings))
    findings = [*_machine(settings), _asterisk(settings), *_speech(settings), *_ports(settings, state)]
    findings += [*_pages(settings), *_processes(state)]
    findings += await _listening(settings, state)
    findings += await _database(settings, state)
    findings += _front_door(settings, state)
    findings += await _directory(settings)
    return findings


def _machine(settings: Settings) -> Iterator[Finding]:
    version = platform.python_version()
    yield (
        _fine("python", version)
        if sys.version_info >= (3, 11)
        else _broken("python", f"{version}: 3.11 is needed")
    )
    data_dir = layout_of(settings).data_dir
    place = data_dir if data_dir.exists() else data_dir.parent
    free = shutil.disk_usage(place).free
    detail = f"{free >> 20} MB free at {place}"
    yield _fine("disk", detail) if free > _FREE_BYTES_WANTED else _note("disk", f"{detail}: free some space")


def _pages(settings: Settings) -> Iterator[Finding]:
    """Whether people can reach the pages without TLS."""
    if settings.plain_http_networks:
        yield _note(
            "pages",
            f"passwords and keys cross {settings.plain_http_networks} in clear: put TLS before the pages",
        )
    elif not settings.web_url.startswith("https://") and not _is_own(settings.web_address):
        yield _note(
            "pages",
            f"they refuse plain http from other machines: put a TLS proxy before them, name it in"
            f" {PREFIX}TRUSTED_PROXIES and set {PREFIX}WEB_URL to https://…",
        )


def _is_own(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _asterisk(settings: Settings) -> Finding:
    found = find_asterisk(settings.cache_dir)
    if isinstance(found, NoAsterisk):
        return _broken("asterisk", found.reason)
    wanted = ".".join(map(str, MINIMUM_VERSION))
    return _fine("asterisk", f"{found.version} at {found.binary} (at least {wanted})")


def _speech(settings: Settings) -> Iterator[Finding]:
    yield _engine(settings)
    try:
        yield _fine("voice", str(voice_model("joe")))
    except PromptError as problem:
        yield _broken("voice", f"{problem} Run `make setup`.")
    missing = missing_prompts(layout_of(settings).prompts_dir, system_prompts().values())
    if missing:
        yield _note("system prompts", f"{len(missing)} not rendered yet: the next start does it")
    else:
        yield _fine("system prompts", "all rendered")


def _engine(settings: Settings) -> Finding:
    """Which engine listens, as agi/speech/engine_choice.py chooses it."""
    model, wanted = vosk_model_dir(settings), settings.speech_engine
    moonshine = "moonshine, held to each question's grammar"
    if wanted == "moonshine" or (wanted == "auto" and model is None):
        return _fine("speech", moonshine)
    install = "run `tollbridge speech install`"
    if model is None:
        return _broken("speech", f"Vosk is asked for and there is no model: {install}")
    if is_vosk_model(model):
        return _vosk(model)
    advice = f"{model} holds no Vosk model: {install}, or set {PREFIX}VOSK_MODEL_DIR to a model's folder"
    if wanted == "vosk":
        return _broken("speech", f"Vosk is asked for and {advice}")
    return _note("speech", f"{moonshine}; {advice}")


def _vosk(model: Path) -> Finding:
    try:
        grammars_of_folder(model)
    except ValueError as problem:
        return _broken("speech", f"Vosk cannot listen: {problem}")
    return _fine("speech", f"Vosk, model {model}")


async def _listening(settings: Settings, state: NodeState | None) -> list[Finding]:
    """What each running speech process listens with, and whether its prompts leave on time."""
    if state is None or not state.ready:
        return []
    findings = []
    for index, (control, _) in enumerate(speech_ports(settings)):
        said = await pinged(control)
        part = f"speech-{index} listens with"
        if said is None:
            findings.append(_broken(part, f"no answer at port {control}: see its log, calls ask by keys"))
            continue
        late = 100 * int(said["late"]) / max(int(said["frames"]), 1)
        detail = f"{said['engine']}, {said['asks']} callers now, {late:.2f} % of frames over 5 ms late so far"
        findings.append(_fine(part, detail) if said["ready"] else _note(part, f"{detail}; being restarted"))
    return findings


def _ports(settings: Settings, state: NodeState | None) -> Iterator[Finding]:
    problems = list(clashes(settings))
    if state is None:
        problems += filter(None, (why_not(port) for port in ports_of(settings)))
    for problem in problems:
        yield _broken("ports", problem)
    if not problems:
        yield _fine("ports", ", ".join(str(port) for port in ports_of(settings)))


def _processes(state: NodeState | None) -> Iterator[Finding]:
    if state is None:
        yield _note("node", "not running: `tollbridge up` starts it")
        return
    for name, pid in state.processes.items():
        restarts = state.restarts.get(name, 0)
        if pid is None:
            yield _broken(name, "not running; it is being started again, see its log")
        elif restarts:
            yield _note(name, f"process {pid}, started again {restarts} times: see its log")
        else:
            yield _fine(name, f"process {pid}")


async def _database(settings: Settings, state: NodeState | None) -> list[Finding]:
    url = settings.database_url or (state.database_url if state else "")
    if not url:
        return [_note("database", "embedded, starts with the node")]
    engine = open_engine(url, application_name="tollbridge-doctor", pool_size=1)
    try:
        async with asyncio.timeout(10), engine.connect() as connection:
            return [finding for look in _LOOKS for finding in await look(connection, settings)]
    except DATABASE_FAULTS as fault:
        reason = (str(fault) or type(fault).__name__).splitlines()[0][:160]
        return [_broken("database", f"{reason}: check {PREFIX}DATABASE_URL and that PostgreSQL runs")]
    finally:
        await engine.dispose()


async def _schema_and_clock(connection: AsyncConnection, settings: Settings) -> list[Finding]:
    facts = await database_facts(connection)
    late_ms = abs(int(time.time() * 1000) - facts.now_ms)
    clock = f"{late_ms} ms between this machine and the database"
    return [
        _fine("database", f"PostgreSQL {facts.version}"),
        _fine("migrations", facts.revision or "")
        if facts.revision
        else _broken("migrations", "none: `tollbridge up` brings the schema"),
        _fine("clock", clock) if late_ms < _CLOCK_LATEST_MS else _broken("clock", f"{clock}: set up NTP"),
    ]


async def _owner(connection: AsyncConnection, settings: Settings) -> list[Finding]:
    part = "owner of the ledger"
    if not await may_rewrite_ledger(connection):
        return [_fine(part, "not the processes' user: they add to it and change nothing")]
    return [
        _note(
            part,
            f"the processes' own user: whoever has {PREFIX}DATABASE_URL can rewrite what is posted. Name a second user"
            f" there, leave this one in {PREFIX}DATABASE_OWNER_URL and run `tollbridge prepare`: it makes the user and"
            " gives it its rights",
        )
    ]


async def _market(connection: AsyncConnection, settings: Settings) -> list[Finding]:
    counts = await market_counts(connection)
    findings = [
        _fine(name, str(count)) if count else _note(name, "none yet: the demo or the pages add them")
        for name, count in counts.items()
    ]
    lines = await load_lines(connection)
    return findings + [_broken("left out of Asterisk", str(refused)) for refused in lines.refused]


async def _trunks(connection: AsyncConnection, settings: Settings) -> list[Finding]:
    marks = {Health.WELL: _fine, Health.ILL: _broken}
    found = await lines_of_trunks(connection)
    return [
        marks.get(line.health, _note)(f"trunk {line.trunk}", line_in_words(line))
        for lines in found.values()
        for line in lines
    ]


async def _abroad(connection: AsyncConnection, settings: Settings) -> list[Finding]:
    rules = await dialling_rules(connection)
    reached = await ceilings_reached(connection, rules, datetime.now(UTC))
    not_rung = await numbers_not_rung(connection, rules)
    return [
        *(_note("abroad today", f"{one.name}: {one.detail}") for one in reached),
        *(_broken("not rung", f"{one.name}: {one.detail}") for one in not_rung),
        *(_broken("not rung", transfer) for transfer in await transfers_not_rung(connection)),
    ]


async def _flow_prompts(connection: AsyncConnection, settings: Settings) -> list[Finding]:
    texts = texts_in(await published_flows(connection))
    missing = missing_prompts(layout_of(settings).prompts_dir, texts)
    if missing:
        return [
            _note(
                "prompts",
                f"{len(missing)} of {len(texts)} not rendered yet: a running node does it by itself",
            )
        ]
    return [_fine("prompts", f"{len(texts)}, all rendered")]


async def _licences(connection: AsyncConnection, settings: Settings) -> list[Finding]:
    today, within_days = datetime.now(UTC).date(), max(WARNING_DAYS)
    soon = find_expiring(await chains_about_to_end(connection, today, within_days), today, within_days)
    if not soon:
        return []
    counts = Counter(one.urgency for one in soon)
    parts = [
        f"{counts[days]} {f'end within {days} days' if days else 'have ended'}" for days in sorted(counts)
    ]
    return [_note("licences", f"{', '.join(parts)}: `tollbridge licences expiring` names them")]


async def _sealing_keys(connection: AsyncConnection, settings: Settings) -> list[Finding]:
    """Say whether the node has the keys that seal this database. Makes none."""
    if problem := await problem_of_keys(connection, settings):
        return [_broken("sealing keys", problem)]
    if not sealing_keys_file(settings).exists():
        return []
    note = note_on_keys(settings)
    return [_note("sealing keys", note) if note else _fine("sealing keys", str(sealing_keys_file(settings)))]


async def _second_factors(connection: AsyncConnection, settings: Settings) -> list[Finding]:
    """Say whether the node's keys open everybody's second factor."""
    if not sealing_keys_file(settings).exists():
        return []
    lost, all_of_them = await count_lost(connection, Vault())
    if not lost:
        return [_fine("second factors", f"{all_of_them}, all sealed")] if all_of_them else []
    return [
        _broken(
            "second factors",
            f"{lost} of {all_of_them} cannot be opened. Those of an older version: start once with the"
            f" {PREFIX}DATA_SECRET they were sealed with; else their people need recovery codes, or an admin who"
            " takes their second factor away",
        )
    ]


async def _counters(connection: AsyncConnection, settings: Settings) -> list[Finding]:
    counters = await node_counters(connection, settings.node_name)
    return [_note(f"counter {name}", str(value)) for name, value in sorted(counters.items())]


def _front_door(settings: Settings, state: NodeState | None) -> list[Finding]:
    if state is None:
        return []
    dropped = turned_away(settings.sip_address, settings.sip_port)
    if dropped is None:
        return [
            _broken("front door", f"nobody listens for SIP on {settings.sip_address}:{settings.sip_port}")
        ]
    return [_fine("front door", f"{dropped} packets from unlisted addresses dropped since Asterisk's start")]


_Look = Callable[[AsyncConnection, Settings], Awaitable[list[Finding]]]
_LOOKS: tuple[_Look, ...] = (
    _schema_and_clock,
    _owner,
    _market,
    _trunks,
    _abroad,
    _licences,
    _flow_prompts,
    _sealing_keys,
    _second_factors,
    _counters,
)


async def _directory(settings: Settings) -> list[Finding]:
    """Whether people can sign in by the house's directory."""
    try:
        config = oidc_of(settings)
    except CannotRun as problem:
        return [_broken("directory", str(problem))]
    if config is None:
        return []
    async with PingClient(config.address_rules) as client:
        problem_there = await Provider(config, client).problem()
    if problem_there is not None:
        return [_broken("directory", f"nobody can sign in by it: {problem_there}")]
    return [_fine("directory", f"{config.issuer}; it leads back to {config.redirect_uri}")]
