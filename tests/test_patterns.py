"""No regular expression of ours costs more than the length of what it reads, whatever a stranger sends.

Pydantic's own patterns (`Field(pattern=…)`) are left out: its engine is linear by its nature.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from store.session import open_engine
from tests.patterns import ROOT, Found, patterns_of_rooms, patterns_of_scripts, trouble
from web.app import make_app

FOUND, UNKNOWN = patterns_of_rooms()
KNOWN_WHEN_RUNNING = {
    ("ivr_flows/grammars.py", "known.keys_pattern"),
    # Read by anyone who writes docs/licences.md, of packages that are pinned: plain words of its own table.
    ("tollbridge/packages/licences.py", "words"),
}


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$", r"(a|aa)*b", r"(\w+\s?)*x", r"\s+$", r"<a[^>]*>", r"\s*,\s*", r"Key \(([^)]*)\)",
        r"(?m)^(from|f|to|t|call-id|i|cseq|contact|m)\s*:\s*(.*?)\s*$", r"\d+\.?\d+x", r"(.*?)\s*$",
        r".*a.*b", r"(\w{1,20}\s?){1,20}x",
    ],
)  # fmt: skip
def test_a_pattern_that_backtracks_is_found_out(pattern: str) -> None:
    assert trouble(Found(place="here", pattern=re.compile(pattern), methods=("search",)))


@pytest.mark.parametrize("pattern", [r"[a-z]+", r"(a|b)*c", r"<a>", r"[^,]{1,40}", r"\d{1,18}"])
def test_a_linear_pattern_is_not(pattern: str) -> None:
    assert trouble(Found(place="here", pattern=re.compile(pattern), methods=("match", "fullmatch"))) is None


@pytest.mark.parametrize("found", FOUND, ids=[one.place for one in FOUND])
def test_each_pattern_is_linear(found: Found) -> None:
    assert trouble(found) is None, "parse it by splitting instead, or bound what it repeats"


def test_patterns_of_the_pages_scripts_are_linear() -> None:
    found = patterns_of_scripts()
    assert len(found) >= 5
    assert not [one.place for one in found if trouble(one)]
    made = re.compile(r"\bnew RegExp\b|\bRegExp\(")
    files = [*(ROOT / "web" / "islands").rglob("*.ts*"), *(ROOT / "web" / "static").glob("*.js")]
    assert not [file.name for file in files if made.search(file.read_text())]


def test_patterns_made_when_running_are_known() -> None:
    """Those of grammars are tried below. Anyone who adds another says here how it is tried."""
    assert {(one.place.partition(":")[0], one.source) for one in UNKNOWN} == KNOWN_WHEN_RUNNING


def _patterns_of_grammars() -> Iterator[Found]:
    for file in sorted((ROOT / "ivr_flows" / "grammar_files").glob("*.json")):
        text = json.loads(file.read_text()).get("keys_pattern")
        if text:
            yield Found(place=file.name, pattern=re.compile(text), methods=("fullmatch",))


@pytest.mark.parametrize("found", list(_patterns_of_grammars()), ids=lambda found: found.place)
def test_keys_of_grammars_are_linear(found: Found) -> None:
    assert trouble(found) is None


def test_addresses_of_pages_are_linear() -> None:
    engine = open_engine("postgresql://nobody@127.0.0.1:1/none", application_name="test")
    app = make_app(engine, secure_cookies=False, snapshot_file=ROOT / "none", prompts_dir=ROOT / "none")
    patterns = [one.get_info().get("pattern") for one in app.router.resources()]
    forms = {_form(one.pattern) for one in patterns if one}
    assert len(forms) > 5
    found = [Found(place=form, pattern=re.compile(form), methods=("fullmatch",)) for form in forms]
    assert not [one.place for one in found if trouble(one)]


def _form(pattern: str) -> str:
    """Return an address's pattern without its names: many differ in nothing else."""
    return re.sub(r"(?<=/)[A-Za-z0-9_.\\-]+(?=/|$)", "x", re.sub(r"\(\?P<\w+>", "(", pattern))
