"""ETags name a state and tell nothing of it."""

from __future__ import annotations

import json
from hashlib import md5, sha1, sha256, sha512

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from store import tables
from store.key_ring import KeyRing
from tests.web.market import Market
from tests.web.resources.conftest import Machine, clients, machine  # noqa: F401
from web.etags import Etags
from web.resources.catalogue import RESOURCES

TRUNK = {
    "name": "second",
    "carrier_name": "Carrier & Sons",
    "addresses": ["192.0.2.7"],
    "username": "tollbridge",
    "password": "hunter2",
}


async def test_a_password_cannot_be_guessed_from_an_etag(
    machine: Machine,  # noqa: F811
    market: Market,
    engine: AsyncEngine,
) -> None:
    """Anyone who knows every value of a trunk and guesses its password right cannot tell by the ETag that they did."""
    trunk_id = await machine.make("/trunks", TRUNK)
    etag = (await machine.ask("GET", f"/trunks/{trunk_id}"))[2]["ETag"].strip('"')
    resource = next(one for one in RESOURCES if one.name == "trunks")
    async with engine.connect() as connection:
        found = await connection.execute(select(tables.trunks).where(tables.trunks.c.id == trunk_id))
        row = {**found.mappings().one(), "password": "hunter2"}
    values = resource.values_of(row)
    guesses = (values, [values], ["trunks", trunk_id, values])
    texts = [json.dumps(guess, sort_keys=True, default=str).encode() for guess in guesses]
    assert etag not in {
        digest(text).hexdigest()[: len(etag)] for text in texts for digest in (md5, sha1, sha256, sha512)
    }


def test_nodes_of_one_database_know_each_others_etags() -> None:
    here, there, stranger = Etags(), Etags(), Etags(KeyRing.made)
    assert there.read(here.name("trunks", 7, {"a": 1}), "trunks", 7)({"a": 1})
    assert not stranger.read(here.name("trunks", 7, {"a": 1}), "trunks", 7)({"a": 1})


def test_equal_values_elsewhere_have_another_name() -> None:
    """Else somebody could make a row of guessed values and compare."""
    etags = Etags()
    names = {etags.name(kind, ref, {"a": 1}) for kind in ("trunks", "buyers") for ref in (1, 11)}
    assert len(names) == 4


@given(st.text())
def test_what_is_no_etag_of_ours_fits_nothing(text: str) -> None:
    assert not Etags().read(text, "trunks", 7)({"a": 1})
