"""A file of licences, row by row."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.licence_file import COLUMNS, LicenceFile, read_licence_file

BUYERS = {"Keystone Lending": 1, "Lakeside": 2}
HEADER = "buyer,nmls_id,officer_name,officer_nmls_id,state,product,valid_from,valid_to,status"


def read(*rows: str, header: str = HEADER) -> LicenceFile:
    return read_licence_file("\n".join([header, *rows]), BUYERS)


def problems(*rows: str, header: str = HEADER) -> list[str]:
    return [str(problem) for problem in read(*rows, header=header).problems]


def test_a_row_is_a_licence_and_all_products_are_four() -> None:
    found = read(
        "keystone lending,0401822,,,Ohio,Refinance,2026-01-01,2026-12-31,active",
        "",
        'Lakeside,77,"Lee, Ann",1187265,mi,all,2026-01-01,,',
    )
    assert found.problems == ()
    first, *others = found.rows
    assert (first.buyer_id, first.nmls_id, first.state, first.product) == (1, "401822", "OH", "refinance")
    assert (first.valid_to, first.status, first.officer_name) == (date(2026, 12, 31), "active", None)
    assert [one.product for one in others] == ["refinance", "purchase", "home_equity", "reverse"]
    assert (others[0].officer_name, others[0].officer_nmls_id) == ("Lee, Ann", "1187265")
    assert (others[0].valid_to, others[0].status) == (None, "active")


def test_columns_may_stand_in_any_order_and_those_that_are_not_needed_may_be_left_out() -> None:
    found = read("reverse,2026-01-01,OH,Lakeside,77", header="\ufeffProduct, valid_from ,STATE,buyer,nmls_id")
    assert found.problems == () and len(found.rows) == 1


def test_every_problem_of_every_row_is_named_with_its_line_and_column() -> None:
    assert problems(
        "Nobody,x1,,,Ontario,boat,2026-02-30,someday,maybe",
        "Lakeside,77,,,OH,reverse,2026-01-01,,",
        "Lakeside,77,Ann,,PR,reverse,2026-06-01,2026-05-31,",
        "Lakeside,77,,12,OH,reverse",
    ) == [
        "line 2, buyer: there is no buyer called 'Nobody'",
        "line 2, state: 'Ontario' is not a state like OH or Ohio",
        "line 2, product: 'boat' is not one of refinance, purchase, home_equity, reverse, all",
        "line 2, valid_from: '2026-02-30' is not a day like \"2026-11-24\"",
        "line 2, valid_to: 'someday' is not a day like \"2026-11-24\"",
        "line 2, nmls_id: 'x1' is not an NMLS id like 401822",
        "line 2, status: 'maybe' is not one of active, pending, inactive, suspended, revoked, surrendered, expired",
        "line 4, state: 'PR' is not a state like OH or Ohio",
        "line 4, valid_to: 2026-05-31 is before valid_from, 2026-06-01",
        "line 4, officer_nmls_id: '' is not an NMLS id like 401822",
        "line 5: 6 cells, the header has 9",
    ]


def test_the_same_licence_twice_is_a_mistake() -> None:
    assert problems(
        "Lakeside,77,,,OH,reverse,2026-01-01,,", "Lakeside,077,,,Ohio,all,2026-01-01,2027-01-01,"
    ) == ["line 3: the same licence as in line 2"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the header lacks buyer, nmls_id, state, product, valid_from"),
        (f"{HEADER},shoe_size\n", "line 1: the header has 'shoe_size', which is not one of"),
        (f"{HEADER},state\n", "line 1: the header names a column twice"),
        (f'{HEADER}\n"Lakeside,77', "line 2: not CSV: unexpected end of data"),
        (f'{HEADER}\n"Lake"side,77', "line 2: not CSV"),
        (f"{HEADER}\n{'x' * 200_000}", "line 2: not CSV: field larger than field limit"),
        ("x" * 20_000_001, "line 1: more than 20000000 characters"),
    ],
)
def test_what_is_no_such_file_is_refused(text: str, problem: str) -> None:
    found = read_licence_file(text, BUYERS)
    assert str(found.problems[0]).startswith(problem)


def test_a_file_full_of_mistakes_is_not_read_to_its_end() -> None:
    found = problems(*["Nobody,x,,,O,b,y,z,m"] * 5_000)
    assert len(found) < 1_010
    assert found[-1].endswith("not read any further")


@given(
    st.text(max_size=300)
    | st.lists(st.sampled_from([*COLUMNS, "Lakeside", "OH", '"', ",", "\n"])).map(",".join)
)
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    found = read_licence_file(text, BUYERS)
    assert all(problem.line >= 1 and problem.reason for problem in found.problems)
