"""Every node kind has case files, found by scan: exemplary ones show what it is for, supplemental ones what goes wrong.

A case is a flow, a caller, and what came of each answer (ivr_flows/case_file.py); or a flow that is refused, with the
sentences an admin reads. `tollbridge flow run FILE --save CASE` writes new ones.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ivr_flows.case_file import caller_from_json, replay, resume_from_json, step_to_json
from ivr_flows.definition import FlowError, parse_flow
from ivr_flows.inspection import texts_of
from ivr_flows.kinds import NODE_KINDS

CASES_DIR = Path(__file__).parent / "cases"
CASES = sorted(CASES_DIR.glob("*/*/*.json"))


def _read(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return case


def _name(path: Path) -> str:
    return "/".join(path.with_suffix("").parts[-3:])


@pytest.mark.parametrize("path", [path for path in CASES if "refused" not in _read(path)], ids=_name)
def test_the_call_goes_as_the_case_tells(path: Path) -> None:
    case = _read(path)
    flow = parse_flow(case["flow"])
    resumes = [resume_from_json(step["answer"]) for step in case["steps"][1:]]
    steps = replay(flow, caller_from_json(case["caller"]), resumes)
    told = [{key: value for key, value in step.items() if key != "answer"} for step in case["steps"]]
    assert [step_to_json(step) for step in steps] == told


@pytest.mark.parametrize("path", [path for path in CASES if "refused" in _read(path)], ids=_name)
def test_the_flow_is_refused_with_the_sentences_of_the_case(path: Path) -> None:
    case = _read(path)
    with pytest.raises(FlowError) as refused:
        parse_flow(case["flow"])
    assert [str(problem) for problem in refused.value.problems] == case["refused"]


@pytest.mark.parametrize("kind", NODE_KINDS)
def test_every_kind_has_cases_that_use_it_and_at_least_one_that_goes_wrong(kind: str) -> None:
    for folder in ("exemplary", "supplemental"):
        mine = sorted((CASES_DIR / kind / folder).glob("*.json"))
        assert mine, f"no case in tests/ivr_flows/cases/{kind}/{folder}"
        for path in mine:
            assert f'"kind": "{kind}"' in path.read_text(encoding="utf-8"), _name(path)


def test_no_case_is_of_a_kind_that_does_not_exist() -> None:
    assert {path.parts[-3] for path in CASES} == set(NODE_KINDS)


@pytest.mark.parametrize("path", [path for path in CASES if "refused" not in _read(path)], ids=_name)
def test_whatever_is_said_was_known_before(path: Path) -> None:
    case = _read(path)
    known = texts_of(parse_flow(case["flow"]))
    said = {
        prompt
        for step in case["steps"]
        for each in (*step["events"], step.get("wait", {}))
        for prompt in each.get("prompts", ())
        if not prompt.startswith("upload:")
    }
    assert said <= known
