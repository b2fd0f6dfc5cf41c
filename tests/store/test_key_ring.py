"""What is sealed opens with the same keys for the same purpose, and in no other way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import key_ring as key_rings
from store.key_ring import BadKeys, Key, KeyRing, NotSealedByUs, key_ring, read_ring, spelled, use_key_ring

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


def test_a_prepared_key_opens_and_seals_only_once_it_is_the_newest() -> None:
    ready = RING.with_prepared_key()
    assert ready.with_prepared_key() is ready and read_ring(spelled(ready)) == ready
    assert ready.is_newest(RING.seal_text("caller", CALLER)), "it seals nothing yet"
    newer = ready.with_newer_key()
    assert newer.prepared is None and newer.ids == ready.ids
    assert ready.unseal_text("caller", newer.seal_text("caller", CALLER)) == CALLER


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file of keys that this process follows at once; the tests' own ring is put back after."""
    monkeypatch.setattr(key_rings, "LOOK_EVERY_SECONDS", 0)
    file = tmp_path / "keys"
    file.write_text(spelled(RING))
    kept = list(key_rings._source)
    use_key_ring(lambda: read_ring(file.read_text()), lambda: file.exists() and file.stat().st_mtime_ns)
    yield file
    key_rings._source[:] = kept


def change(file: Path, text: str) -> None:
    before = file.stat().st_mtime_ns
    file.write_text(text)
    os.utime(file, ns=(before + 1, before + 1))


def test_what_a_newer_key_sealed_opens_at_once_however_lately_the_file_was_looked_at(
    own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = key_ring()
    monkeypatch.setattr(key_rings, "LOOK_EVERY_SECONDS", 3600)
    newer = RING.with_newer_key()
    sealed = newer.seal_text("caller", CALLER)
    with pytest.raises(NotSealedByUs):
        kept.unseal_text("caller", sealed)
    change(own_file, spelled(newer))
    assert key_ring() is kept and kept.unseal_text("caller", sealed) == CALLER
    assert key_ring() == newer
    with pytest.raises(NotSealedByUs):
        kept.unseal_text("caller", KeyRing.made().seal_text("caller", CALLER))


def test_a_running_process_seals_by_a_newer_key_as_soon_as_the_file_has_it(own_file: Path) -> None:
    assert key_ring() == RING and key_ring() is key_ring()
    newer = RING.with_newer_key()
    change(own_file, spelled(newer))
    assert key_ring() == newer
    change(own_file, spelled(newer.newest_only()))
    assert key_ring() == newer.newest_only()


@pytest.mark.parametrize(
    "text", ["damaged", spelled(KeyRing.made()), None], ids=["damaged", "others", "none"]
)
def test_a_running_process_goes_on_with_the_keys_it_knows_when_the_file_is_no_use(
    own_file: Path, text: str | None
) -> None:
    assert key_ring() == RING
    if text is None:
        own_file.unlink()
    else:
        change(own_file, text)
    assert key_ring() == key_ring() == RING
    own_file.touch()
    change(own_file, spelled(RING.with_newer_key()))
    assert len(key_ring().keys) == 2, "and takes up the next that is"


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
    ids=["empty", "no key", "only an index", "twice", "short key", "long id", "no base64"],
)
def test_a_file_of_keys_that_is_damaged_says_so_and_shows_no_key(text: str) -> None:
    with pytest.raises(BadKeys) as refused:
        read_ring(text)
    assert "AAAA" not in str(refused.value)
