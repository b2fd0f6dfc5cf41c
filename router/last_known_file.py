"""What was known last, on disk: for the survival script, and for an agi process that starts without a database.

Two files beside the snapshot file. `….known` is JSON: wallets and counters, written anew when they have changed.
`….callers` holds the lists of suppressed callers and the newest calls as tables that are searched where they are: a
header, then both tables. Callers are in it by a keyed digest; the key is in `….callers-key`, of its owner only. Only
the standard library is imported: survival reads this while a caller waits.
"""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from router.domain.last_known import EARLIER_RECORD, SUPPRESSED_RECORD, DigestTable, LastKnown, Rung
from router.domain.live_counts import Changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1
CALLERS_FORMAT = 2
LOCK_SECONDS = 0.3
ROWS_A_LINE = 1_000
RUNG_FILE = "rung-without-database.jsonl"
RUNG_BYTES_MAXIMUM = 32 << 20
"""Of the lines that hold no room yet, some 50,000 calls: beyond it nobody with a limit is rung until the worker has
taken their room."""


def known_path(snapshot_file: Path) -> Path:
    return snapshot_file.with_name(snapshot_file.name + ".known")


def callers_path(snapshot_file: Path) -> Path:
    return snapshot_file.with_name(snapshot_file.name + ".callers")


def caller_key_path(callers_file: Path) -> Path:
    """Where the key is by which the file's callers are found; nothing that is sealed opens by it."""
    return callers_file.with_name(callers_file.name + "-key")


def rung_path(journal_dir: Path) -> Path:
    return journal_dir / RUNG_FILE


def read_last_known(snapshot_file: Path) -> LastKnown:
    """Read what was known last. What is missing or damaged counts as never read; never raises for files."""
    known = LastKnown()
    try:
        _read_counts(known_path(snapshot_file), known)
    except (OSError, ValueError, KeyError, TypeError):
        known.owed_micros = known.owed_ms = known.counted_ms = None
    try:
        _read_callers(callers_path(snapshot_file), known)
    except (OSError, ValueError, KeyError, TypeError):
        known.suppressed = known.suppressed_ms = known.earlier = known.earlier_ms = None
    return known


def _read_counts(path: Path, known: LastKnown) -> None:
    header, *lines = path.read_bytes().splitlines()
    stored = json.loads(header)
    if stored["format"] != FORMAT or len(lines) != stored["lines"]:
        raise ValueError("cut short, or of another format")
    rows = [row for line in lines for row in json.loads(line)]
    of_targets = stored["histories"]
    owed = {int(buyer_id): owed for buyer_id, owed in stored["owed_micros"]}
    known.live.replace_all(Changes(counters=rows[of_targets:], histories=rows[:of_targets]))
    known.owed_micros, known.owed_ms = (owed, stored["owed_ms"]) if stored["owed_ms"] else (None, None)
    known.counted_ms = stored["counted_ms"]
    known.maximum_age_ms = stored["maximum_age_ms"]


def _read_callers(path: Path, known: LastKnown) -> None:
    with open(path, "rb") as file:
        header = json.loads(file.readline(4096))
        start = file.tell()
        if header["format"] != CALLERS_FORMAT:
            raise ValueError(header["format"])
        whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[start:]
    known.caller_key = caller_key_path(path).read_bytes()
    suppressed, earlier = header["suppressed"], header["earlier"]
    middle = suppressed["records"] * SUPPRESSED_RECORD.size
    if len(whole) != middle + earlier["records"] * EARLIER_RECORD.size:
        raise ValueError("cut short")
    if suppressed["read_ms"]:
        known.suppressed, known.suppressed_ms = (
            DigestTable(whole[:middle], SUPPRESSED_RECORD),
            suppressed["read_ms"],
        )
    if earlier["read_ms"]:
        known.earlier, known.earlier_ms = DigestTable(whole[middle:], EARLIER_RECORD), earlier["read_ms"]


def write_counts(snapshot_file: Path, known: LastKnown, counts: Changes) -> None:
    """Put wallets and counters in place of the older ones. Raises OSError.

    Spelled a few at a time: the process has calls to decide beside.
    """
    histories = list(counts.histories)
    rows = iter([*histories, *counts.counters])
    lines = []
    while some := list(islice(rows, ROWS_A_LINE)):
        lines.append(json.dumps(some).encode())
    header = {
        "format": FORMAT,
        "lines": len(lines),
        "histories": len(histories),
        "counted_ms": known.counted_ms,
        "owed_ms": known.owed_ms,
        "owed_micros": list((known.owed_micros or {}).items()),
        "maximum_age_ms": known.maximum_age_ms,
    }
    put_in_place(
        known_path(snapshot_file), [b"\n".join((json.dumps(header).encode(), *lines))], durable=False
    )


def write_callers(snapshot_file: Path, known: LastKnown) -> None:
    """Put both tables in place of the older ones, and the key of their digests beside them. Raises OSError."""
    _write_caller_key(caller_key_path(callers_path(snapshot_file)), known.caller_key)
    header: dict[str, Any] = {"format": CALLERS_FORMAT}
    bodies: list[bytes | memoryview] = []
    for name, table, read_ms in (
        ("suppressed", known.suppressed, known.suppressed_ms),
        ("earlier", known.earlier, known.earlier_ms),
    ):
        header[name] = {"records": 0 if table is None else len(table), "read_ms": read_ms}
        bodies.append(b"" if table is None else table.records)
    put_in_place(callers_path(snapshot_file), [json.dumps(header).encode() + b"\n", *bodies])


def _write_caller_key(path: Path, key: bytes) -> None:
    try:
        same = path.read_bytes() == key
    except FileNotFoundError:
        same = False
    if not same:
        put_in_place(path, [key])


def put_in_place(path: Path, parts: Sequence[bytes | memoryview], *, durable: bool = True) -> None:
    """Write a file whole or not at all; the older one stays until then. Raises OSError."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        # The owner's only: it says who called, and what buyers owe.
        with open(partial, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            for part in parts:
                file.write(part)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def append_rung(path: Path, rung: Sequence[Rung]) -> int:
    """Add what was rung without the database, with one write; return how many bytes.

    The worker takes the room for it. Raises OSError when the files or the disk are full.
    """
    if rung_is_full(path):
        raise OSError(errno.EFBIG, "too many were rung without the database", str(path))
    return append_lines(path, "".join(json.dumps(one.to_json()) + "\n" for one in rung).encode())


def append_lines(path: Path, data: bytes) -> int:
    """Add whole lines to a file with one write; return how many bytes. Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            data = b"\n" + data  # half a line of a disk that was full ends there
        if (written := os.write(fd, data)) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return written
    finally:
        os.close(fd)


def rung_is_full(path: Path) -> bool:
    """Say whether no more can be added until the worker has taken the room of what is there."""
    return bytes_of(rung_stamp(path)) >= RUNG_BYTES_MAXIMUM


def sums_path(path: Path) -> Path:
    """Return where the sums of one such file are (router.rung_sums)."""
    return path.with_name(path.name + ".sums")


def taking_path(path: Path) -> Path:
    """Where the worker keeps the file while it takes the room."""
    return path.with_name(path.name + ".taking")


def taken_path(path: Path) -> Path:
    """Where the worker keeps what has its room, until the agi process has read the counters that say so."""
    return path.with_name(path.name + ".taken")


def rung_files(path: Path) -> tuple[Path, Path, Path]:
    """Return the files of what counts as rung, in the order to read them in: a line may move on to the next."""
    return path, taking_path(path), taken_path(path)


def counters_read_ms(snapshot_file: Path) -> int:
    """Return when the older of the filed counters and wallets was read, in epoch ms; 0 when there are none."""
    try:
        with open(known_path(snapshot_file), "rb") as file:
            header = json.loads(file.readline())
        return min(header["counted_ms"] or 0, header["owed_ms"] or 0)
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def rung_stamp(path: Path) -> tuple[tuple[int, int, int], ...]:
    """Return what tells whether `read_rung` would find anything else: inode, bytes and time of each file there is."""
    found = []
    for one in rung_files(path):
        try:
            stat = one.stat()
        except OSError:
            continue
        found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(sorted(found))


def bytes_of(stamp: tuple[tuple[int, int, int], ...]) -> int:
    return sum(size for _, size, _ in stamp)


def read_rung(path: Path) -> list[Rung]:
    """Return what was rung and is not known to hold room. What is moved meanwhile is found twice rather than missed."""
    newest, taking, taken = map(rung_in, rung_files(path))
    return [*taken, *taking, *newest]


def rung_in(path: Path) -> list[Rung]:
    """Return what one such file holds, which need not be there; lines that are damaged are left out."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    return [one for line in lines if (one := rung_of_line(line)) is not None]


def rung_of_line(line: bytes) -> Rung | None:
    """Return what a line says; None when it is damaged."""
    try:
        return Rung.from_json(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Keep other survival scripts from deciding meanwhile, so that each counts what the others ring.

    Who cannot have it for LOCK_SECONDS goes on without: a caller waits.
    """
    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a full disk
        yield
        return
    try:
        until = time.monotonic() + LOCK_SECONDS
        while time.monotonic() < until:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(0.005)
        yield
    finally:
        os.close(lock)
