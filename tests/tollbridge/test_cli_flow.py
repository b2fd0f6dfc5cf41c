"""The flow commands as an admin types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ivr_flows import library
from ivr_flows.case_file import caller_from_json, replay, resume_from_json, step_to_json
from ivr_flows.definition import parse_flow
from tollbridge.cli import cli

Run = Callable[..., Result]


def flow(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["flow", *words], input=typed)


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", database_url)
    monkeypatch.setenv("TOLLBRIDGE_DATA_DIR", str(tmp_path / "data"))
    return flow


def written(folder: Path, definition: object, name: str = "mortgage") -> str:
    file = folder / f"{name}.json"
    file.write_text(definition if isinstance(definition, str) else json.dumps(definition))
    return str(file)


def test_a_flow_is_exported_changed_imported_published_and_taken_back(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path, library.load("mortgage"))
    assert "version 1 is published" in run("import", file, "--publish").output
    exported = json.loads(run("export", "mortgage").output)
    assert list(exported["nodes"]) == list(library.load("mortgage")["nodes"])
    exported["nodes"]["bye"] = {"kind": "transfer", "number": "+16145550100", "exits": {"failed": "end"}}
    exported["nodes"]["end"] = {"kind": "hang_up"}
    assert "draft saved" in run("import", written(tmp_path, exported)).output
    difference = run("diff", "mortgage").output.splitlines()
    assert difference[0] == '~ nodes.bye.kind: "hang_up" → "transfer"'
    assert difference[-1] == '+ nodes.end: {"kind": "hang_up"}'
    assert run("publish", "mortgage", "--note", "a desk").exit_code == 0
    assert "version 3 is version 1 again" in run("rollback", "mortgage", "1").output
    shown = json.loads(run("show", "mortgage", "--json").output)
    assert [(one["version"], one["note"]) for one in shown["versions"]] == [
        (3, "back to version 1"), (2, "a desk"), (1, ""),
    ]  # fmt: skip
    assert run("diff", "mortgage", "1", "3").output == "no difference\n"
    assert json.loads(run("list", "--json").output)[0]["version"] == 3
    assert "mortgage" in run("list").output and "from version 2" in run("show", "mortgage").output


def test_an_untouched_draft_of_a_flow_with_a_sub_flow_is_no_difference(run: Run, tmp_path: Path) -> None:
    part: dict[str, Any] = {"entry": "back", "nodes": {"back": {"kind": "return"}}}
    nodes = {"in": {"kind": "sub_flow", "flow": "part", "exits": {"next": "bye"}}, "bye": {"kind": "hang_up"}}
    run("import", written(tmp_path, part, "part"), "--publish")
    run("import", written(tmp_path, {"entry": "in", "nodes": nodes}, "whole"), "--publish")
    assert run("diff", "whole").output == "no difference\n"
    part["nodes"]["hi"] = {"kind": "hang_up"}
    run("import", written(tmp_path, part, "part"), "--publish")
    assert run("diff", "whole").output == '~ subflows.part: "version 1" → "version 2"\n'


def test_errors_stand_in_the_way_of_publishing_and_are_told_with_their_node(run: Run, tmp_path: Path) -> None:
    definition = library.load("mortgage")
    definition["nodes"]["notice"]["text"] = "upload:notice"
    file = written(tmp_path, definition)
    refused = run("import", file, "--publish")
    assert refused.exit_code == 1
    assert "error: node 'notice': the sound 'notice' is not there: upload it" in refused.output
    assert run("check", "mortgage").exit_code == 1
    uploads = tmp_path / "data" / "prompts" / "uploads"
    uploads.mkdir(parents=True)
    (uploads / "notice.wav").write_bytes(b"")
    assert run("check", "mortgage").exit_code == 0
    assert run("publish", "mortgage").exit_code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("show", "boats"), "there is no flow called 'boats': `tollbridge flow list` shows what there is"),
        (("export", "boats"), "the flow 'boats' has no published version"),
        (("export", "boats", "--draft"), "the flow 'boats' has no draft"),
        (("diff", "boats"), "the flow 'boats' has no published version: `tollbridge flow list` shows"),
        (("publish", "boats"), "the flow 'boats' has no draft: import or edit it first"),
        (("rollback", "boats", "2"), "the flow 'boats' has no published version 2"),
        (("check", "boats"), "there is no file and no draft called 'boats'"),
    ],
)
def test_what_is_not_there_is_said(run: Run, words: tuple[str, ...], sentence: str) -> None:
    refused = run(*words)
    assert refused.exit_code == 1 and sentence in refused.output


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"entry": ', "this is no JSON: Expecting value at line 1, column 11"),
        (" " * 500_001, "500,001 bytes; a flow has at most 500,000: split it into sub-flows"),
        ('{"format": 9, "entry": "a", "nodes": {"a": {"kind": "hang_up"}}}', "this flow is of format 9"),
        ('{"entry": "a", "nodes": {"a": {"kind": "play", "text": "x", "exits": {"next": "a"}}}}', "a loop in which"),
    ],
    ids=["broken", "too big", "newer", "cyclic"],
)  # fmt: skip
def test_a_bad_file_is_told_without_a_database(tmp_path: Path, text: str, sentence: str) -> None:
    refused = flow("check", written(tmp_path, text))
    assert refused.exit_code == 1 and sentence in refused.output


def test_the_schema_is_published() -> None:
    assert json.loads(flow("schema").output)["title"] == "Tollbridge flow"
    assert json.loads(flow("schema", "--kind", "menu").output)["title"] == "Menu"
    assert "unknown kind 'dance'" in flow("schema", "--kind", "dance").output


def test_a_call_is_played_and_saved_as_a_case(tmp_path: Path) -> None:
    case = tmp_path / "case.json"
    typed = "?refinance\nyes\n43215\nthree hundred thousand\nyes\n0\nno\n2\nCall me.\n"
    played = flow(
        "run", "mortgage_refinance_qualify", "--caller", "+16145550123", "--save", str(case), typed=typed
    )
    assert played.exit_code == 0, played.output
    lines = played.output.splitlines()
    assert "  loan_type = refinance" in lines and "  home_value = 300000" in lines
    assert "[route] route:" in lines and lines[-1] == f"written to {case}"
    kept = json.loads(case.read_text())
    resumes = [resume_from_json(step["answer"]) for step in kept["steps"][1:]]
    steps = replay(parse_flow(kept["flow"]), caller_from_json(kept["caller"]), resumes)
    assert step_to_json(steps[-1])["tags"] == kept["steps"][-1]["tags"]
    assert steps[-1].session.ended


def test_a_call_that_cannot_be_saved_is_not_played_at_all(tmp_path: Path) -> None:
    nowhere = tmp_path / "nothing" / "case.json"
    refused = flow("run", "mortgage", "--save", str(nowhere), typed="purchase\n")
    assert refused.exit_code == 1
    assert refused.output == (
        f"Error: --save {nowhere}: there is no folder {nowhere.parent}: make it, or name another\n"
    )


def test_a_folder_nobody_may_write_into_is_told_before_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    file = tmp_path / "case.json"
    refused = flow("run", "mortgage", "--save", str(file), typed="purchase\n")
    assert refused.exit_code == 1
    assert refused.output == (
        f"Error: --save {file}: you may not write into the folder {tmp_path}: name another\n"
    )


def test_a_call_is_played_for_programs_too() -> None:
    at = "2026-11-24T10:00:00-05:00"
    played = flow("run", "mortgage", "--json", "--at", at, "--tag", "source=radio", typed="purchase\n")
    assert played.exit_code == 0 and "the caller hung up" in played.stderr
    case: dict[str, Any] = json.loads(played.stdout)
    assert case["steps"][-1]["tags"] == {"loan_type": "purchase", "source": "radio"}
    assert case["caller"]["at"] == at


def test_sub_flows_are_found_beside_the_file(tmp_path: Path) -> None:
    part = {"entry": "hi", "nodes": {"hi": {"kind": "play", "text": "Inside.", "exits": {"next": "back"}},
            "back": {"kind": "return"}}}  # fmt: skip
    nodes = {"in": {"kind": "sub_flow", "flow": "part", "exits": {"next": "bye"}}, "bye": {"kind": "hang_up"}}
    written(tmp_path, part, "part")
    played = flow("run", written(tmp_path, {"entry": "in", "nodes": nodes}, "whole"), typed="")
    assert "Play: Inside." in played.output and "HangUp" in played.output
    nodes["in"]["flow"] = "whole"
    refused = flow("run", written(tmp_path, {"entry": "in", "nodes": nodes}, "whole"), typed="")
    assert refused.exit_code == 1 and "the flow goes into itself (whole → whole)" in refused.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("run", "nothing_there"), "there is no file nothing_there"),
        (
            ("run", "mortgage", "--caller", "442071838750"),
            "--caller 442071838750: not ten digits",
        ),
        (("run", "mortgage", "--at", "noon"), "--at noon: not a time like 2026-11-24T15:00:00-05:00"),
    ],
)
def test_what_cannot_be_played_is_said(words: tuple[str, ...], sentence: str) -> None:
    refused = flow(*words, typed="")
    assert refused.exit_code == 1 and sentence in refused.output


def test_a_broken_flow_is_not_played_and_every_problem_is_told(tmp_path: Path) -> None:
    refused = flow("run", written(tmp_path, {"entry": "x", "nodes": {"a": {"kind": "dance"}}}), typed="")
    assert refused.exit_code == 1
    assert "unknown kind 'dance'" in refused.output and "cannot be played: 2 problems" in refused.output
