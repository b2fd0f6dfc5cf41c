from __future__ import annotations

import pytest

from router.area_codes import (
    AreaCodesUnavailable,
    area_codes_source,
    read_area_codes,
    read_zip_codes,
    zip_codes_source,
)
from router.data_tables import read_table
from rules.zip_codes import state_of_zip


def test_the_table_comes_from_the_kept_package_and_leaves_its_memory_elsewhere() -> None:
    table = read_area_codes()
    assert table["614"] == ["OH"]
    assert table["203"] == ["CT"]
    assert 300 < len(table) < 500
    assert area_codes_source().startswith("phonenumbers ")


def test_zip_codes_are_known_by_their_first_three_digits_but_where_these_lie_in_several_states() -> None:
    table = read_zip_codes()
    assert table["432"] == "OH"
    assert "063" not in table
    assert (state_of_zip("06390", table), state_of_zip("06320", table)) == ("NY", "CT")
    assert state_of_zip("43215-1234", table) == "OH"
    assert state_of_zip("00601", table) == "PR", "known, though no state of ours"
    assert state_of_zip("09001", table) is None, "a soldier abroad may live anywhere"
    assert len(table) < 2000
    assert zip_codes_source().startswith("zipcodes ")


@pytest.mark.parametrize("text", ["", "4321", "432155", "OH", "43215-12", "４３２１５", "43215-", "00000"])
def test_what_is_no_zip_code_says_nothing(text: str) -> None:
    assert state_of_zip(text, {"432": "OH"}) is None


def test_a_table_that_cannot_be_read_says_why() -> None:
    with pytest.raises(AreaCodesUnavailable, match="no_such_table"):
        read_table("rules.places", "no_such_table")
