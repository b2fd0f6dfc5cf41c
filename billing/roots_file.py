"""The roots that were signed, one JSON line each, in a file of a chain that nobody who has only the database can reach.

The file is only ever added to. It may lie on another disk or be shipped to a store that keeps what it was given.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from billing.seal_signatures import Seal, SignedSeal

_TAIL_BYTES = 8192
"""The last line is in here, many times over."""


@dataclass(frozen=True, kw_only=True)
class RootsFolder:
    """The files of all chains of one node."""

    path: Path

    def file(self, chain: str) -> Path:
        return self.path / f"{chain}-roots.jsonl"

    def append(self, chain: str, seals: Sequence[SignedSeal]) -> None:
        """Add seals, oldest first; they are on the disk when this returns. Raises OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"{json.dumps(seal.to_json(), separators=(',', ':'))}\n" for seal in seals)
        # A line that a crash cut short is left as it is, and ended.
        tail = self._tail(chain) if self.file(chain).exists() else b""
        torn = bool(tail) and not tail.endswith(b"\n")
        with self.file(chain).open("ab") as file:
            file.write((("\n" if torn else "") + lines).encode())
            file.flush()
            os.fsync(file.fileno())

    def last(self, chain: str) -> SignedSeal | None:
        """Return the newest seal that is written down; None when there is none. Raises OSError."""
        if not self.file(chain).exists():
            return None
        for line in reversed(self._tail(chain).splitlines()):
            if (seal := read_line(line)) is not None:
                return seal
        return None

    def _tail(self, chain: str) -> bytes:
        with self.file(chain).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - _TAIL_BYTES, 0))
            return file.read()


def read_line(line: bytes) -> SignedSeal | None:
    """Read a line; None when it is none, as after a crash."""
    try:
        found = json.loads(line)
        seal = Seal(
            chain=found["chain"],
            batch=int(found["batch"]),
            previous_root=bytes.fromhex(found["previous_root"]),
            root=bytes.fromhex(found["root"]),
            entry_count=int(found["entry_count"]),
            sealed_at_us=int(found["sealed_at_us"]),
        )
        key, signature = bytes.fromhex(found["public_key"]), bytes.fromhex(found["signature"])
    except (ValueError, KeyError, TypeError):
        return None
    return SignedSeal(seal=seal, public_key=key, signature=signature)


def read_lines(file: Path, size_bytes: int) -> Iterator[SignedSeal]:
    """Yield the seals in the first `size_bytes` of a file, in its order. Raises OSError."""
    with file.open("rb") as opened:
        while opened.tell() < size_bytes:
            if (seal := read_line(opened.readline())) is not None:
                yield seal
