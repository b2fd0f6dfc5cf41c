"""The licences commands as an admin types them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.postgres import execute
from tollbridge.cli import cli

HEADER = "buyer,nmls_id,officer_name,officer_nmls_id,state,product,valid_from,valid_to\n"


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)
    execute(database_url, "INSERT INTO buyers (name) VALUES ('Keystone'), ('Lakeside')")

    def command(*words: str) -> Result:
        return CliRunner().invoke(cli, ["licences", *words])

    return command


def written(tmp_path: Path, *rows: str) -> str:
    file = tmp_path / "licences.csv"
    file.write_text(HEADER + "\n".join(rows))
    return str(file)


def in_days(count: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=count)).isoformat()


def test_a_file_comes_in_and_what_ends_soon_is_listed(run: Any, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        f"Keystone,401822,,,OH,refinance,2020-01-01,{in_days(5)}",
        f"Keystone,401822,Ann Lee,1187265,OH,refinance,2020-01-01,{in_days(40)}",
        f"Lakeside,77,,,MI,all,2020-01-01,{in_days(200)}",
    )
    checked = run("import", "--check", file)
    assert checked.output == "6 would be added, 0 would be changed, 0 known as they are\n"
    assert run("import", file).output == "6 added, 0 changed, 0 known as they are\n"
    assert json.loads(run("import", "--json", file).output) == {"added": 0, "changed": 0, "unchanged": 6}
    first, second = run("expiring", "--within", "60").output.splitlines()
    assert " ".join(first.split()) == f"{in_days(5)} ends in 5 days OH refinance Keystone, NMLS 401822"
    assert second.endswith("Keystone, NMLS 401822, Ann Lee (NMLS 1187265)")
    assert run("expiring", "--within", "3").output == "no licence ends within 3 days\n"
    listed = json.loads(run("expiring", "--json").output)
    assert [(one["days_left"], one["urgency"]) for one in listed] == [(5, 7), (40, 60)]


def test_a_wrong_row_is_named_and_nothing_is_taken(run: Any, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "Keystone,401822,,,OH,refinance,2020-01-01,",
        "Nobody,401822,,,ZZ,refinance,2020-01-01,",
    )
    refused = run("import", file)
    assert refused.exit_code == 1
    assert "line 3, buyer: there is no buyer called 'Nobody'" in refused.output
    assert "line 3, state: 'ZZ' is not a state" in refused.output
    assert "2 problems; nothing was taken" in refused.output
    good = written(tmp_path, "Keystone,401822,,,OH,refinance,2020-01-01,")
    assert run("import", good).output.startswith("1 added")
