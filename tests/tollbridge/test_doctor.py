"""doctor looks everywhere, changes nothing and shows no secret."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from store.key_ring import KeyRing, spelled
from store.tables import buyers, licences, targets, users
from tests.postgres import owner_of
from tests.web.oidc.idp import Idp
from tollbridge.doctor import Finding, Verdict, examine
from tollbridge.node_config import layout_of
from tollbridge.node_state import NodeState, locked, write_state
from tollbridge.sealed_database import leave_mark
from tollbridge.sealing_keys import make_sealing_keys, write_sealing_keys
from tollbridge.settings import Settings, settings_table
from web.second_factor.vault import Vault

AWAY = "postgresql://nobody@127.0.0.1:1/none"


def settings_for(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url)


async def test_a_target_that_cannot_be_dialled_is_named(
    engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    async with engine.begin() as connection:
        await connection.execute(insert(buyers).values(id=1, name="Acme"))
        await connection.execute(
            insert(targets).values(
                id=5, buyer_id=1, name="x", sip_uri="sip:a@b;x", loan_types=[], schedule={}
            )
        )
    findings = {finding.part: finding for finding in await examine(settings_for(tmp_path, database_url))}
    assert findings["database"].verdict is Verdict.FINE
    assert findings["migrations"].verdict is Verdict.FINE
    assert findings["clock"].verdict is Verdict.FINE
    assert "target 5" in findings["left out of Asterisk"].detail
    assert findings["node"].verdict is Verdict.NOTE
    assert not (tmp_path / "data").exists()


async def test_it_says_when_the_processes_could_rewrite_the_ledger(database_url: str, tmp_path: Path) -> None:
    part = "owner of the ledger"
    found = {one.part: one for one in await examine(settings_for(tmp_path, database_url))}
    assert found[part].verdict is Verdict.FINE
    found = {one.part: one for one in await examine(settings_for(tmp_path, owner_of(database_url)))}
    assert found[part].verdict is Verdict.NOTE
    assert "TOLLBRIDGE_DATABASE_OWNER_URL" in found[part].detail


async def test_licences_that_end_soon_are_warned_of(
    engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    held = {"buyer_id": 1, "nmls_id": "7", "product": "refinance", "valid_from": date(2020, 1, 1)}
    async with engine.begin() as connection:
        await connection.execute(insert(buyers).values(id=1, name="Acme"))
        for state, days in (("OH", -1), ("MI", 7), ("PA", 30), ("NY", 31), ("CA", 90)):
            await connection.execute(
                insert(licences).values(state=state, valid_to=today + timedelta(days=days), **held)
            )
    findings = {finding.part: finding for finding in await examine(settings_for(tmp_path, database_url))}
    assert findings["licences"].verdict is Verdict.NOTE
    assert findings["licences"].detail == (
        "1 have ended, 1 end within 7 days, 1 end within 30 days, 1 end within 60 days:"
        " `tollbridge licences expiring` names them"
    )


async def test_second_factors_that_do_not_open_are_told_before_their_people_find_out(
    engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    async with engine.begin() as connection:
        for user_id, kept in (
            (1, Vault().seal(1, "JBSWY3DPEHPK3PXP")),
            (2, b"v1:sealed by an older version"),
        ):
            person = {"id": user_id, "email": f"{user_id}@example.com", "password_hash": "", "role": "admin"}
            await connection.execute(insert(users).values(**person, totp_secret=kept))
    settings = settings_for(tmp_path, database_url)
    findings = {finding.part: finding for finding in await examine(settings)}
    assert findings["second factors"].verdict is Verdict.BROKEN
    assert "1 of 2 cannot be opened" in findings["second factors"].detail
    async with engine.begin() as connection:
        await connection.execute(delete(users).where(users.c.id == 2))
    findings = {finding.part: finding for finding in await examine(settings)}
    assert findings["second factors"].verdict is Verdict.FINE


async def test_keys_that_are_not_the_databases_are_told(
    engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, database_url).model_copy(
        update={"sealing_keys_file": tmp_path / "keys"}
    )

    async def keys_finding() -> Finding | None:
        return next((one for one in await examine(settings) if one.part == "sealing keys"), None)

    assert await keys_finding() is None and not (tmp_path / "keys").exists(), "nothing is sealed yet"
    ring = make_sealing_keys(settings)
    async with engine.begin() as connection:
        await leave_mark(connection, ring, settings)
    found = await keys_finding()
    assert found is not None and found.verdict is Verdict.FINE
    write_sealing_keys(settings, ring.with_newer_key())
    found = await keys_finding()
    assert found is not None and found.verdict is Verdict.NOTE and "secrets rotate" in found.detail
    for text, words in (
        (spelled(KeyRing.made()), "not those that seal this database"),
        (None, "Put the file back"),
    ):
        (tmp_path / "keys").unlink() if text is None else (tmp_path / "keys").write_text(text)
        found = await keys_finding()
        assert found is not None and found.verdict is Verdict.BROKEN and words in found.detail


async def test_the_directory_is_looked_at_where_there_is_one(tmp_path: Path) -> None:
    idp = Idp()
    await idp.start()
    settings = settings_for(tmp_path, AWAY)
    assert "directory" not in {finding.part for finding in await examine(settings)}
    there = {"oidc_issuer": idp.issuer, "oidc_client_id": "us", "web_url": "https://switch.example"}
    for networks, verdict, says in (
        ("127.0.0.0/8", Verdict.FINE, "https://switch.example/sign-in/directory/back"),
        ("", Verdict.BROKEN, "127.0.0.1 is not a public address"),
    ):
        changed = settings.model_copy(update={**there, "oidc_networks": networks})
        (finding,) = [one for one in await examine(changed) if one.part == "directory"]
        assert finding.verdict is verdict and says in finding.detail
    await idp.server.close()


async def test_a_database_that_is_away_is_one_finding_with_advice(tmp_path: Path) -> None:
    findings = await examine(settings_for(tmp_path, AWAY))
    broken = [finding for finding in findings if finding.part == "database"]
    assert broken[0].verdict is Verdict.BROKEN and "TOLLBRIDGE_DATABASE_URL" in broken[0].detail


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"web_address": "localhost"}, ""),
        ({"web_address": "0.0.0.0"}, "TOLLBRIDGE_TRUSTED_PROXIES"),
        ({"web_address": "0.0.0.0", "web_url": "https://switch.example"}, ""),
        ({"plain_http_networks": "10.1.0.0/16"}, "in clear"),
    ],
)
async def test_it_says_when_people_could_reach_the_pages_without_tls(
    tmp_path: Path, changed: dict[str, str], said: str
) -> None:
    findings = await examine(settings_for(tmp_path, AWAY).model_copy(update=changed))
    details = [finding.detail for finding in findings if finding.part == "pages"]
    assert len(details) == bool(said)
    assert said in "".join(details)


MOONSHINE = "moonshine, held to each question's grammar"


async def speech_finding(settings: Settings) -> tuple[Verdict, str]:
    found = [finding for finding in await examine(settings) if finding.part == "speech"]
    assert len(found) == 1
    return found[0].verdict, found[0].detail


@pytest.mark.parametrize("content", ["nothing", "an empty folder", "a folder of something else"])
async def test_a_folder_without_a_vosk_model_is_told_with_what_listens_instead(
    tmp_path: Path, content: str
) -> None:
    folder = tmp_path / "model"
    if content != "nothing":
        folder.mkdir()
    if content == "a folder of something else":
        (folder / "README").write_text("unpack the model here")
    settings = settings_for(tmp_path, AWAY).model_copy(update={"vosk_model_dir": folder})
    advice = (
        f"{folder} holds no Vosk model: run `tollbridge speech install`,"
        " or set TOLLBRIDGE_VOSK_MODEL_DIR to a model's folder"
    )
    assert await speech_finding(settings) == (Verdict.NOTE, f"{MOONSHINE}; {advice}")
    wanted = settings.model_copy(update={"speech_engine": "vosk"})
    assert await speech_finding(wanted) == (Verdict.BROKEN, f"Vosk is asked for and {advice}")
    unwanted = settings.model_copy(update={"speech_engine": "moonshine"})
    assert await speech_finding(unwanted) == (Verdict.FINE, MOONSHINE)


def model_in(folder: Path) -> Path:
    """What passes for a Vosk model until it is loaded."""
    for file in ("am/final.mdl", "conf/model.conf"):
        (folder / "model" / file).parent.mkdir(parents=True)
        (folder / "model" / file).touch()
    return folder / "model"


async def test_phrases_of_a_model_that_cannot_be_used_are_told(tmp_path: Path) -> None:
    folder = model_in(tmp_path)
    (folder / "phrases.json").write_text('{"yes_no": {"yes": []}}')
    settings = settings_for(tmp_path, AWAY).model_copy(update={"vosk_model_dir": folder})
    verdict, detail = await speech_finding(settings)
    assert verdict is Verdict.BROKEN
    assert detail.startswith(f"Vosk cannot listen: {folder}/phrases.json: yes_no: write a list of phrases")


async def test_the_engine_that_will_listen_is_told(tmp_path: Path) -> None:
    nowhere = settings_for(tmp_path, AWAY).model_copy(update={"cache_dir": tmp_path / "cache"})
    assert await speech_finding(nowhere) == (Verdict.FINE, MOONSHINE)
    wanted = nowhere.model_copy(update={"speech_engine": "vosk"})
    assert await speech_finding(wanted) == (
        Verdict.BROKEN,
        "Vosk is asked for and there is no model: run `tollbridge speech install`",
    )
    here = wanted.model_copy(update={"vosk_model_dir": model_in(tmp_path)})
    assert await speech_finding(here) == (Verdict.FINE, f"Vosk, model {tmp_path / 'model'}")
    by_itself = here.model_copy(update={"speech_engine": "auto"})
    assert await speech_finding(by_itself) == (Verdict.FINE, f"Vosk, model {tmp_path / 'model'}")


async def listening_finding(settings: Settings) -> Finding:
    """Of a node that runs as far as its state file says."""
    layout = layout_of(settings)
    with locked(layout):
        running = NodeState(pid=1, started_ms=0, database_url=AWAY, processes={}, restarts={}, ready=True)
        layout.state_file.parent.mkdir(parents=True, exist_ok=True)
        write_state(layout, running)
        findings = {finding.part: finding for finding in await examine(settings)}
    return findings["speech-0 listens with"]


@pytest.mark.parametrize(
    ("ready", "verdict", "end"), [(1, Verdict.FINE, ""), (0, Verdict.NOTE, "; being restarted")]
)
async def test_what_a_speech_process_says_of_itself_is_told(
    tmp_path: Path, ready: int, verdict: Verdict, end: str
) -> None:
    said = {"pong": 1, "engine": "vosk", "asks": 3, "frames": 1000, "late": 2, "ready": ready}

    async def pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(json.dumps(said).encode() + b"\n")
        writer.close()

    async with await asyncio.start_server(pong, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        speech = {"speech_processes": 1, "speech_port": port}
        found = await listening_finding(settings_for(tmp_path, AWAY).model_copy(update=speech))
    assert found.verdict is verdict
    assert found.detail == f"vosk, 3 callers now, 0.20 % of frames over 5 ms late so far{end}"


async def test_a_speech_process_that_does_not_answer_is_broken(tmp_path: Path) -> None:
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        speech = {"speech_processes": 1, "speech_port": port}
        found = await listening_finding(settings_for(tmp_path, AWAY).model_copy(update=speech))
    assert found.verdict is Verdict.BROKEN
    assert found.detail == f"no answer at port {port}: see its log, calls ask by keys"


def test_every_setting_is_listed_and_no_password_shows(tmp_path: Path) -> None:
    settings = Settings(database_url="postgresql://me:hunter2@db.example/x", secret="0123456789abcdefgh")
    shown = settings_table(settings)
    assert len(shown) == len(Settings.model_fields)
    text = " ".join(value for _, value, _ in shown)
    assert "hunter2" not in text and "0123456789abcdefgh" not in text and "db.example" in text

    settings = Settings(database_owner_url="postgresql:///x?host=/run/db&password=hunter2")
    assert "hunter2" not in " ".join(value for _, value, _ in settings_table(settings))
