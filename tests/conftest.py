"""Fixtures every room's tests may use: a real PostgreSQL, migrated, one fresh database for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import cache

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from sqlalchemy.ext.asyncio import AsyncEngine

from router import data_tables, kept_data
from store.key_ring import KeyRing, spelled, use_key_ring
from store.session import open_engine
from tests.postgres import cloned_database, server_for_tests

# Hypothesis fails what takes 0.2 s, or draws ten examples in more than one: a busy machine does, and no test is timed.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


@pytest.fixture(scope="session", autouse=True)
def kept_data_is_read_once() -> Iterator[None]:
    """The tables of area codes, ZIP codes and holidays, as they are, but not anew for the market of each test.

    A process reads them once, in two seconds of the processor, and so does a process of tests: however long they take
    on a busy machine, for what is given up would be begun again by each test after.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_tables, "READ_TIMEOUT_SECONDS", 90)
        for name in ("read_area_codes", "read_zip_codes", "holidays_of"):
            patch.setattr(kept_data, name, cache(getattr(kept_data, name)))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_key_ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The keys that this process seals by, and the processes that it starts."""
    ring, file = KeyRing.made(), tmp_path_factory.mktemp("keys") / "sealing-keys"
    file.touch(mode=0o600)
    file.write_text(spelled(ring))
    use_key_ring(lambda: ring)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOLLBRIDGE_SEALING_KEYS_FILE", str(file))
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of the `postgres` database of this test session's own server (one for each xdist worker)."""
    with server_for_tests(in_memory=True) as server_url:
        yield server_url


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """URL of a fresh, migrated database that no other test sees."""
    with cloned_database(postgres_url) as url:
        yield url


@pytest_asyncio.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on `database_url`, as a process of a node opens it, with a process's rights."""
    engine = open_engine(database_url, application_name="test")
    yield engine
    await engine.dispose()
