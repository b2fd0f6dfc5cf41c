"""`make bench-router`: the bars of the router, each with its yardstick in the same run."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import uvloop

from store.session import open_engine
from tests.bench.big_market import big_market
from tests.bench.report import Bar, finish, progress
from tests.bench.router_auction import run_auction_bars
from tests.bench.router_decision import decision_bars, reload_bars
from tests.bench.router_leases import lease_bars
from tests.bench.router_races import race_bars, turn_bars
from tests.postgres import cloned_database, server_for_tests


async def _reload_bars(database_url: str, folder: Path) -> list[Bar]:
    engine = open_engine(database_url, application_name="bench")
    try:
        return await reload_bars(engine, folder, big_market())
    finally:
        await engine.dispose()


def main() -> int:
    progress("making a market of 10,000 targets")
    bars = decision_bars(big_market())
    with server_for_tests() as server_url, tempfile.TemporaryDirectory() as folder:
        with cloned_database(server_url) as database_url:
            bars += uvloop.run(_reload_bars(database_url, Path(folder)))
        with cloned_database(server_url) as database_url:
            progress("64 callers for 10 places, 20 runs of every kind of cap")
            bars += uvloop.run(race_bars(database_url))
            bars += turn_bars(database_url)
    # As a node runs it, for both sides: what is committed is on the disk.
    with (
        server_for_tests({}) as server_url,
        cloned_database(server_url) as database_url,
        tempfile.TemporaryDirectory() as folder,
    ):
        bars += lease_bars(database_url, Path(folder))
    bars += run_auction_bars()
    return finish("router", bars)


if __name__ == "__main__":
    sys.exit(main())
