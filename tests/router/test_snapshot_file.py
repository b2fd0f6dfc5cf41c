from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from router.domain.counts import Counts
from router.domain.decide import decide
from router.domain.decision import canonical_bytes
from router.errors import SnapshotUnreadable
from router.snapshot_file import read_snapshot, read_snapshot_for, write_snapshot
from tests.router.markets import a_campaign, a_request, a_small_market, snapshot_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "snapshot.json"


def test_what_was_written_is_read_again(file: Path) -> None:
    document = a_small_market(3)
    write_snapshot(file, version=7, market=canonical_bytes(document))
    assert read_snapshot(file) == snapshot_of(document, version=7)
    assert os.listdir(file.parent) == ["snapshot.json"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_later_snapshot_takes_the_place_of_the_earlier(file: Path) -> None:
    for version in (1, 2):
        write_snapshot(file, version=version, market=canonical_bytes(a_small_market(version)))
    assert read_snapshot(file).version == 2


def test_a_full_disk_leaves_the_older_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_snapshot(file, version=1, market=canonical_bytes(a_small_market(1)))

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_snapshot(file, version=2, market=canonical_bytes(a_small_market(2)))
    assert read_snapshot(file).version == 1
    assert os.listdir(file.parent) == ["snapshot.json"]


def test_a_missing_file_says_so(file: Path) -> None:
    with pytest.raises(SnapshotUnreadable, match="No such file"):
        read_snapshot(file)


def test_a_file_cut_short_anywhere_is_noticed(file: Path) -> None:
    write_snapshot(file, version=1, market=canonical_bytes(a_small_market(1)))
    whole = file.read_bytes()
    for length in (0, 10, whole.index(b"\n"), whole.index(b"\n") + 1, len(whole) // 2, len(whole) - 2):
        file.write_bytes(whole[:length])
        with pytest.raises(SnapshotUnreadable):
            read_snapshot(file)


def test_a_flipped_byte_is_noticed(file: Path) -> None:
    write_snapshot(file, version=1, market=canonical_bytes(a_small_market(1)))
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"enabled":true', b'"enabled":null', 1))
    with pytest.raises(SnapshotUnreadable, match="checksum"):
        read_snapshot(file)


@pytest.mark.parametrize(
    "content", [b"\x00\xff", b"[]\n{}", b'{"format":1}\n{}', b'{"format":2}\n{}', b"{}\n" * 3]
)
def test_a_file_of_something_else_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SnapshotUnreadable):
        read_snapshot(file)


def test_a_market_that_lacks_a_part_is_refused(file: Path) -> None:
    document = a_small_market(1)
    del document["area_codes"]
    write_snapshot(file, version=1, market=canonical_bytes(document))
    with pytest.raises(SnapshotUnreadable, match="KeyError"):
        read_snapshot(file)


def test_a_call_needs_only_its_own_campaign(file: Path) -> None:
    document = a_small_market(3)
    other = {**a_campaign([[(3, 1)]]), "id": 2, "name": "solar", "flow_name": "solar"}
    document["campaigns"][0]["stages"][0]["entries"] = [[1, 1], [2, 2]]
    document["campaigns"].append(other)
    write_snapshot(file, version=1, market=canonical_bytes(document))
    whole, part = read_snapshot(file), read_snapshot_for(file, "+18005550100")
    assert set(part.targets) == {1, 2}
    assert (part.campaigns[1], part.digest) == (whole.campaigns[1], whole.digest)
    request = a_request()
    assert decide(part, request, Counts()) == decide(whole, request, Counts())
    assert set(read_snapshot_for(file, "+18005550199").targets) == set()


def test_licences_of_states_the_caller_does_not_live_in_are_left_out(file: Path) -> None:
    document = a_small_market(2)
    elsewhere = {**document["licences"][0], "id": 99, "state": "KS"}
    document["licences"].append(elsewhere)
    write_snapshot(file, version=1, market=canonical_bytes(document))
    whole = read_snapshot(file)
    part = read_snapshot_for(file, "+18005550100", lambda area_codes, _: area_codes["614"])
    buyer = elsewhere["buyer_id"]
    assert {state for state, _ in whole.licences[buyer]} == {"OH", "KS"}
    assert {state for state, _ in part.licences[buyer]} == {"OH"}
    request = a_request()
    assert decide(part, request, Counts()) == decide(whole, request, Counts())


def test_reading_and_deciding_load_nothing_heavy() -> None:
    program = "import sys, router.snapshot_file, router.domain.decide; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"sqlalchemy", "pydantic", "asyncio", "phonenumbers", "typing", "zoneinfo", "hashlib", "pathlib"}
    # What a bare interpreter with this environment loads by itself is not ours to answer for.
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not (loaded & heavy) - set(bare.stdout.split())
