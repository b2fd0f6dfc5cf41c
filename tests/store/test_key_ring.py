"""What is sealed opens with the same keys for the same purpose, and in no other way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.key_ring import BadKeys, Key, KeyRing, NotSealedByUs, read_ring, spelled

RING = KeyRing.made()
CALLER = "+16145550123"


@given(st.binary(max_size=300), st.binary(max_size=20), st.text(max_size=20))
def test_what_is_sealed_opens_as_it_was(plain: bytes, bound_to: bytes, purpose: str) -> None:
    sealed = RING.seal(purpose, plain, bound_to=bound_to)
    assert RING.unseal(purpose, sealed, bound_to=bound_to) == plain
    assert sealed != RING.seal(purpose, plain, bound_to=bound_to), "equal values look different"
    with pytest.raises(NotSealedByUs):
        RING.unseal(purpose + "x", sealed, bound_to=bound_to)
    with pytest.raises(NotSealedByUs):
        RING.unseal(purpose, sealed, bound_to=bound_to + b"x")


@given(st.data())
def test_no_byte_of_it_can_be_changed(data: st.DataObject) -> None:
    sealed = RING.seal_text("caller", CALLER)
    at = data.draw(st.integers(0, len(sealed) - 1))
    changed = bytes((sealed[at] ^ data.draw(st.integers(1, 255)),))
    with pytest.raises(NotSealedByUs):
        RING.unseal("caller", sealed[:at] + changed + sealed[at + 1 :])
    with pytest.raises(NotSealedByUs):
        RING.unseal("caller", sealed[:at])


def test_a_newer_key_seals_and_the_older_ones_still_open() -> None:
    before = RING.seal_text("caller", CALLER)
    newer = RING.with_newer_key()
    after = newer.seal_text("caller", CALLER)
    assert newer.unseal_text("caller", before) == newer.unseal_text("caller", after) == CALLER
    assert (newer.is_newest(before), newer.is_newest(after)) == (False, True)
    assert newer.blind("caller", CALLER) == RING.blind("caller", CALLER), "look-ups outlive a rotation"
    with pytest.raises(NotSealedByUs):
        newer.newest_only().unseal("caller", before)


def test_an_index_is_equal_for_equal_values_of_one_purpose_and_ring() -> None:
    assert RING.blind("caller", CALLER) == RING.blind("caller", CALLER)
    assert RING.blind("caller", CALLER) != RING.blind("buyer", CALLER)
    assert RING.blind("caller", CALLER) != KeyRing.made().blind("caller", CALLER)
    assert RING.fingerprint != KeyRing.made().fingerprint


def test_a_file_of_keys_reads_as_it_was_spelled() -> None:
    ring = RING.with_newer_key()
    assert read_ring("# of this node\n\n" + spelled(ring)) == ring
    assert not any(key.secret.hex() in repr(ring) or repr(key.secret) in repr(ring) for key in ring.keys)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "index " + "A" * 43 + "=",
        spelled(KeyRing((), b"x" * 32)),
        spelled(RING) + spelled(RING),
        spelled(KeyRing((Key(b"abcd", b"short"),), b"x" * 32)),
        spelled(KeyRing((Key(b"abcde", b"x" * 32),), b"x" * 32)),
        "0011aabb no-base64\n",
    ],
)
def test_a_file_of_keys_that_is_damaged_says_so_and_shows_no_key(text: str) -> None:
    with pytest.raises(BadKeys) as refused:
        read_ring(text)
    assert "AAAA" not in str(refused.value)
