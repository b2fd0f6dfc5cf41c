"""What a market document carries of kept data packages: area codes, ZIP codes and the holidays its schedules name.

They travel with the market so that a decision can be made again whatever version of a package is installed then, and
so that the survival script has them without reading 100 MB.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from router.area_codes import (
    area_codes_source,
    read_area_codes,
    read_zip_codes,
    zip_codes_source,
)
from router.data_tables import TableUnavailable
from router.errors import SnapshotUnreadable
from router.snapshot_file import read_places
from rules.holiday_calendars import UnknownCalendar, holidays_of
from rules.places import STATE_CODES
from rules.schedule import calendar_named

log = logging.getLogger(__name__)

YEARS_AHEAD = 2

US_CALENDARS = ("US", *(f"US-{state}" for state in STATE_CODES))
"""Always carried, named or not: 100 kB, so that a schedule may begin to go by one without the rest being read again."""

Table = dict[str, Any]


class KeptData:
    """The tables, read once a process: from the last snapshot file when its data are of the same version."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._tables: dict[str, Table] = {}
        self._days: dict[tuple[str, int], dict[str, str] | None] = {}

    async def of_market(self, targets: Iterable[Mapping[str, Any]]) -> Table:
        """Return what a market document with these targets carries. Never raises: what cannot be read is left out."""
        named = {name for target in targets if (name := calendar_named(target["schedule"])) is not None}
        calendars = named.union(US_CALENDARS)
        packages = _packages()
        if len(self._tables) < len(packages):
            await asyncio.to_thread(self._read_tables)
        year = datetime.now(UTC).year
        if any((name, year) not in self._days for name in calendars):
            await asyncio.to_thread(self._read_calendars, calendars, year)
        found: Table = {name: self._tables.get(name, {}) for name in packages}
        found |= {f"{name}_source": source for name, (source, _) in packages.items()}
        days = {name: self._days[name, year] for name in sorted(calendars)}
        return {**found, "holidays": {name: one for name, one in days.items() if one is not None}}

    def _read_tables(self) -> None:
        stored = _document_of(self._file)
        for name, (source, read) in _packages().items():
            if name not in self._tables:
                known = stored.get(name) if stored.get(f"{name}_source") == source else None
                table = known or _table(name, read)
                if table is not None:
                    self._tables[name] = table

    def _read_calendars(self, calendars: Iterable[str], year: int) -> None:
        for name in calendars:
            if (name, year) in self._days:
                continue
            try:
                days = holidays_of(name, range(year - 1, year + YEARS_AHEAD + 1))
            except UnknownCalendar as error:
                log.warning("a schedule goes by holidays that cannot be had: %s", error)
                days = None
            self._days[name, year] = days


def _packages() -> dict[str, tuple[str, Callable[[], Table]]]:
    """Table -> name and version of the data it comes from, and how it is read."""
    return {
        "area_codes": (area_codes_source(), read_area_codes),
        "zip_codes": (zip_codes_source(), read_zip_codes),
    }


def _table(name: str, read: Callable[[], Table]) -> Table | None:
    try:
        return read()
    except TableUnavailable as error:
        log.warning("%s cannot be read, callers are not placed by them: %s", name.replace("_", " "), error)
        return None


def _document_of(file: Path) -> Mapping[str, Any]:
    try:
        return read_places(file)
    except SnapshotUnreadable:
        return {}  # none yet, or an older format: the load from the database will write a new one
