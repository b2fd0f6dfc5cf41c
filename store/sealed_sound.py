"""Sound on the disk, sealed in pieces: a part is read without opening the whole, and whatever is changed is noticed.

A file has a head (format, salt) and then pieces of 64 KiB, each sealed by AES-256-GCM. Its key is derived from the key
of the call, the salt and the file's name: a file that is written again has another key, and one that is exchanged for
another opens no more. A piece opens at its own place alone, and the last one as the last alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
PIECE_BYTES = 64 * 1024
ENDING = ".sealed"
"""Follows the name that the sound had before."""
_FORMAT, _SALT_BYTES, _TAG_BYTES = b"TBS1", 16, 16
_HEAD_BYTES = len(_FORMAT) + _SALT_BYTES
_SEALED_BYTES = PIECE_BYTES + _TAG_BYTES


class SoundDamaged(Exception):
    """A sealed sound does not open: it was changed, cut off, exchanged, or another key sealed it."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """A sound that was sealed. Both are of the plain sound; `sha256` is hexadecimal."""

    length_bytes: int
    sha256: str


def sealed_path(plain: Path) -> Path:
    """Return where the sealed form of a sound is kept."""
    return plain.with_name(plain.name + ENDING)


def seal_sound(sound: Iterable[bytes], plain: Path, key: bytes) -> Written:
    """Seal a sound as `sealed_path(plain)`, whole and durable or not at all. Doing it again begins again.

    Holds one piece and one item of `sound` in memory. Raises OSError.
    """
    to = sealed_path(plain)
    temporary = to.with_name(f".{to.name}.part")
    head = _FORMAT + os.urandom(_SALT_BYTES)
    cipher, digest, length = _cipher(key, head, plain.name), hashlib.sha256(), 0
    with temporary.open("wb") as out:
        out.write(head)
        for number, (piece, is_last) in enumerate(_pieces(sound)):
            digest.update(piece)
            length += len(piece)
            out.write(cipher.encrypt(_nonce(number, is_last), piece, head))
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(to)
    _sync_folder(to.parent)
    return Written(length_bytes=length, sha256=digest.hexdigest())


class SealedSound:
    """A sealed sound that is read: `length_bytes` of plain sound. To be closed."""

    def __init__(self, plain: Path, key: bytes) -> None:
        """Open the sealed form of `plain`. Raises SoundDamaged, or OSError such as FileNotFoundError."""
        self._file = sealed_path(plain).open("rb")
        try:
            self._head = self._file.read(_HEAD_BYTES)
            self._cipher = _cipher(key, self._head, plain.name)
            self._pieces, self.length_bytes = _measured(os.fstat(self._file.fileno()).st_size)
            if self._head[: len(_FORMAT)] != _FORMAT:
                raise SoundDamaged(f"{sealed_path(plain).name} is no sealed sound")
            self._piece(self._pieces - 1)  # The last one says that nothing is missing after it.
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def read(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the plain sound from byte `start` up to `stop`, piece by piece. Raises SoundDamaged or OSError."""
        stop = min(stop, self.length_bytes)
        while start < stop:
            number, inside = divmod(start, PIECE_BYTES)
            piece = self._piece(number)[inside : inside + stop - start]
            yield piece
            start += len(piece)

    def _piece(self, number: int) -> bytes:
        self._file.seek(_HEAD_BYTES + number * _SEALED_BYTES)
        sealed = self._file.read(_SEALED_BYTES)
        try:
            return self._cipher.decrypt(_nonce(number, number == self._pieces - 1), sealed, self._head)
        except (InvalidTag, ValueError) as problem:
            raise SoundDamaged(f"piece {number} of a sealed sound does not open") from problem


def read_kept(plain: Path, key: bytes | None) -> Iterator[bytes]:
    """Yield a kept sound from its beginning to its end: sealed, or in the clear until the worker has sealed it.

    Raises SoundDamaged, or OSError such as FileNotFoundError.
    """
    if key is None or not sealed_path(plain).exists():
        with plain.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece
        return
    sound = SealedSound(plain, key)
    try:
        yield from sound.read(0, sound.length_bytes)
    finally:
        sound.close()


def _measured(file_bytes: int) -> tuple[int, int]:
    """Return how many pieces a file has, and how long its plain sound is. Raises SoundDamaged."""
    body = file_bytes - _HEAD_BYTES
    pieces = -(-body // _SEALED_BYTES)
    length = body - pieces * _TAG_BYTES
    if pieces < 1 or length < (pieces - 1) * PIECE_BYTES:
        raise SoundDamaged(f"no sealed sound has {file_bytes} bytes")
    return pieces, length


def _pieces(sound: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield a sound in pieces of PIECE_BYTES, and whether each is the last; of an empty one, an empty piece."""
    waiting = bytearray()
    for some in sound:
        waiting += some
        while len(waiting) > PIECE_BYTES:
            yield bytes(waiting[:PIECE_BYTES]), False
            del waiting[:PIECE_BYTES]
    yield bytes(waiting), True


def _cipher(key: bytes, head: bytes, name: str) -> AESGCM:
    salt = head[len(_FORMAT) :]
    return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, f"sound {name}".encode()).derive(key))


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
