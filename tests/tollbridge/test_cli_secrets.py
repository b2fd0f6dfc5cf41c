"""The commands about what is sealed, as an admin types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from store import key_ring as key_rings
from store.key_ring import KeyRing, spelled
from tests.postgres import execute
from tollbridge.cli import cli
from tollbridge.faults import CannotRun

_TRUNK = "INSERT INTO trunks (name, carrier_name, addresses, password) VALUES ('t', 'c', '{{}}', '\\x{}')"


@pytest.fixture
def keys(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of keys of a node; the tests' own ring is put back after."""
    file = tmp_path / "keys"
    file.write_text(spelled(KeyRing.made()))
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)
    monkeypatch.setenv("TOLLBRIDGE_SEALING_KEYS_FILE", str(file))
    kept = list(key_rings._source)
    yield file
    key_rings._source[:] = kept


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["secrets", *words])


def test_everything_is_checked_and_rotated(keys: Path, database_url: str) -> None:
    ring = key_rings.read_ring(keys.read_text())
    execute(database_url, _TRUNK.format(ring.seal_text("trunk password", "x").hex()))
    done = run("check")
    assert done.exit_code == 0 and "trunks.password: 1 open" in done.output
    done = run("rotate")
    assert done.exit_code == 0 and "trunks.password: 1 values, 1 sealed again" in done.output
    assert "the older keys stay until" in done.output and "the older keys are gone" not in done.output
    done = run("rotate", "--drop-now")
    assert done.exit_code == 0 and "the older keys are gone" in done.output
    done = run("check", "--json")
    assert json.loads(done.output)["keys"] == 1 and ring.keys[0].id.hex() not in keys.read_text()


def test_what_does_not_open_is_named(keys: Path, database_url: str) -> None:
    execute(database_url, _TRUNK.format(KeyRing.made().seal_text("trunk password", "x").hex()))
    done = run("check")
    assert done.exit_code == 1 and "trunks.password: 1 of 1 do not open: rows 1" in done.output


def test_no_command_works_on_a_database_that_other_keys_seal(keys: Path, database_url: str) -> None:
    assert run("rotate").exit_code == 0
    keys.write_text(spelled(KeyRing.made()))
    for words in (("secrets", "rotate"), ("endpoints", "list")):
        done = CliRunner().invoke(cli, words)
        assert isinstance(done.exception, CannotRun) and "not those that seal this database" in str(
            done.exception
        )


def test_keys_that_are_missing_are_not_made_by_a_command(keys: Path) -> None:
    keys.unlink()
    for words in (("check",), ("rotate",)):
        assert isinstance(run(*words).exception, CannotRun)
    assert not keys.exists()


def test_with_keys_that_are_lost_for_good_a_house_starts_over(keys: Path, database_url: str) -> None:
    ring = key_rings.read_ring(keys.read_text())
    execute(database_url, _TRUNK.format(ring.seal_text("trunk password", "x").hex()))
    assert run("rotate").exit_code == 0
    keys.unlink()
    refused = run("start-over")
    assert refused.exit_code == 1 and "--lose-what-is-sealed" in refused.output and not keys.exists()
    done = run("start-over", "--lose-what-is-sealed")
    assert done.exit_code == 0 and "keep a copy" in done.output, done.output
    checked = run("check")
    assert checked.exit_code == 1 and "trunks.password: 1 of 1 do not open" in checked.output
    assert CliRunner().invoke(cli, ["endpoints", "list"]).exit_code == 0
    again = run("start-over", "--lose-what-is-sealed")
    assert "nothing is lost" in again.output


def test_help_says_what_a_rotation_leaves_as_it_is() -> None:
    said = " ".join(run("rotate", "--help").output.split())
    assert "The key of the indexes" in said and "interrupted at any time" in said
