"""The commands about money as an admin types them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncEngine

from billing.seal import Sealer
from store.session import open_engine
from tests.billing.contracts import contract
from tests.billing.test_settle_call import a_call, settled
from tests.billing.test_stripe_provider import BUYER_KEY, KEY, SECRET, event, signed
from tests.market import Market, make_market
from tests.sealing import seal_all
from tollbridge.cli import cli
from tollbridge.node_config import layout_of
from tollbridge.sealing import sealer_of
from tollbridge.settings import read_settings


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)
    asyncio.run(_one_call(database_url))

    def command(*words: str) -> Result:
        return CliRunner().invoke(cli, list(words))

    return command


async def _one_call(database_url: str) -> Market:
    engine: AsyncEngine = open_engine(database_url, application_name="test")
    try:
        market = await make_market(engine)
        await settled(engine, a_call(market))
        return market
    finally:
        await engine.dispose()


def test_terms_are_checked_saved_and_shown(run: Any, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(contract()))
    bad.write_text(json.dumps(contract(currency="EUR", rules=[{"name": "a", "price": "-1"}])))
    assert run("terms", "check", str(good)).output == f"{good} can be saved\n"
    refused = run("terms", "check", str(bad))
    assert refused.exit_code == 1 and "rules[0].price: '-1' is negative" in refused.output
    to_save = ("terms", "set", str(good), "--name", "first", "--campaign", "mortgage", "--from")
    assert "is over: calls since then" in run(*to_save, "2026-01-01T00:00Z").output
    assert "has no zone" in run(*to_save, "2126-01-01T00:00").output
    assert run(*to_save, "2126-01-01T00:00Z").output.startswith("saved; calls that start from 2126-01-01")
    shown = run("terms", "show", "--name", "first").output
    assert "first, mortgage: from 2126-01-01 00:00:00 UTC (to come)" in shown
    assert "$45.00 for a call connected 90 s" in shown
    assert run("terms", "show", "--name", "nobody").output == "there are no such terms\n"


def test_what_stripe_tells_is_recorded_once(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, body = tmp_path / "event.json", event(metadata={BUYER_KEY: "1"})
    file.write_bytes(body)
    told = ("wallet", "event", str(file), "--signature", signed(body))
    assert "set TOLLBRIDGE_STRIPE_API_KEY" in run(*told).output
    monkeypatch.setenv("TOLLBRIDGE_STRIPE_API_KEY", KEY)
    monkeypatch.setenv("TOLLBRIDGE_STRIPE_WEBHOOK_SECRET", SECRET)
    assert run(*told).output == "transaction 2\n"
    assert "it was there before" in run(*told).output
    assert "not believed" in run("wallet", "event", str(file), "--signature", "t=1,v1=0").output
    assert "balance $455.00" in run("wallet", "show").output  # 500 less the call's 45


def test_money_comes_in_is_invoiced_disputed_and_adjusted(run: Any, tmp_path: Path) -> None:
    assert run("wallet", "topup", "first", "500", "--key", "w-1").output == "transaction 2\n"
    assert "it was there before" in run("wallet", "topup", "first", "500", "--key", "w-1").output
    assert run("wallet", "topup", "first", "501", "--key", "w-1").exit_code == 1
    assert run("wallet", "limits", "first", "--prepaid", "--credit", "0").output == "changed\n"
    assert "first: prepaid, balance $455.00, $455.00 to spend" in run("wallet", "show").output
    made = run("invoice", "make", "first", "--month", "2026-02")
    assert "1 lines, $45.00 USD, draft" in made.output
    assert run("invoice", "issue", "1").output.startswith("Invoice INV-")
    exported = tmp_path / "invoice.json"
    exported.write_text(run("invoice", "show", "1", "--json").output)
    assert run("invoice", "check", str(exported)).exit_code == 0
    assert run("invoice", "pdf", "1", "--out", str(tmp_path / "i.pdf")).exit_code == 0
    assert (tmp_path / "i.pdf").read_bytes().startswith(b"%PDF-")
    call_id = json.loads(run("calls", "--json").output)[0]["call_id"]
    late = run("dispute", "open", call_id, "--reason", "spam")
    assert late.exit_code == 1 and "the window to return it ended on 2026-02-09" in late.output
    assert "the buyer's terms for this call pay nothing" in run("sale", call_id, "--key", "k").output
    rows = tmp_path / "adjust.csv"
    rows.write_text("party,name,amount,key\nbuyer,first,5.00,a\npublisher,ads,-1.00,b\n")
    assert run("adjust", "import", str(rows)).output.startswith("2 would be posted")
    assert run("adjust", "import", str(rows), "--write").output.startswith("2 posted")
    assert (
        run("adjust", "post", "--key", "c", "--reason", "echo", "--", "publisher", "ads", "-2").exit_code == 0
    )
    story = run("call", call_id).output
    assert "converted: connected 100 s of 90 s" in story
    assert run("ledger", "verify").exit_code == 0
    assert "CSV" in run("reconcile", "--help").output


def test_the_books_are_proved_against_a_root_that_was_noted(
    run: Any, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLBRIDGE_DATA_DIR", str(tmp_path / "node"))
    key = run("ledger", "key").output.strip()
    assert run("ledger", "key").output.strip() == key and len(bytes.fromhex(key)) == 32
    assert (tmp_path / "node" / "ledger-key.pem").stat().st_mode & 0o777 == 0o600
    assert "no signed roots are written down here" in run("ledger", "verify").output
    told = json.loads(run("ledger", "verify", "--json").output)
    assert told["holds"] and "no signed roots are written down here" in " ".join(told["warnings"])
    checked = [told["verification"][name] for name in ("signatures_checked", "roots_checked")]
    assert checked == [True, False]
    settings = read_settings()
    asyncio.run(_sealed(database_url, sealer_of(settings, layout_of(settings))))
    proved = run("ledger", "verify")
    assert proved.exit_code == 0 and proved.output.startswith("the ledger holds: 1 transactions in 1 batches")
    noted = proved.output.split("newest roots: ")[1].split()[0]
    assert run("ledger", "verify", "--expect", noted).exit_code == 0
    other = f"1:{'ab' * 32}"
    refused = run("ledger", "verify", "--expect", noted, "--expect", other)
    assert refused.exit_code == 1 and f"was expected with root {'ab' * 32}" in refused.output
    assert run("ledger", "verify", "--expect", "1:x").exit_code == 2
    monkeypatch.setenv("TOLLBRIDGE_DATA_DIR", str(tmp_path / "elsewhere"))
    assert f"signed by a key that is not known here, {key}" in run("ledger", "verify").output
    monkeypatch.setenv("TOLLBRIDGE_LEDGER_PUBLIC_KEYS", key)
    by_copy = run("ledger", "verify", "--roots", str(tmp_path / "node" / "roots"), "--json")
    assert json.loads(by_copy.output)["holds"] is True


async def _sealed(database_url: str, sealer: Sealer) -> None:
    engine = open_engine(database_url, application_name="test")
    try:
        await seal_all(engine, sealer)
    finally:
        await engine.dispose()
