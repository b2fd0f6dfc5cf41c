"""What one bidder is told of a call."""

from __future__ import annotations

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from router.buyers.question import ping_id_of


@given(asked_as=st.uuids(), target_id=st.integers(0, 2**63 - 1))
def test_a_question_has_the_name_that_uuid5_gives_it(asked_as: UUID, target_id: int) -> None:
    assert ping_id_of(asked_as, target_id) == str(uuid5(asked_as, f"ping:{target_id}"))
