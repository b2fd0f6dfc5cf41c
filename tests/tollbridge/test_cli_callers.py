"""The callers commands as an admin types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.postgres import execute
from tollbridge.cli import cli


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)
    execute(database_url, "INSERT INTO buyers (name) VALUES ('Keystone')")
    execute(database_url, "INSERT INTO campaigns (name, flow_name) VALUES ('mortgage', 'mortgage')")

    def command(*words: str) -> Result:
        return CliRunner().invoke(cli, ["callers", *words])

    return command


def test_callers_are_blocked_listed_and_let_in_again(run: Any) -> None:
    assert run("block", "number", "+16145550123", "--reason", "a robot").exit_code == 0
    assert run("block", "number", "+16145550123", "--reason", "two robots").exit_code == 0
    assert run("block", "anonymous", "--campaign", "mortgage").exit_code == 0
    first, second = json.loads(run("blocked", "--json").output)
    assert (first["value"], first["campaign"], first["reason"]) == ("+16145550123", None, "two robots")
    assert (second["kind"], second["campaign"]) == ("anonymous", "mortgage")
    assert run("unblock", str(first["id"])).output == "dropped\n"
    assert len(run("blocked").output.splitlines()) == 1
    assert run("unblock", "999").exit_code == 1


def test_a_rule_that_cannot_be_right_is_refused(run: Any) -> None:
    assert "value: '614' is not written like +1614" in run("block", "prefix", "614").output
    assert "there is no campaign called 'boats'" in run("block", "anonymous", "--campaign", "boats").output
    assert run("blocked").output == ""


def test_a_book_of_business_comes_in_whole_or_not_at_all(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "book.txt"
    file.write_text("+16145550123\n(614) 555-0124\n\n1 614 555 0123\nhello\n")
    refused = run("suppress", "Keystone", str(file))
    assert refused.exit_code == 1
    assert "line 5: 'hello' is not a number like +16145550123" in refused.output
    file.write_text("+16145550123\n(614) 555-0124\n\n1 614 555 0123\n")
    assert run("suppress", "Keystone", str(file)).output == "2 added, 1 known before\n"
    assert run("suppress", "Keystone", str(file)).output == "0 added, 3 known before\n"
    assert "there is no buyer called 'Nobody'" in run("suppress", "Nobody", str(file)).output
