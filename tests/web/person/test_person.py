"""Somebody asks to be forgotten: all is found, handed over, erased; what must be kept says nothing of them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from agi.cel import LeftBehind
from agi.flow_queries import recording_began
from agi.queries import insert_request
from agi.recordings import Recordings, recording_name
from agi.voice_messages import VoiceMessages, clear_erased
from billing.verify import Verification, verify_ledger
from router.caller_lists import block_caller, suppress_callers
from store.call_id import call_id_of
from store.key_ring import key_ring
from store.sealed_columns import CALLER as PURPOSE
from store.tables import pings, rtb_keys, rtb_reservations
from tests.asterisk_files import CallStory, NodeFiles, cel_lines, journal_lines
from tests.market import make_market
from tests.sealing import sealer_at, trust_in
from tollbridge.worker import Worker, WorkerConfig
from web.audit import Actor, Via
from web.person import person
from web.person.archive import write_archive
from web.person.items import Fate, Item, Kind, fate_of, is_work
from web.person.person import erase_person, find_person

CALLER, OTHER = "+16145550147", "+16145550148"
ADMIN = Actor(user=None, via=Via.COMMAND, name="tollbridge person")
SOUND = bytes(range(256)) * 500


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node on which the person and another one have called, were recorded and left messages."""

    engine: AsyncEngine
    folder: Path
    config: WorkerConfig
    call_id: UUID
    other_id: UUID

    @property
    def folders(self) -> dict[Kind, Path]:
        return {Kind.RECORDING: self.folder / "recordings", Kind.VOICE_MESSAGE: self.folder / "voicemail"}

    async def find(self, number: str = CALLER) -> list[Item]:
        return await find_person(self.engine, ADMIN, number)

    async def erase(self) -> dict[str, dict[str, int]]:
        return await erase_person(self.engine, ADMIN, CALLER)

    async def verify(self) -> Verification:
        assert self.config.sealer is not None
        return await verify_ledger(self.engine, trust_in(self.config.sealer))


async def _left(node: str, connection: AsyncConnection, call_id: UUID, channel: str, at_ms: int) -> None:
    await recording_began(connection, call_id, 1, node, "notice", at_ms)
    for kind in ("voicemail", "call_back"):
        recording = f"{channel}.wav" if kind == "voicemail" else None
        left = LeftBehind(kind=kind, recording=recording, detail={"key": "1"})
        await insert_request(connection, call_id, node, at_ms, left)
    event = text(
        "INSERT INTO call_events (call_id, at, kind, node, detail) VALUES (:call, now(), :kind, 'n', :d)"
    )
    for kind in ("notice_heard", "web_hook"):
        await connection.execute(event, {"call": call_id, "kind": kind, "d": json.dumps({"url": "x"})})


@pytest_asyncio.fixture
async def node(engine: AsyncEngine, database_url: str, tmp_path: Path) -> AsyncIterator[Node]:
    files, market = NodeFiles(tmp_path), await make_market(engine)
    for name in ("recordings", "voicemail"):
        (tmp_path / name).mkdir(exist_ok=True)
    config = WorkerConfig(
        node="a",
        database_url=database_url,
        cel_file=files.cel,
        journal_dir=files.journal,
        recordings_dir=tmp_path / "recordings",
        voicemail_dir=tmp_path / "voicemail",
        snapshot_file=tmp_path / "market.json",
        alive_file=tmp_path / "worker.alive",
        sealer=sealer_at(tmp_path / "roots"),
    )
    worker, ids = Worker(engine, config), []
    for serial, caller in enumerate((CALLER, OTHER)):
        story = CallStory(target_id=market.targets[0], connected_ms=100_000, caller=caller, serial=serial)
        files.write_cel(*cel_lines(story))
        files.write_journal(*journal_lines(story, market))
        ids.append(call_id_of(story.linkedid))
        await worker.read_and_settle()
        async with engine.begin() as connection:
            await _left("a", connection, ids[-1], story.linkedid, story.start_ms)
        (tmp_path / "recordings" / f"{recording_name(ids[-1])}.raw").write_bytes(SOUND)
        (tmp_path / "voicemail" / f"{story.linkedid}.wav").write_bytes(SOUND)
    await worker.seal()
    await Recordings(engine, node="a", directory=tmp_path / "recordings").tend(2e10)
    await VoiceMessages(engine, node="a", directory=tmp_path / "voicemail").tend(2e10)
    await suppress_callers(engine, "first", [CALLER, OTHER])
    await block_caller(engine, "number", CALLER, campaign=None, reason="r")
    yield Node(engine=engine, folder=tmp_path, config=config, call_id=ids[0], other_id=ids[1])


async def opened_numbers(engine: AsyncEngine) -> dict[str, set[str]]:
    """Return the numbers that the keys still open, by table."""
    found: dict[str, set[str]] = {}
    async with engine.connect() as connection:
        for table in (
            "calls",
            "no_buyer_requests",
            "buyer_suppressions",
            "blocked_callers",
            "rtb_reservations",
        ):
            rows = await connection.scalars(
                text(f"SELECT caller_sealed FROM {table} WHERE caller_sealed IS NOT NULL")
            )
            found[table] = {key_ring().unseal_text(PURPOSE, bytes(row)) for row in rows}
    return found


async def test_all_that_is_held_is_found_and_who_asked_is_noted(node: Node) -> None:
    found = await node.find()
    kinds = {item.kind for item in found}
    assert kinds >= set(Kind) - {Kind.DISPUTE, Kind.RESERVATION, Kind.AUDIT, Kind.ANSWERS}
    assert {item.ref for item in found if item.kind is Kind.CALL} == {str(node.call_id)}
    (note,) = [item for item in await node.find() if item.kind is Kind.AUDIT]
    assert note.detail["action"] == "look_up" and CALLER not in str(note.detail)


async def test_an_erased_person_is_nowhere_and_the_ledger_holds(node: Node) -> None:
    before = await node.verify()
    counts = await node.erase()
    numbers = await opened_numbers(node.engine)
    assert not any(CALLER in found for found in numbers.values()), numbers
    assert {OTHER} == numbers["calls"]
    after = await node.verify()
    assert before.findings == after.findings == () and after.erased_callers == 1
    assert counts["masked"] == {"call-back": 1, "suppression": 1, "block": 1}
    assert counts["erased"].keys() >= {"call", "recording", "voice message", "words"}
    async with node.engine.connect() as connection:
        (note,) = await connection.scalars(text("SELECT after FROM audit_log WHERE action = 'erase'"))
    assert note["counts"] == counts and CALLER not in json.dumps(note)


async def test_its_sounds_cannot_be_opened_and_go_and_the_others_stay(node: Node) -> None:
    recordings, messages = node.folders[Kind.RECORDING], node.folders[Kind.VOICE_MESSAGE]
    assert len(list(recordings.iterdir())) == len(list(messages.iterdir())) == 2
    await node.erase()
    async with node.engine.connect() as connection:
        keys = await connection.execute(text("SELECT call_id, key_sealed FROM sound_keys"))
        left = {row.call_id for row in keys if row.key_sealed is not None}
    assert left == {node.other_id}
    await clear_erased(node.engine, "a", recordings, messages)
    assert [path.name for path in recordings.iterdir()] == [f"{node.other_id}-1.wav.sealed"]
    assert len(list(messages.iterdir())) == 1


async def test_what_bidders_were_asked_before_a_call_came_goes_too(node: Node) -> None:
    """A publisher's ping asks them in the name of its reservation, of which a call may come or not."""
    sent = {"stage_id": 1, "target_id": 1, "outcome": "accepted", "sent_at": datetime.now(UTC)}
    async with node.engine.begin() as connection:
        key = insert(rtb_keys).values(key_digest=b"k", publisher_id=1, campaign_id=1).returning(rtb_keys.c.id)
        of_key = {"rtb_key_id": await connection.scalar(key), "publisher_id": 1, "campaign_id": 1}
        for number, state in ((CALLER, "used"), (CALLER, "expired"), (OTHER, "expired")):
            reservation = {
                "id": uuid4(),
                "caller_sealed": number,
                "state": state,
                "expires_at": datetime.now(UTC),
            }
            await connection.execute(insert(rtb_reservations).values(reservation | of_key))
            words = {"request": f"zip of {number}", "answer": "a", "detail": "d"}
            await connection.execute(insert(pings).values(sent | words | {"call_id": reservation["id"]}))
    await node.erase()
    async with node.engine.connect() as connection:
        left = await connection.scalars(select(pings.c.request + pings.c.answer + pings.c.detail))
        assert sorted(left) == ["", "", f"zip of {OTHER}ad"]


async def test_erasing_again_finds_nothing_to_erase(node: Node) -> None:
    await node.erase()
    again = await node.find()
    assert not any(is_work(item) for item in again)
    assert {item.kind for item in again} == {Kind.CALL_BACK, Kind.SUPPRESSION, Kind.BLOCK, Kind.AUDIT}
    async with node.engine.connect() as connection:
        count = text("SELECT count(*) FROM audit_log WHERE action = 'erase'")
        assert await connection.scalar(count) == 1
        await node.erase()
        assert await connection.scalar(count) == 1


async def test_an_erased_number_is_still_not_sold(node: Node) -> None:
    await node.erase()
    async with node.engine.connect() as connection:
        for table in ("buyer_suppressions", "blocked_callers"):
            query = text(f"SELECT count(*) FROM {table} WHERE caller_index = :index")
            assert await connection.scalar(query, {"index": key_ring().blind(PURPOSE, CALLER)}) == 1


async def test_a_call_that_goes_on_waits(node: Node) -> None:
    async with node.engine.begin() as connection:
        await connection.execute(
            text("UPDATE calls SET state = 'ended' WHERE id = :id"), {"id": node.call_id}
        )
    waits = {item.kind for item in await node.find() if fate_of(item)[0] is Fate.WAITS}
    assert waits >= {Kind.CALL, Kind.RECORDING}
    await node.erase()
    assert CALLER in (await opened_numbers(node.engine))["calls"]


async def test_interrupted_it_goes_on_where_it_was(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(person, "STEPS", (interrupted,))
        with pytest.raises(ConnectionError):
            await node.erase()
    await node.erase()
    assert not any(CALLER in found for found in (await opened_numbers(node.engine)).values())


async def test_an_archive_has_everything_in_words_and_the_sounds(node: Node) -> None:
    to = node.folder / "person.zip"
    written = await write_archive(node.engine, to, await node.find(), node.folders, number=CALLER)
    assert to.stat().st_mode & 0o777 == 0o600 and written.missing == {}
    with zipfile.ZipFile(to) as packed:
        assert len(written.sounds) == 2 and {*written.sounds, "person.json"} == set(packed.namelist())
        assert all(SOUND in packed.read(name) for name in written.sounds)
        told = json.loads(packed.read("person.json"))
    assert told["number"] == CALLER and OTHER not in json.dumps(told)
    (call,) = [thing for thing in told["held"] if thing["what"] == "call"]
    assert call["caller"] == CALLER and call["if_erased"].startswith("erased: ")


async def test_sounds_of_another_node_are_named(node: Node) -> None:
    elsewhere = dict.fromkeys(node.folders, node.folder / "nowhere")
    written = await write_archive(
        node.engine, node.folder / "p.zip", await node.find(), elsewhere, number=CALLER
    )
    assert written.sounds == [] and set(written.missing.values()) == {"not on this node: see node a"}
