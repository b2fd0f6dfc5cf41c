"""What was rung without the database, read as sums: a decision goes by the same as if it read every line."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router import last_known_file, rung_sums
from router.domain.caps import ATTEMPTS, CONCURRENCY, SPACING, Claim
from router.domain.last_known import LastKnown, Rung
from router.domain.market import Snapshot
from router.domain.read_market import read_market
from router.last_known_file import append_rung, read_rung, rung_path, sums_path
from router.rung_sums import LINES_LEFT, rung_for, sum_up
from router.rung_without_database import set_aside
from tests.router.markets import a_request, a_small_market

NOW = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
CALLERS = (None, "+16145550100", "+16145550101")


def a_market() -> Snapshot:
    document = a_small_market(3)
    for buyer in document["buyers"]:
        buyer["credit_limit_micros"] = 10**12
    cap = {"owner": "target", "time_zone": "UTC", "range_name": None}
    document["caps"] = [
        {"id": 1, "owner_id": 1, "kind": ATTEMPTS, "period": "day", "at_most": 99, **cap},
        {"id": 2, "owner_id": 2, "kind": SPACING, "period": None, "at_most": 60, **cap},
    ]
    return read_market(document, version=1, digest="")


MARKET = a_market()
DAY = int(NOW.replace(hour=0).timestamp())


def call_id_of(number: int) -> str:
    return str(UUID(int=number))


def one_rung(
    number: int, *, call: int, caller: str | None = None, age_ms: int = 0, hold: int | None = 5
) -> Rung:
    target = number % 3 + 1
    claims = (
        Claim(
            key="target:1:attempts:day",
            kind=ATTEMPTS,
            amount=1,
            at_most=0,
            period_start=DAY - number % 2 * 86400,
        ),
        Claim(key="target:2:spacing", kind=SPACING, amount=NOW_MS - age_ms, at_most=0, period_start=0),
        Claim(key=f"target:{target}:concurrency", kind=CONCURRENCY, amount=1, at_most=0, period_start=0),
    )
    return Rung(
        at_ms=NOW_MS - age_ms,
        call_id=call_id_of(call),
        attempt=number + 1,
        target_id=target,
        buyer_id=target,
        campaign_id=1,
        caller=caller,
        claims=claims,
        hold_micros=hold,
    )


def decided_on(rung: Sequence[Rung], call: int, caller: str | None) -> object:
    request = replace(a_request(call_id=call_id_of(call), caller=caller), now=NOW)
    return LastKnown(rung=rung, owed_micros={}, owed_ms=NOW_MS, counted_ms=NOW_MS).counts(
        MARKET, request, {}, NOW_MS
    )


@settings(max_examples=60, deadline=None)
@given(
    calls=st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from(CALLERS), st.sampled_from((None, 7, 10**6))), max_size=25
    ),
    ages=st.lists(st.sampled_from((1, 1001, 20_001, 100_001)), min_size=25, max_size=25),
    asks=st.tuples(st.integers(1, 6), st.sampled_from(CALLERS)),
    lines_left=st.integers(0, 9),
    together=st.integers(1, 6),
    aside=st.integers(0, 25),
)
def test_sums_count_as_their_lines_do(
    calls: list[tuple[int, str | None, int | None]],
    ages: list[int],
    asks: tuple[int, str | None],
    lines_left: int,
    together: int,
    aside: int,
) -> None:
    oldest_first = sorted(ages, reverse=True)
    rung = [
        one_rung(number, call=call, caller=caller, age_ms=oldest_first[number], hold=hold)
        for number, (call, caller, hold) in enumerate(calls)
    ]
    with TemporaryDirectory() as folder, patch.object(rung_sums, "LINES_LEFT", lines_left):
        file = rung_path(Path(folder))
        for start in range(0, len(rung), together):
            append_rung(file, rung[start : start + together])
            sum_up(file)
            if start <= aside < start + together:
                set_aside(file)
        assert read_rung(file) == rung, "the worker finds every line"
        assert decided_on(rung_for(file, call_id_of(asks[0]), asks[1]), *asks) == decided_on(rung, *asks)


def test_of_twenty_thousand_lines_few_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = rung_path(tmp_path)
    append_rung(file, [one_rung(n, call=n, caller=f"+1614{n % 15_000:07}") for n in range(20_000)])
    sum_up(file)
    read: list[bytes] = []
    whole = last_known_file.rung_of_line
    monkeypatch.setattr(rung_sums, "rung_of_line", lambda line: read.append(line) or whole(line))
    began = time.process_time()
    found = rung_for(file, call_id_of(30_000), "+16140000007")
    seconds = time.process_time() - began
    assert len(read) == 2 and seconds < 0.02
    assert sum(one.hold_micros or 0 for one in found) == 20_000 * 5
    append_rung(file, [one_rung(n, call=n) for n in range(LINES_LEFT + 1)])
    rung_for(file, call_id_of(30_000), None)
    read.clear()
    rung_for(file, call_id_of(30_000), None)
    assert read == [], "it was summed up by the reader before"


def test_a_file_of_sums_that_is_damaged_or_of_another_file_counts_as_none(tmp_path: Path) -> None:
    file, before = rung_path(tmp_path), [one_rung(n, call=n) for n in range(200)]
    append_rung(file, before)
    sum_up(file)
    whole = sums_path(file).read_bytes()
    for damaged in (b"", b"{}", whole[:-9], whole[: len(whole) // 4], b"\xff" + whole):
        sums_path(file).write_bytes(damaged)
        assert decided_on(rung_for(file, "none", None), 999, None) == decided_on(before, 999, None)
    sums_path(file).write_bytes(whole)
    file.unlink()
    after = [one_rung(n, call=n + 500) for n in range(3)]
    append_rung(file, after)
    assert decided_on(rung_for(file, "none", None), 999, None) == decided_on(after, 999, None)


def test_half_a_line_of_a_full_disk_costs_no_other_line(tmp_path: Path) -> None:
    file, (first, second) = rung_path(tmp_path), (one_rung(n, call=n) for n in range(2))
    append_rung(file, [first])
    with file.open("ab") as full:
        full.write(json.dumps(first.to_json()).encode()[:40])
    assert read_rung(file) == [first] == [one for one in rung_for(file, "none", None) if one.call_id]
    append_rung(file, [second])
    assert read_rung(file) == [first, second]


def test_a_disk_that_takes_no_sums_leaves_the_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(rung_sums, "put_in_place", full)
    file, rung = rung_path(tmp_path), [one_rung(n, call=n) for n in range(200)]
    append_rung(file, rung)
    assert decided_on(rung_for(file, "none", None), 999, None) == decided_on(rung, 999, None)


def test_lines_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_known_file, "RUNG_BYTES_MAXIMUM", 1000)
    file = rung_path(tmp_path)
    append_rung(file, [one_rung(number, call=number) for number in range(3)])
    before = file.read_bytes()
    with pytest.raises(OSError, match="too many were rung"):
        append_rung(file, [one_rung(3, call=3)])
    assert file.read_bytes() == before


def test_when_no_more_can_be_noted_whoever_has_a_limit_is_not_rung() -> None:
    known = LastKnown(owed_micros={}, owed_ms=NOW_MS, counted_ms=NOW_MS, rung_is_full=True)
    counts = known.counts(MARKET, replace(a_request(), now=NOW), {}, NOW_MS)
    assert set(counts.facts.wallet_micros.values()) == {0}
    assert counts.used["target:1:attempts:day"] == 99
    assert counts.concurrency == {}
