"""Sealed sound: read whole or in part it is what was written, and whatever is changed on the disk is noticed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.sealed_sound import PIECE_BYTES, SealedSound, SoundDamaged, seal_sound, sealed_path

KEY = bytes(range(32))
LENGTHS = (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 3 * PIECE_BYTES + 7)


def a_sound(length: int) -> bytes:
    return hashlib.shake_128(str(length).encode()).digest(length)


def sealed(folder: Path, sound: bytes, *, name: str = "a.wav", at_once: int = 10_007) -> Path:
    plain = folder / name
    written = seal_sound((sound[i : i + at_once] for i in range(0, len(sound), at_once)), plain, KEY)
    assert (written.length_bytes, written.sha256) == (len(sound), hashlib.sha256(sound).hexdigest())
    return plain


def whole(plain: Path, key: bytes = KEY) -> bytes:
    sound = SealedSound(plain, key)
    try:
        return b"".join(sound.read(0, sound.length_bytes))
    finally:
        sound.close()


@pytest.mark.parametrize("length", LENGTHS)
def test_what_was_sealed_is_read_again_and_nothing_else_is_left(tmp_path: Path, length: int) -> None:
    plain = sealed(tmp_path, a_sound(length))
    assert whole(plain) == a_sound(length)
    assert list(tmp_path.iterdir()) == [sealed_path(plain)]
    assert length < 16 or a_sound(length)[:16] not in sealed_path(plain).read_bytes()


@given(st.sampled_from(LENGTHS), st.integers(0, 4 * PIECE_BYTES), st.integers(0, 4 * PIECE_BYTES))
@settings(max_examples=60, deadline=None)
def test_any_part_is_the_same_part_of_the_sound(
    tmp_path_factory: pytest.TempPathFactory, length: int, start: int, stop: int
) -> None:
    plain = sealed(tmp_path_factory.mktemp("sounds"), a_sound(length))
    sound = SealedSound(plain, KEY)
    assert b"".join(sound.read(start, stop)) == a_sound(length)[start:stop]
    sound.close()


@pytest.mark.parametrize(
    "how", ["cut off", "cut at a piece", "longer", "a byte", "pieces exchanged", "no head", "empty"]
)
def test_what_was_changed_on_the_disk_does_not_open(tmp_path: Path, how: str) -> None:
    plain = sealed(tmp_path, a_sound(3 * PIECE_BYTES + 7))
    path = sealed_path(plain)
    kept, piece, head = path.read_bytes(), PIECE_BYTES + 16, 20
    first, second = kept[head : head + piece], kept[head + piece : head + 2 * piece]
    path.write_bytes(
        {
            "cut off": kept[:-1],
            "cut at a piece": kept[: head + 2 * piece],
            "longer": kept + b"\0",
            "a byte": kept[:100] + bytes([kept[100] ^ 1]) + kept[101:],
            "pieces exchanged": kept[:head] + second + first + kept[head + 2 * piece :],
            "no head": kept[head:],
            "empty": b"",
        }[how]
    )
    with pytest.raises(SoundDamaged):
        whole(plain)


def test_another_key_or_another_name_opens_nothing(tmp_path: Path) -> None:
    plain = sealed(tmp_path, a_sound(100))
    with pytest.raises(SoundDamaged):
        whole(plain, bytes(32))
    os.rename(sealed_path(plain), sealed_path(tmp_path / "b.wav"))
    with pytest.raises(SoundDamaged):
        whole(tmp_path / "b.wav")


def test_one_that_was_half_sealed_is_begun_again(tmp_path: Path) -> None:
    def torn() -> object:
        yield b"1" * (2 * PIECE_BYTES)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        seal_sound(torn(), tmp_path / "a.wav", KEY)  # type: ignore[arg-type]
    assert not sealed_path(tmp_path / "a.wav").exists()
    assert whole(sealed(tmp_path, a_sound(9))) == a_sound(9)
    assert len(list(tmp_path.iterdir())) == 1
