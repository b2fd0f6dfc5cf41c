"""Which ZIP codes there are, so that of two that sound alike the one that exists is heard. Pure.

The file beside the grammars is made of the package zipcodes (MIT), which itself would cost a speech process 100 MB:

    python -m ivr_flows.zip_codes        write it again, after an update of the package
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

FIGURES = 5
_FILE = "zip_codes.json"
_FOLDER = "ivr_flows.grammar_files"
_AREA_FIGURES = 3
"""The file holds, for each first three figures, which of the hundred last two there are, as bits in hexadecimal."""


def may_become_zip(figures: str) -> bool:
    """Return whether a ZIP code that exists begins with `figures` (or is them)."""
    return figures in _beginnings()


@cache
def _beginnings() -> frozenset[str]:
    areas: dict[str, str] = json.loads(files(_FOLDER).joinpath(_FILE).read_text("ascii"))["areas"]
    codes = {code for area, bits in areas.items() for code in _codes(area, int(bits, 16))}
    return frozenset(code[:size] for code in codes for size in range(FIGURES + 1))


def _codes(area: str, bits: int) -> Iterable[str]:
    return (f"{area}{rest:02d}" for rest in range(100) if bits >> rest & 1)


def packed(codes: Iterable[str]) -> dict[str, str]:
    """Return the file's areas for these codes."""
    areas: dict[str, int] = {}
    for code in codes:
        area = code[:_AREA_FIGURES]
        areas[area] = areas.get(area, 0) | 1 << int(code[_AREA_FIGURES:])
    return {area: f"{bits:x}" for area, bits in sorted(areas.items())}


def main() -> None:
    import zipcodes  # noqa: PLC0415 (only where the file is made)

    areas = packed(row["zip_code"] for row in zipcodes.list_all())  # type: ignore[no-untyped-call]
    made = {
        "made_by": "python -m ivr_flows.zip_codes",
        "source": f"zipcodes {version('zipcodes')}",
        "areas": areas,
    }
    file = Path(str(files(_FOLDER).joinpath(_FILE)))
    file.write_text(json.dumps(made, indent=0) + "\n", "ascii")


if __name__ == "__main__":
    main()
