"""A model's own phrases: what may stand in phrases.json, and which sentence names what may not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agi.speech.vosk_phrases import grammars_of_folder, own_grammars
from ivr_flows.grammars import read_answer

YES_NO = {"yes": ["oui"], "no": ["non"]}
COMMANDS = {"operator": ["une personne"], "stop_calling": ["ne me (rappelez | appelez) plus"]}


def test_commands_are_heard_at_every_question_and_at_those_of_keys() -> None:
    grammars = own_grammars({"yes_no": YES_NO, "loan_type": {"refinance": ["refaire"]}, "commands": COMMANDS})
    assert [grammar.name for grammar in grammars] == ["yes_no", "loan_type", "commands"]
    for grammar in grammars:
        assert read_answer(grammar, "ne me rappelez plus") == "stop_calling"
        assert grammar.commands_only is (grammar.name == "commands")
    assert read_answer(grammars[0], "oui") == "yes" and read_answer(grammars[2], "oui") is None


def test_without_commands_there_is_no_grammar_of_commands() -> None:
    (grammar,) = own_grammars({"yes_no": YES_NO})
    assert grammar.commands == {} and not grammar.commands_only


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([], "write {grammar: {value: [phrase]}}, with at least one grammar"),
        ({}, "write {grammar: {value: [phrase]}}, with at least one grammar"),
        ({"yes_no": ["oui"]}, "yes_no: write {value: [phrase]}, with at least one value"),
        ({"commands": {}}, "commands: write {value: [phrase]}, with at least one value"),
        (
            {"yes_no": {"yes": "oui"}},
            "yes_no: write a list of phrases for 'yes', at least one and none of them empty",
        ),
        (
            {"yes_no": YES_NO, "commands": {"repeat": []}},
            "commands: write a list of phrases for 'repeat', at least one and none of them empty",
        ),
        (
            {"yes_no": YES_NO, "commands": {"repeat": [" "]}},
            "commands: write a list of phrases for 'repeat', at least one and none of them empty",
        ),
        (
            {"yes_no": YES_NO, "commands": {"hang_up": ["adieu"]}},
            "commands: there is no command 'hang_up'; there are operator, repeat, stop_calling, do_not_record",
        ),
        (
            {"yes_no": YES_NO, "commands": {"stop_calling": ["non"]}},
            "yes_no: 'non' means no and stop_calling: a phrase can mean one thing only",
        ),
        ({"yes_no": {"yes": ["(oui"]}}, "'(oui': '(' is not closed"),
    ],
)
def test_what_cannot_be_used_is_named(data: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        own_grammars(data)


def test_the_file_is_named_and_none_is_needed(tmp_path: Path) -> None:
    assert grammars_of_folder(tmp_path) is None
    file = tmp_path / "phrases.json"
    file.write_text("{")
    with pytest.raises(ValueError, match=r"phrases.json: Expecting property name"):
        grammars_of_folder(tmp_path)
    file.write_text(json.dumps({"yes_no": {}}))
    with pytest.raises(ValueError, match=r"phrases.json: yes_no: write"):
        grammars_of_folder(tmp_path)
