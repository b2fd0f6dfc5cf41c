"""Known faults of packages: what the snapshot says of a version, how it is renewed, and what our own locks have."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollbridge.packages.advisories import (
    Advisory,
    Snapshot,
    Source,
    advisories_in,
    read_snapshot,
    write_snapshot,
)
from tollbridge.packages.audit import HOUSE, SNAPSHOT_FILE, of_npm_audit, of_pip_audit, of_snapshot
from tollbridge.packages.locked import Package, Registry, locked_packages, python_packages
from tollbridge.packages.refresh import renewed

DAY = date(2026, 11, 30)


def aiohttp(version: str) -> Package:
    return Package(registry=Registry.PYPI, name="aiohttp", version=version, ships=True)


def fault(introduced: str = "0", fixed: str = "3.13.4") -> Advisory:
    return Advisory(
        registry=Registry.PYPI, package="aiohttp", introduced=introduced, fixed=fixed, id="CVE-2026-34513"
    )


def test_our_own_packages_have_no_known_fault_and_the_snapshot_says_of_which_day_it_is() -> None:
    faults, notes = of_snapshot(HOUSE, SNAPSHOT_FILE.read_text(), DAY)
    assert faults == []
    assert any(one.package == "aiohttp" for one in read_snapshot(SNAPSHOT_FILE.read_text()).advisories)
    assert any("facts of 20" in note for note in notes)


def test_a_package_with_a_known_fault_is_named_with_the_way_out(tmp_path: Path) -> None:
    for name in ("requirements-dev.lock", "requirements-tools.lock"):
        (tmp_path / name).write_text("")
    (tmp_path / "requirements.lock").write_text("aiohttp==3.13.3 \\\n    --hash=sha256:00\n")
    (tmp_path / "package-lock.json").write_text('{"packages": {}}')
    text = write_snapshot(Snapshot(sources=[Source(name="x", as_of=date(2026, 1, 1))], advisories=[fault()]))
    faults, notes = of_snapshot(tmp_path, text, DAY)
    assert faults == ["aiohttp 3.13.3 has CVE-2026-34513: fixed in 3.13.4"]
    assert "333 days old" in " ".join(notes)


@pytest.mark.parametrize(
    ("version", "known", "concerned"),
    [
        ("3.13.3", fault(), True),
        ("3.13.4", fault(), False),
        ("3.13.4rc1", fault(), True),
        ("3.9", fault(introduced="3.10"), False),
        ("3.10", fault(introduced="3.10"), True),
        ("4.0", fault(fixed=""), True),
        ("not a version", fault(), True),
    ],
)
def test_a_fault_concerns_versions_from_its_first_to_before_its_mend(
    version: str, known: Advisory, concerned: bool
) -> None:
    assert known.concerns(aiohttp(version)) is concerned


@given(st.lists(st.builds(fault, st.sampled_from(["0", "1.2"]), st.sampled_from(["", "2", "3.1"]))))
def test_a_snapshot_is_read_as_it_was_written(facts: list[Advisory]) -> None:
    snapshot = Snapshot(sources=[Source(name="a source", as_of=DAY)], advisories=sorted(set(facts)))
    assert read_snapshot(write_snapshot(snapshot)) == snapshot


@pytest.mark.parametrize("text", ["", "registry,package\n", "# source 2026-11-30 x\na,b\n1,2\n"])
def test_what_is_no_snapshot_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        read_snapshot(text)


def test_records_in_osvs_format_give_facts_of_our_packages_only(tmp_path: Path) -> None:
    def record(package: str, events: list[dict[str, str]], **more: str) -> dict[str, object]:
        affected = {
            "package": {"ecosystem": "PyPI", "name": package},
            "ranges": [
                {"type": "GIT", "events": [{"introduced": "0"}]},
                {"type": "ECOSYSTEM", "events": events},
            ],
        }
        return {"id": "PYSEC-1", "affected": [affected], **more}

    twice = [{"introduced": "1"}, {"fixed": "1.5"}, {"introduced": "2"}]
    names = frozenset({(Registry.PYPI, "aiohttp")})
    found = list(advisories_in(record("AioHTTP", twice), names))
    assert [(one.introduced, one.fixed) for one in found] == [("1", "1.5"), ("2", "")]
    assert list(advisories_in(record("django", twice), names)) == []
    assert list(advisories_in(record("aiohttp", twice, withdrawn="2026-01-01"), names)) == []
    (tmp_path / "one.json").write_text(json.dumps(record("aiohttp", twice)))
    (tmp_path / "two.yaml").write_text("id: PYSEC-2\naffected: []\n")
    source = Source(name="osv", as_of=DAY)
    after = renewed(Snapshot(sources=[], advisories=[fault()]), HOUSE, [(tmp_path, source)])
    assert after.sources == [source] and len(after.advisories) == 3


def test_what_a_registry_could_not_be_asked_about_is_unknown_and_not_well() -> None:
    offline = {"dependencies": [{"name": "aiohttp", "version": "3.14.5", "skip_reason": "not found"}]}
    assert of_pip_audit(json.dumps(offline)).unknown == "1 of 1 packages could not be looked up"
    online = {"dependencies": [{"name": "aiohttp", "version": "3", "vulns": [{"id": "PYSEC-1"}]}]}
    assert of_pip_audit(json.dumps(online)).faults == ["aiohttp 3 has PYSEC-1"]
    assert of_pip_audit("").unknown and of_npm_audit('{"message": "405"}').unknown
    assert of_npm_audit('{"vulnerabilities": {"uplot": {"severity": "high"}}}').faults


def test_every_lock_file_is_read() -> None:
    packages = locked_packages(HOUSE)
    assert {one.name for one in packages} > {"aiohttp", "pytest", "pip-audit", "react", "esbuild"}
    assert {one.name: one.ships for one in packages}["esbuild"] is False
    assert python_packages("Foo_Bar==1.0 ; python_version < '4' \\\n", ships=True)[0].name == "foo-bar"
