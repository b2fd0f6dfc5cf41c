"""The last snapshot on disk: what the survival script sells by, and what a start without a database begins with.

Lines: a header; an index of the parts; the parts of the market, each in its canonical spelling. Survival reads only
the parts its call needs, so that a call costs the same in a market of any size. Only the standard library is
imported, and little of it: the survival script reads this while a caller waits.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping

from router.domain.decision import canonical_bytes
from router.domain.market import Snapshot
from router.domain.market_parts import (
    PLACES,
    SHARED,
    Part,
    buyer_part,
    buyers_of_campaign,
    campaign_part,
    digest_of_parts,
    document_of,
    keep_for_call,
    parts_of,
)
from router.domain.read_market import MARKET_FORMAT, read_market
from router.errors import SnapshotRefused, SnapshotUnreadable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

    AnyPath = str | os.PathLike[str]
    StatesOf = Callable[[Mapping[str, Any], Mapping[str, str]], Collection[str]]

MAXIMUM_BYTES = 1024 * 1024 * 1024
MAXIMUM_LINE_BYTES = 64 * 1024 * 1024


class SnapshotFile:
    """An open snapshot file. Raises SnapshotUnreadable for whatever is wrong with it."""

    def __init__(self, file: BinaryIO, path: AnyPath) -> None:
        self._file = file
        self._path = os.fspath(path)
        self.header = self._read_line(file.readline(MAXIMUM_LINE_BYTES))
        if self.header.get("format") != MARKET_FORMAT:
            raise self._unreadable(f"format {self.header.get('format')}, this is {MARKET_FORMAT}")
        index = file.readline(MAXIMUM_LINE_BYTES)
        if zlib.crc32(index) != self.header.get("crc32"):
            raise self._unreadable("damaged (checksum)")
        self._index = self._read_line(index)
        self._start = file.tell()

    @property
    def names(self) -> Iterable[str]:
        found: Mapping[str, Any] = self._index["parts"]
        return found.keys()

    @property
    def buyer_of(self) -> Mapping[str, int]:
        """Buyer by target id (as text)."""
        found: Mapping[str, int] = self._index["buyer_of"]
        return found

    def body(self, name: str) -> bytes:
        """Return one part, whole and undamaged."""
        try:
            offset, length, checksum = self._index["parts"][name]
        except (KeyError, TypeError, ValueError) as error:
            raise self._unreadable(f"damaged ({error!r})") from error
        self._file.seek(self._start + offset)
        body = self._file.read(length)
        if len(body) != length or zlib.crc32(body) != checksum:
            raise self._unreadable("damaged (checksum)")
        return body

    def snapshot(self, names: Iterable[str]) -> Snapshot:
        """Read the market as far as it stands in the parts named."""
        return self.market(self.document(names))

    def document(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the market document as far as it stands in the parts named."""
        try:
            return document_of({name: self.body(name) for name in names})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unreadable(f"{type(error).__name__}: {error}") from error

    def market(self, document: dict[str, Any]) -> Snapshot:
        """Read what a document of this file says."""
        try:
            version, digest = self.header["version"], self.header["digest"]
            return read_market(document, version=version, digest=digest, caller_key=_caller_key(self._path))
        except (SnapshotRefused, KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._unreadable(f"{type(error).__name__}: {error}") from error

    def _read_line(self, line: bytes) -> dict[str, Any]:
        try:
            read = json.loads(line)
            if isinstance(read, dict):
                return read
        except ValueError as error:
            raise self._unreadable(f"damaged ({error})") from error
        raise self._unreadable("damaged (not a snapshot)")

    def _unreadable(self, problem: str) -> SnapshotUnreadable:
        return SnapshotUnreadable(f"{self._path}: {problem}")


def read_snapshot(path: AnyPath) -> Snapshot:
    """Read the whole market. Raises SnapshotUnreadable when the file is missing, damaged or of another format."""
    with _opened(path) as file:
        snapshot = SnapshotFile(file, path)
        return snapshot.snapshot(snapshot.names)


def read_snapshot_for(path: AnyPath, dialled: str, states_of: StatesOf | None = None) -> Snapshot:
    """Read only what a call to the number `dialled` (E.164) needs: its campaign's plan and who stands in it.

    `states_of` is told the tables of area codes and ZIP codes and says where the caller may live: licences elsewhere
    are left out. The other campaigns are in it without a plan. Raises SnapshotUnreadable.
    """
    with _opened(path) as file:
        snapshot = SnapshotFile(file, path)
        names, stages = [SHARED, PLACES], []
        campaign_id = _campaign_of(json.loads(snapshot.body(SHARED)), dialled)
        if campaign_id is not None:
            part = campaign_part(campaign_id)
            stages = json.loads(snapshot.body(part))["stages"]
            names += [part, *map(buyer_part, sorted(buyers_of_campaign(stages, snapshot.buyer_of)))]
        document = snapshot.document(names)
        tables = document.get("area_codes", {}), document.get("zip_codes", {})
        keep_for_call(document, stages, None if states_of is None else states_of(*tables))
        return snapshot.market(document)


def _campaign_of(shared: Mapping[str, Any], dialled: str) -> int | None:
    for number in shared["numbers"]:
        if number["e164"] == dialled:
            return int(number["campaign_id"])
    return None


def read_document(path: AnyPath) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read header (format version digest) and market document. Raises SnapshotUnreadable."""
    with _opened(path) as file:
        snapshot = SnapshotFile(file, path)
        bodies = {name: snapshot.body(name) for name in snapshot.names}
        return snapshot.header, document_of(bodies)


def read_places(path: AnyPath) -> dict[str, Any]:
    """Read only the tables of places. Raises SnapshotUnreadable."""
    with _opened(path) as file:
        places: dict[str, Any] = json.loads(SnapshotFile(file, path).body(PLACES))
        return places


def _caller_key(path: AnyPath) -> bytes:
    """Return the key that router.last_known_file keeps beside; empty when there is none yet."""
    try:
        with open(f"{os.fspath(path)}.callers-key", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _opened(path: AnyPath) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise SnapshotUnreadable(f"{os.fspath(path)}: {error.strerror}") from error


def write_snapshot(path: AnyPath, *, version: int, market: bytes) -> str:
    """Put a market document, as `canonical_bytes` spells it, in place of the older one. Returns its digest."""
    parts = parts_of(json.loads(market))
    digest = digest_of_parts(parts)
    write_parts(path, version=version, digest=digest, parts=parts)
    return digest


def write_parts(path: AnyPath, *, version: int, digest: str, parts: Mapping[str, Part]) -> None:
    """Put a market in place of the older one, at once and whole. Raises OSError.

    Several processes may write at the same time.
    """
    index = _index_line(parts)
    header = {"format": MARKET_FORMAT, "version": version, "digest": digest, "crc32": zlib.crc32(index)}
    partial = f"{os.fspath(path)}.{os.getpid()}"
    try:
        # The owner's only: it holds every buyer's address and terms.
        with open(partial, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(canonical_bytes(header) + b"\n" + index)
            for part in parts.values():
                file.write(part.body + b"\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        if os.path.exists(partial):
            os.unlink(partial)
        raise


def _index_line(parts: Mapping[str, Part]) -> bytes:
    offset, places = 0, {}
    for name, part in parts.items():
        places[name] = [offset, len(part.body), part.checksum]
        offset += len(part.body) + 1
    buyer_of = {str(target_id): part.buyer_id for part in parts.values() for target_id in part.target_ids}
    return canonical_bytes({"parts": places, "buyer_of": buyer_of}) + b"\n"


def digest_of(market: bytes) -> str:
    """Return the name of a market document."""
    return digest_of_parts(parts_of(json.loads(market)))
