"""One database for all of this folder: a whole node is started on it once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import cloned_database


@pytest.fixture(scope="module")
def module_database_url(postgres_url: str) -> Iterator[str]:
    with cloned_database(postgres_url) as url:
        yield url
