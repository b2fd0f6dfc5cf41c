"""What a caller is not asked to wait for, these tests are: the machine does other things as well."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from router import inbound_arrival, ping_gate
from tests.router.markets import PATIENT_SECONDS


@pytest.fixture(autouse=True)
def the_database_may_be_slow() -> Iterator[None]:
    """No look-up is given up after a blink. Routing itself has its own budget (Router's `database_seconds`)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inbound_arrival, "CLAIM_SECONDS", PATIENT_SECONDS)
        patch.setattr(ping_gate, "BUDGET_TIMEOUT_SECONDS", PATIENT_SECONDS)
        yield
