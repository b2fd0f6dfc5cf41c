"""Which ZIP codes there are."""

from __future__ import annotations

import json
from importlib.resources import files

import zipcodes

from ivr_flows.answer_readers import exists, may_become_answer
from ivr_flows.zip_codes import may_become_zip, packed


def test_the_file_holds_the_codes_of_the_package_as_it_is_installed() -> None:
    kept = json.loads(files("ivr_flows.grammar_files").joinpath("zip_codes.json").read_text("ascii"))
    installed = packed(row["zip_code"] for row in zipcodes.list_all())  # type: ignore[no-untyped-call]
    assert kept["areas"] == installed, f"run {kept['made_by']}"


def test_a_code_and_each_of_its_beginnings_are_known() -> None:
    assert all(may_become_zip("43215"[:size]) for size in range(6))
    assert not may_become_zip("46238") and not may_become_zip("345") and not may_become_zip("432150")


def test_figures_said_so_far_tell_whether_a_code_may_come_of_them() -> None:
    assert may_become_answer("zip", "Nine, oh, two")
    assert may_become_answer("zip", "ninety two one eight") and exists("zip", "92101")
    assert not may_become_answer("zip", "three four five one"), "no code begins with 345"
    assert may_become_answer("zip", "three four five"), "the last word may be unfinished"
    assert not exists("zip", "34512") and exists("money", "34512") and may_become_answer("money", "34512")
