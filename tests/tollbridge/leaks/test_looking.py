"""What is planted is found again, however it is spelled and wherever it came to rest."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import zlib
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.postgres import as_owner
from tests.tollbridge.leaks.canaries import Canaries
from tests.tollbridge.leaks.crawl import kind_of
from tests.tollbridge.leaks.known import NEEDED, TO_MEND
from tests.tollbridge.leaks.looking import in_columns, in_files, in_processes, is_open_to_all
from tollbridge.child_environment import NEEDED as GIVEN


@pytest.mark.parametrize(
    "spelled",
    [
        lambda value: value.encode(),
        lambda value: f"?key={quote(value, safe='')}&x=1".encode(),
        lambda value: base64.b64encode(value.encode()),
        lambda value: value.encode().hex().encode(),
    ],
)
def test_a_secret_is_found_in_any_spelling(tmp_path: Path, spelled: object) -> None:
    canaries = Canaries()
    value = canaries.new("key", prefix="a/b+c ")
    (tmp_path / "plain.log").write_bytes(b"before " + spelled(value) + b" after")  # type: ignore[operator]
    (tmp_path / "packed").write_bytes(zlib.compress(spelled(value)))  # type: ignore[operator]
    (tmp_path / "other.log").write_text("nothing")
    assert {one.place for one in in_files(tmp_path, canaries.secrets)} == {"file:plain.log", "file:packed"}


async def test_a_secret_is_found_in_any_column(engine: AsyncEngine) -> None:
    canaries = Canaries()
    values = {"plain": canaries.new("a"), "json": canaries.new("b"), "packed": canaries.new("c")}
    async with as_owner(engine) as connection:
        await connection.execute(text("CREATE TABLE kept (plain text, json jsonb, packed bytea)"))
        await connection.execute(
            text("INSERT INTO kept VALUES (:plain, jsonb_build_object('x', CAST(:json AS text)), :packed)"),
            values | {"packed": zlib.compress(values["packed"].encode())},
        )
    found = {str(one) for one in await in_columns(engine, canaries.secrets)}
    assert found == {"column:kept.plain holds a (a 1)", "column:kept.json holds b (b 1)"} | {
        "column:kept.packed holds c (c 1)"
    }


def test_a_secret_is_found_with_a_running_process(tmp_path: Path) -> None:
    canaries = Canaries()
    words, variable = canaries.new("argument"), canaries.new("setting")
    environment = os.environ | {"TOLLBRIDGE_DATA_DIR": str(tmp_path), "TOLLBRIDGE_X": variable}
    waits = [sys.executable, "-c", "input()", words]
    with subprocess.Popen(waits, env=environment, stdin=subprocess.PIPE) as process:
        found = in_processes(tmp_path, {process.pid: "web"}, canaries.secrets)
        process.communicate(b"\n")
    assert {one.place for one in found} == {"cmdline:web", "environ:web:TOLLBRIDGE_X"}


def test_a_file_is_closed_by_any_folder_above_it(tmp_path: Path) -> None:
    file = tmp_path / "log" / "calls.csv"
    file.parent.mkdir(mode=0o755)
    file.write_text("x")
    file.chmod(0o644)
    tmp_path.chmod(0o755)
    assert is_open_to_all(file, tmp_path)
    tmp_path.chmod(0o750)
    assert not is_open_to_all(file, tmp_path)


def test_addresses_are_told_apart_by_kind() -> None:
    call = "2f1c6f0e-0000-4000-8000-000000000001"
    assert kind_of(f"/calls/{call}/recordings/1") == "/calls/{}/recordings/{}"
    assert kind_of("/money/invoices/7.pdf") == "/money/invoices/{}.pdf"


def test_every_place_on_the_lists_says_why() -> None:
    places = [(one.kind, one.place) for one in (*NEEDED, *TO_MEND)]
    assert len(places) == len(set(places)) and all(one.why for one in (*NEEDED, *TO_MEND))


def test_the_list_lets_a_process_hold_only_the_secrets_it_is_given() -> None:
    for known in NEEDED:
        what, _, rest = known.place.partition(":")
        if what == "environ" and not rest.startswith("supervisor:"):
            process, _, variable = rest.partition(":")
            given = {f"TOLLBRIDGE_{name.upper()}" for name in GIVEN[process.removesuffix("-0")]}
            assert any(fnmatchcase(name, variable) for name in given), known
