"""The dialplan and our code spell every shared variable alike."""

from __future__ import annotations

import re
from pathlib import Path

from agi import channel_variables

TEMPLATE = Path(__file__).parents[2] / "asterisk_conf" / "templates" / "extensions.conf.j2"


def test_every_variable_of_the_dialplan_is_named_in_one_place_and_used() -> None:
    ours = {value for name, value in vars(channel_variables).items() if name.isupper()}
    in_dialplan = set(re.findall(r"TB_[A-Z_]+", TEMPLATE.read_text()))
    assert in_dialplan == ours
