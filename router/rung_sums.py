"""Sums of what was rung without the database, beside its lines: a decision reads these, and few lines.

A file of sums covers the first bytes of a file of lines, which only grows: counters, wallets, and where the lines of
each caller and call are. It is made anew every LINES_LEFT lines at most. What is missing, damaged or of another file
counts as none. The lines stay: the worker takes leases and holds from them. Only the standard library is imported.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from struct import Struct

from router.domain.caps import CONCURRENCY, SPACING, Claim
from router.domain.last_known import (
    DIGEST_BYTES,
    EARLIER_CALLS_MAXIMUM,
    RINGING_COUNTS_SECONDS,
    DigestTable,
    Rung,
)
from router.last_known_file import put_in_place, rung_files, rung_of_line, sums_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from router.domain.last_known import Buffer

FORMAT = 1
LINES_LEFT = 128
"""So many lines at most are read one by one; more are added to the sums first."""
LONGEST_LINE_BYTES = 1 << 20
RECORD = Struct(">8sq")
"""Digest of a caller or a call's id, where its line begins."""


def _digest_of(name: str) -> bytes:
    return sha256(name.encode()).digest()[:DIGEST_BYTES]


@dataclass(kw_only=True, slots=True)
class Sums:
    """What the lines before `end` (bytes) amount to."""

    end: int = 0
    counters: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """Amounts by key, kind and start of the period."""
    ringing: dict[tuple[int, str], int] = field(default_factory=dict)
    """Calls at once by epoch second and key, as long as they count."""
    spacing: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Epoch ms and id of the two newest calls by key: one may be the call that is decided."""
    holds: dict[int, int] = field(default_factory=dict)
    """Micros by buyer id."""
    places: Buffer = b""

    def add(self, lines: Iterable[tuple[int, Rung]], end: int) -> None:
        """Count lines, given with where each begins, up to `end`."""
        records: list[bytes] = []
        newest = 0
        for at, one in lines:
            newest = max(newest, one.at_ms // 1000)
            for name in filter(None, (one.caller, one.call_id)):
                records.append(RECORD.pack(_digest_of(name), at))
            self._count(one)
        oldest = newest - RINGING_COUNTS_SECONDS - 1
        self.ringing = {key: amount for key, amount in self.ringing.items() if key[0] >= oldest}
        self.places, self.end = _merged(self.places, records), end

    def _count(self, one: Rung) -> None:
        if one.hold_micros is not None:
            self.holds[one.buyer_id] = self.holds.get(one.buyer_id, 0) + one.hold_micros
        for claim in one.claims:
            if claim.kind == SPACING:
                calls = {call_id: at for at, call_id in self.spacing.get(claim.key, ())}
                calls[one.call_id] = max(claim.amount, calls.get(one.call_id, 0))
                newest = sorted(((at, call_id) for call_id, at in calls.items()), reverse=True)
                self.spacing[claim.key] = newest[:2]
            elif claim.kind == CONCURRENCY:
                second = one.at_ms // 1000, claim.key
                self.ringing[second] = self.ringing.get(second, 0) + claim.amount
            else:
                key = claim.key, claim.kind, claim.period_start
                self.counters[key] = self.counters.get(key, 0) + claim.amount

    def rung(self, file: BinaryIO, call_id: str, caller: str | None) -> Iterator[Rung]:
        """Yield what makes a decision on this call count as all lines of `file` would."""
        yield from self._as_rung(call_id)
        table = DigestTable(self.places, RECORD)
        own = {at for (at,) in table.find(_digest_of(call_id))}
        for one in _lines_at(file, own):
            if one.call_id == call_id:
                yield _taken_back(one)
        if caller:
            of_caller = {at for (at,) in table.find(_digest_of(caller))} - own
            for one in _lines_at(file, sorted(of_caller)[-EARLIER_CALLS_MAXIMUM:]):
                yield replace(one, claims=(), hold_micros=None)

    def _as_rung(self, call_id: str) -> Iterator[Rung]:
        of_seconds: dict[int, list[Claim]] = {0: []}
        for (key, kind, period_start), amount in self.counters.items():
            of_seconds[0].append(_claim(key, kind, amount, period_start))
        for key, calls in self.spacing.items():
            others = [at for at, of_call in calls if of_call != call_id]
            of_seconds[0] += [_claim(key, SPACING, at) for at in others[:1]]
        for (second, key), amount in self.ringing.items():
            of_seconds.setdefault(second, []).append(_claim(key, CONCURRENCY, amount))
        for second, claims in of_seconds.items():
            yield _sum(second, claims=tuple(claims))
        for buyer_id, micros in self.holds.items():
            yield _sum(0, buyer_id=buyer_id, hold_micros=micros)


def _claim(key: str, kind: str, amount: int, period_start: int = 0) -> Claim:
    return Claim(key=key, kind=kind, amount=amount, at_most=0, period_start=period_start)


def _sum(
    second: int, *, claims: tuple[Claim, ...] = (), buyer_id: int = 0, hold_micros: int | None = None
) -> Rung:
    """Return a sum as if one call had rung it, at the end of an epoch second."""
    return Rung(
        at_ms=second * 1000 + 999,
        call_id="",
        attempt=0,
        target_id=0,
        buyer_id=buyer_id,
        campaign_id=0,
        caller=None,
        claims=claims,
        hold_micros=hold_micros,
    )


def _taken_back(one: Rung) -> Rung:
    """Return what takes a line out of the sums: what a call rang before is over for itself."""
    claims = tuple(replace(claim, amount=-claim.amount) for claim in one.claims if claim.kind != SPACING)
    micros = None if one.hold_micros is None else -one.hold_micros
    return _sum(one.at_ms // 1000, claims=claims, buyer_id=one.buyer_id, hold_micros=micros)


def _merged(places: Buffer, records: list[bytes]) -> bytes:
    table, before = DigestTable(places, RECORD), 0
    parts: list[Buffer] = []
    for record in sorted(records):
        at = table.first(record[:DIGEST_BYTES]) * RECORD.size
        parts += (places[before:at], record)
        before = at
    return b"".join((*parts, places[before:]))


def rung_for(path: Path, call_id: str, caller: str | None) -> list[Rung]:
    """Return what was rung and is not known to hold room, as a decision on this call needs it: sums, and its own lines.

    The time does not grow with the lines, if sums were made before.
    """
    found: list[Rung] = []
    inodes = set[int]()
    for one in rung_files(path):
        with suppress(OSError), open(one, "rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            if inode not in inodes:  # or it was put in place of the next one meanwhile
                inodes.add(inode)
                sums, left = _summed(one, file)
                found = [*sums.rung(file, call_id, caller), *(rung for _, rung in left), *found]
    return found


def sum_up(path: Path) -> None:
    """Make sums where many lines were added since. Never raises for files; a full disk leaves the older ones."""
    for one in rung_files(path):
        with suppress(OSError), open(one, "rb") as file:
            _summed(one, file)


def _summed(path: Path, file: BinaryIO) -> tuple[Sums, list[tuple[int, Rung]]]:
    """Return the sums and the lines that they do not cover, given with where each begins."""
    first = sha256(file.readline(LONGEST_LINE_BYTES)).hexdigest()
    try:
        sums = _read(sums_path(path), first)
    except (OSError, ValueError, KeyError, TypeError):
        sums = Sums()
    file.seek(sums.end)
    at, left, lines = sums.end, list[tuple[int, Rung]](), file.readlines()
    for line in lines:
        if line.endswith(b"\n"):
            if (one := rung_of_line(line)) is not None:
                left.append((at, one))
            at += len(line)
    if len(lines) <= LINES_LEFT:
        return sums, left
    sums.add(left, at)
    with suppress(OSError):
        _write(sums_path(path), first, sums)
    return sums, []


def _lines_at(file: BinaryIO, places: Iterable[int]) -> Iterator[Rung]:
    for at in sorted(places):
        file.seek(at)
        if (one := rung_of_line(file.readline(LONGEST_LINE_BYTES))) is not None:
            yield one


def _read(path: Path, first: str) -> Sums:
    with open(path, "rb") as file:
        stored = json.loads(file.readline())
        start = file.tell()
        if (stored["format"], stored["first"]) != (FORMAT, first):
            raise ValueError("of another file")
        places = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[start:]
    if len(places) != stored["places"]:
        raise ValueError("cut short")
    return Sums(
        end=stored["end"],
        counters={(key, kind, began): amount for key, kind, began, amount in stored["counters"]},
        ringing={(second, key): amount for second, key, amount in stored["ringing"]},
        spacing={key: [(at, call_id) for at, call_id in calls] for key, calls in stored["spacing"]},
        holds=dict(stored["holds"]),
        places=places,
    )


def _write(path: Path, first: str, sums: Sums) -> None:
    header = {
        "format": FORMAT,
        "first": first,
        "end": sums.end,
        "counters": [(*key, amount) for key, amount in sums.counters.items()],
        "ringing": [(*key, amount) for key, amount in sums.ringing.items()],
        "spacing": list(sums.spacing.items()),
        "holds": list(sums.holds.items()),
        "places": len(sums.places),
    }
    put_in_place(path, [json.dumps(header).encode() + b"\n", sums.places], durable=False)
