"""Digests that notice everything, and proofs that show one entry without the others."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.seal_leaves import (
    FIRST_ROOT,
    Entry,
    blinds_of,
    leaf_of,
    merkle_path,
    merkle_root,
    seal_root,
)

SALT = b"s" * 16
ENTRY = Entry(
    id=1, head='[1, "c", "settlement", 5, null]', parts=("{}", '["buyer:1:receivable", 5]', '["revenue", -5]')
)
LEAVES = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=20, unique=True)


@pytest.mark.parametrize(
    "changed",
    [
        replace(ENTRY, id=2),
        replace(ENTRY, head='[1, null, "settlement", 5, null]'),
        replace(ENTRY, parts=('{"a": 1}', *ENTRY.parts[1:])),
        replace(ENTRY, parts=(ENTRY.parts[0], '["buyer:1:receivable", 6]', '["revenue", -6]')),
        replace(ENTRY, parts=ENTRY.parts[:2]),
        replace(ENTRY, parts=(*ENTRY.parts, '["payout", 1]')),
        replace(ENTRY, parts=(ENTRY.parts[0], *ENTRY.parts[:0:-1])),
    ],
)
def test_a_digest_notices_every_change(changed: Entry) -> None:
    assert leaf_of(SALT, changed) != leaf_of(SALT, ENTRY)


def test_no_two_parts_share_a_blind_and_none_is_another_entrys() -> None:
    """Whoever is shown the blind of one part can try nothing on the others."""
    shown = [blind for id_ in range(1, 50) for blind in blinds_of(SALT, id_, 7)]
    assert len(set(shown)) == len(shown) and set(map(len, shown)) == {16}
    assert blinds_of(SALT, 1, 7)[:3] == blinds_of(SALT, 1, 3)
    assert set(blinds_of(b"t" * 16, 1, 7)).isdisjoint(shown)


@given(LEAVES, st.data())
def test_a_root_notices_a_leaf_lost_added_or_moved(leaves: list[bytes], data: st.DataObject) -> None:
    root = merkle_root(leaves)
    place = data.draw(st.integers(0, len(leaves) - 1))
    assert merkle_root(leaves[:place] + leaves[place + 1 :]) != root
    assert merkle_root([*leaves, leaves[place]]) != root
    moved = [*leaves[:place], *leaves[place + 1 :], leaves[place]]
    assert (merkle_root(moved) == root) is (moved == leaves)


@given(LEAVES, st.data())
def test_a_path_leads_from_its_leaf_to_the_root_and_from_no_other(
    leaves: list[bytes], data: st.DataObject
) -> None:
    position, other = (data.draw(st.integers(0, len(leaves) - 1)) for _ in range(2))
    path = merkle_path(leaves, position)
    assert len(path) <= 5
    assert _climb(leaves[position], path) == merkle_root(leaves)
    assert other == position or _climb(leaves[other], path) != merkle_root(leaves)


def _climb(digest: bytes, path: list[tuple[str, bytes]]) -> bytes:
    for side, beside in path:
        pair = beside + digest if side == "left" else digest + beside
        digest = hashlib.sha256(b"\x01" + pair).digest()
    return digest


def test_a_seal_depends_on_its_place_in_the_chain() -> None:
    leaves = [leaf_of(SALT, ENTRY)]
    roots = {
        seal_root(1, FIRST_ROOT, leaves),
        seal_root(2, FIRST_ROOT, leaves),
        seal_root(1, b"x" * 32, leaves),
    }
    assert len(roots) == 3
