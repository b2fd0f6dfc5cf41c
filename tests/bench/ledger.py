"""`make bench-ledger`: the bars of money, each with its yardstick in the same run. QUICK=1: smaller, in a minute."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.bench.ledger_calls import posting_bars
from tests.bench.ledger_reports import report_bars
from tests.bench.ledger_settlement import CLIENTS, settlement_bars
from tests.bench.ledger_verify import verify_bars
from tests.bench.report import Bar, finish, progress
from tests.postgres import AS_A_NODE_BUT_FAST, cloned_database, server_for_tests

QUICK = bool(os.environ.get("QUICK"))
RUNS = 1 if QUICK else 3
CALLS, PGBENCH_SECONDS = (3_000, 4) if QUICK else (20_000, 10)
TRANSACTIONS = 100_000 if QUICK else 1_000_000
REAL_CALLS = 50 if QUICK else 300
REPORTED_CALLS = 100_000 if QUICK else 10_000_000
ONLY = os.environ.get("ONLY", "")
"""One part alone: settlement, verify, reports or calls."""


def main() -> int:
    bars: list[Bar] = []
    with (
        server_for_tests(AS_A_NODE_BUT_FAST) as server_url,
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as stack,
    ):

        def database() -> str:
            return stack.enter_context(cloned_database(server_url))

        if ONLY in ("", "settlement"):
            progress(f"settlement: {CALLS} calls a run")
            urls = [database() for _ in range(RUNS * len(CLIENTS))]
            bars += settlement_bars(urls, Path(folder), CALLS, PGBENCH_SECONDS)
        if ONLY in ("", "verify"):
            bars += verify_bars(database(), database(), Path(folder), TRANSACTIONS)
        if ONLY in ("", "reports"):
            bars += report_bars(database(), REPORTED_CALLS)
        if ONLY in ("", "calls"):
            bars += asyncio.run(posting_bars(Path(folder), REAL_CALLS))
    return finish("ledger", bars)


if __name__ == "__main__":
    sys.exit(main())
