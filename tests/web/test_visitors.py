"""The address people reach us by: the setting's, not what a request says."""

from __future__ import annotations

import re
from pathlib import Path

WEB = Path(__file__).parents[2] / "web"


def test_one_place_says_by_what_address_people_reach_us() -> None:
    """A stranger may send any Host: addresses that we show or hand on never follow it when ours is known."""
    found = re.compile(r"request\.url\.origin|\.url\.origin\(")
    assert not [path.name for path in WEB.rglob("*.py") if found.search(path.read_text())]
