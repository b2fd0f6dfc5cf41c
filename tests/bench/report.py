"""How every benchmark reports (DESIGN 9): progress on stderr, one line of JSON last on stdout, exit 1 below a bar."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

NONE_MEASURED = 9e9
"""The time of what never happened: it is above every bar."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One measured value and the bar it has to hold. `bar` is empty for a value that is only told."""

    name: str
    value: float
    unit: str
    bar: str = ""
    holds: bool = True
    yardstick: str = ""
    runs: Sequence[float] = ()


def at_most(
    name: str, value: float, unit: str, limit: float, *, yardstick: str = "", runs: Sequence[float] = ()
) -> Bar:
    """Return a bar that holds when `value` is not above `limit`."""
    return Bar(
        name=name,
        value=round(value, 3),
        unit=unit,
        bar=f"<= {limit:g}",
        holds=value <= limit,
        yardstick=yardstick,
        runs=[round(run, 3) for run in runs],
    )


def told(name: str, value: float, unit: str, *, yardstick: str = "", runs: Sequence[float] = ()) -> Bar:
    """Return a value without a bar."""
    return Bar(
        name=name, value=round(value, 3), unit=unit, yardstick=yardstick, runs=[round(run, 3) for run in runs]
    )


def at_least(
    name: str, value: float, unit: str, limit: float, *, yardstick: str = "", runs: Sequence[float] = ()
) -> Bar:
    """Return a bar that holds when `value` is not below `limit`."""
    return Bar(
        name=name,
        value=round(value, 3),
        unit=unit,
        bar=f">= {limit:g}",
        holds=value >= limit,
        yardstick=yardstick,
        runs=[round(run, 3) for run in runs],
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def progress(text: str) -> None:
    """Say on stderr what is going on."""
    print(f"  {text}", file=sys.stderr, flush=True)


def finish(bench: str, bars: Sequence[Bar]) -> int:
    """Print the bars for people on stderr and as JSON on stdout; return the exit status."""
    for bar in bars:
        verdict = "" if not bar.bar else f"  bar {bar.bar}: {'holds' if bar.holds else 'FALLS SHORT'}"
        progress(
            f"{bar.name}: {bar.value:g} {bar.unit}{verdict}{f'  ({bar.yardstick})' if bar.yardstick else ''}"
        )
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"bench": bench, "bars": [asdict(bar) for bar in bars], "machine": machine}))
    return 0 if all(bar.holds for bar in bars) else 1
