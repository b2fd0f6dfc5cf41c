"""doctor looks everywhere, changes nothing and shows no secret."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import delete, insert
from sqlalchemy.ext.asyncio import AsyncEngine

from store.tables import buyers, licences, targets, users
from tollbridge.doctor import Verdict, examine, settings_table
from tollbridge.settings import Settings
from web.second_factor.vault import Vault


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


async def test_second_factors_under_another_secret_are_told_before_their_people_find_out(
    engine: AsyncEngine, database_url: str, tmp_path: Path
) -> None:
    async with engine.begin() as connection:
        for user_id, secret in ((1, "the shared secret of all nodes"), (2, "one that was lost")):
            sealed = Vault(secret).seal(user_id, "JBSWY3DPEHPK3PXP")
            person = {"id": user_id, "email": f"{user_id}@example.com", "password_hash": "", "role": "admin"}
            await connection.execute(insert(users).values(**person, totp_secret=sealed))
    settings = settings_for(tmp_path, database_url)
    assert "second factors" not in {finding.part for finding in await examine(settings)}, "no secret yet"
    settings = settings.model_copy(update={"data_secret": SecretStr("the shared secret of all nodes")})
    findings = {finding.part: finding for finding in await examine(settings)}
    assert findings["second factors"].verdict is Verdict.BROKEN
    assert "1 of 2 were sealed with another secret" in findings["second factors"].detail
    async with engine.begin() as connection:
        await connection.execute(delete(users).where(users.c.id == 2))
    findings = {finding.part: finding for finding in await examine(settings)}
    assert findings["second factors"].verdict is Verdict.FINE


async def test_a_database_that_is_away_is_one_finding_with_advice(tmp_path: Path) -> None:
    findings = await examine(settings_for(tmp_path, "postgresql://nobody@127.0.0.1:1/none"))
    broken = [finding for finding in findings if finding.part == "database"]
    assert broken[0].verdict is Verdict.BROKEN and "TOLLBRIDGE_DATABASE_URL" in broken[0].detail


def test_every_setting_is_listed_and_no_password_shows(tmp_path: Path) -> None:
    settings = Settings(database_url="postgresql://me:hunter2@db.example/x", secret="0123456789abcdefgh")
    shown = settings_table(settings)
    assert len(shown) == len(Settings.model_fields)
    text = " ".join(value for _, value, _ in shown)
    assert "hunter2" not in text and "0123456789abcdefgh" not in text and "db.example" in text

    settings = Settings(database_url="postgresql:///x?host=/run/db&password=hunter2")
    assert "hunter2" not in " ".join(value for _, value, _ in settings_table(settings))
