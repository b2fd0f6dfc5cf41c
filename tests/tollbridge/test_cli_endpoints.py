"""The endpoints commands as an admin types them, against bidders that really answer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from router import endpoint_admin
from tests.postgres import execute
from tests.router.auctions import LOOPBACK
from tests.router.bidders import SECRET, bidders
from tollbridge.cli import cli

TEMPLATE = {
    "ping": {
        "method": "POST",
        "body_format": "json",
        "body": {"s": "{state}"},
        "headers": {"X-Key": "k-123"},
    },
    "bid": {"amount": "bid.amount"},
}


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)
    for function in (endpoint_admin.set_endpoint, endpoint_admin.list_endpoints):
        monkeypatch.setattr(function, "__defaults__", (LOOPBACK,))
    monkeypatch.setattr(endpoint_admin.try_endpoint, "__kwdefaults__", {"rules": LOOPBACK})
    execute(database_url, "INSERT INTO buyers (name) VALUES ('Keystone')")
    execute(
        database_url,
        "INSERT INTO targets (id, buyer_id, name, sip_uri, loan_types, schedule) OVERRIDING SYSTEM VALUE"
        " SELECT 7, id, 'desk', 'sip:d@127.0.0.1', '{refinance}', '{}' FROM buyers",
    )

    def command(*words: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["endpoints", *words], input=typed)

    return command


@pytest.fixture
def port() -> Iterator[int]:
    """Bidders in a thread of their own: a command has a loop of its own."""
    loop = asyncio.new_event_loop()
    stop, found = asyncio.Event(), []
    ready = threading.Event()

    async def serve() -> None:
        async with bidders() as there:
            found.append(there.port)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    yield found[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


def test_an_endpoint_is_made_tried_listed_and_switched_off(run: Any, port: int, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    url = f"http://127.0.0.1:{port}/bid?amount=45.50&seconds=90&dial=%2B16145550199"
    made = run(
        "set", "7", "--dialect", "tollbridge", "--url", url, "--secret-file", str(tmp_path / "secret"),
        "--budget", "600", "--cost", "0.002",
    )  # fmt: skip
    assert made.output == "saved; try it: tollbridge endpoints test 7\n", made.output
    tried = run("test", "7", "--state", "MI", "--tag", "loan_type=purchase")
    assert tried.exit_code == 0
    assert tried.output.startswith(f"POST {url}\n")
    assert '"loan_type":"purchase"' in tried.output and '"state":"MI"' in tried.output
    assert "accepted: $45.50 for calls of 90 s, to +16145550199 (worth $18.20: it has had" in tried.output
    listed = run("list").output
    assert "well" in listed and "0/600 a minute" in listed and "$0.002 each" in listed
    assert "Keystone / desk" in listed
    for shown in (tried, run("show", "7"), run("show", "7", "--json"), run("list", "--json")):
        assert SECRET not in shown.output
    assert run("set", "7", "--disable", "--budget", "-1").exit_code == 0
    (row,) = json.loads(run("list", "--json").output)
    assert (row["state"], row["budget_per_minute"], row["cost_micros"]) == ("switched off", None, 2000)


def test_ceilings_are_set_and_a_bid_over_them_is_invalid(run: Any, port: int) -> None:
    url = f"http://127.0.0.1:{port}/bid?amount=1000.01&seconds=600"
    run("set", "7", "--dialect", "tollbridge", "--url", url, "--secret-file", "-", typed=SECRET)
    tried = run("test", "7")
    assert tried.exit_code == 1
    assert "invalid: $1,000.01 for calls of 600 s (a bid of $1,000.01 is above its ceiling of $1,000.00)" in (
        tried.output
    )
    assert "longest_minimum_seconds: not in 0..3600" in run("set", "7", "--longest-minimum", "3601").output
    assert "least_paid_percent: not in 0..100" in run("set", "7", "--least-paid", "101").output
    changed = run("set", "7", "--highest-bid", "2,000", "--longest-minimum", "599", "--most-refused", "50")
    assert changed.exit_code == 0, changed.output
    assert "a minimum of 600 s is above its ceiling of 599 s" in run("test", "7").output
    (row,) = json.loads(run("list", "--json").output)
    limits = ("highest_bid_micros", "longest_minimum_seconds", "most_refused_percent", "least_paid_percent")
    assert [row[name] for name in limits] == [2_000_000_000, 599, 50, 25]


def test_the_list_says_who_rests_and_what_its_wins_came_to(run: Any, database_url: str) -> None:
    run("set", "7", "--dialect", "ringba", "--url", "http://127.0.0.1:1/")
    execute(
        database_url,
        "INSERT INTO bidder_records"
        " (target_id, won, refused, unpaid, worth_micros, paid_micros, rested_until, why, hides_caller)"
        " VALUES (7, 20, 8, 12, 400000000, 0, now() + interval '1 hour', 'it paid $0.00', true)",
    )
    listed = run("list").output
    assert "rested until" in listed and "not asked for bids: it paid $0.00" in listed
    assert (
        "won 20, refused or did not answer 8, did not pay 12; paid $0.00 for bids worth $400.00;"
        " the caller's number is not shown to it" in listed
    )
    assert "rested_for_wins_until" in run("show", "7").output


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/garbage", "invalid (not JSON"),
        ("/redirect", "invalid (a redirect (status 302)"),
        ("/hang", "late (no whole answer in 100 ms)"),
        ("/close", "invalid (the connection was closed without an answer)"),
    ],
)
def test_a_bad_answer_is_shown_with_the_verdict_and_the_time(
    run: Any, port: int, path: str, words: str
) -> None:
    url = f"http://127.0.0.1:{port}{path}"
    run("set", "7", "--dialect", "tollbridge", "--url", url, "--secret-file", "-", typed=SECRET)
    tried = run("test", "7", "--deadline", "100")
    assert tried.exit_code == 1
    assert words in tried.output and " ms" in tried.output.splitlines()[-1]


def test_a_template_comes_from_a_file_and_each_mistake_is_named_with_its_place(
    run: Any, tmp_path: Path
) -> None:
    file = tmp_path / "keystone.json"
    wanted = (
        "set",
        "7",
        "--dialect",
        "template",
        "--url",
        "https://bids.example.com/p",
        "--settings",
        str(file),
    )
    file.write_text('{"ping": {')
    assert "line 1, column 11: not JSON" in run(*wanted).output
    file.write_text(json.dumps({**TEMPLATE, "bid": {}, "post": {"method": "BREW"}}))
    refused = run(*wanted)
    assert refused.exit_code == 1
    assert "settings.bid.amount: missing" in refused.output
    assert "the endpoint of target 7 stays as it was" in refused.output
    assert run("list").output.startswith("no endpoints")
    file.write_text(json.dumps(TEMPLATE))
    assert run(*wanted).exit_code == 0
    shown = run("show", "7").output
    assert "bid.amount" in shown and "X-Key" in shown and "k-123" not in shown


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("set", "7", "--enable"), "target 7 has no endpoint yet: name --dialect and --url"),
        (("set", "9", "--dialect", "ringba", "--url", "https://x.example"), "there is no target 9"),
        (("set", "7"), "nothing is to be changed"),
        (("set", "7", "--cost", "cheap"), "--cost"),
        (("set", "7", "--dialect", "morse", "--url", "https://x.example"), "dialect: 'morse' is not one of"),
        (("set", "7", "--dialect", "ringba", "--url", "http://169.254.169.254/"), "url: 169.254.169.254"),
        (("test", "7"), "target 7 has no endpoint"),
        (("test", "7", "--tag", "x"), "--tag x: is not NAME=VALUE"),
        (("show", "7"), "target 7 has no endpoint"),
    ],
)
def test_what_cannot_be_right_is_refused_with_the_reason(
    run: Any, words: tuple[str, ...], reason: str
) -> None:
    done = run(*words)
    assert done.exit_code == 1 and reason in done.output


def test_a_rested_bidder_and_its_pings_of_this_minute_are_seen_in_the_list(
    run: Any, database_url: str
) -> None:
    run("set", "7", "--dialect", "ringba", "--url", "https://rtb.example.com/x.json", "--budget", "5")
    execute(
        database_url,
        "INSERT INTO endpoint_health (target_id, window_started_at, rested_until)"
        " VALUES (7, now(), now() + interval '1 hour')",
    )
    execute(
        database_url,
        "INSERT INTO cap_counters (key, used, period_start)"
        " VALUES ('target:7:pings', 4, extract(epoch FROM date_trunc('minute', now()))::bigint)",
    )
    listed = run("list").output
    assert "rested until " in listed and "4/5 a minute" in listed


def test_secrets_are_given_again_for_another_host_or_dialect(run: Any, tmp_path: Path) -> None:
    url, strange = "https://bids.example.com/p", "https://strange.example/take"
    run("set", "7", "--dialect", "tollbridge", "--url", url, "--secret-file", "-", typed=SECRET)
    for moved in (
        ("--url", strange),
        ("--dialect", "retreaver"),
        ("--url", "https://bids.example.com:444/p"),
    ):
        refused = run("set", "7", *moved)
        assert refused.exit_code == 1 and "secret: it was given for another host" in refused.output
    assert run("set", "7", "--url", "https://bids.example.com/other", "--budget", "5").exit_code == 0
    assert run("set", "7", "--url", strange, "--secret-file", "-", typed=SECRET).exit_code == 0
    file = tmp_path / "template.json"
    file.write_text(json.dumps(TEMPLATE))
    made = ("set", "7", "--dialect", "template", "--url", url, "--settings", str(file), "--secret-file", "-")
    assert run(*made, typed=SECRET).exit_code == 0
    refused = run("set", "7", "--url", strange, "--secret-file", "-", typed=SECRET)
    assert refused.exit_code == 1 and "settings: they hold headers or keys" in refused.output
    (row,) = json.loads(run("list", "--json").output)
    assert row["url"] == url
