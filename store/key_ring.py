"""Seals what must not be read by anyone who copies the database or a disk: AES-256-GCM, with keys kept outside both.

A key ring holds the newest key first and the older ones after it, so that what they sealed can still be opened; and one
index key, by which equal values are found without being opened. Each purpose ("caller", "sip password") has keys of its
own, derived by HKDF, so that nothing sealed for one purpose opens as another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

log = logging.getLogger(__name__)

KEY_BYTES = 32
ID_BYTES = 4
NONCE_BYTES = 12
INDEX_BYTES = 16
"""Of a blind index: two of a billion values share one in 1 of 10^20."""

LOOK_EVERY_SECONDS = 0.1
"""How long a process may seal by a key after a newer one is in the file."""

FORMAT = b"\x01"
_HEAD = len(FORMAT) + ID_BYTES
INDEX, PREPARED = "index", "next:"


class NotSealedByUs(Exception):
    """Something cannot be opened: another key sealed it, it is for another purpose, or it was changed."""


class BadKeys(Exception):
    """The keys' file does not hold what it should; the message says what and never shows a key."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key, and the id that is written before everything it seals."""

    id: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def made(cls) -> Key:
        return cls(secrets.token_bytes(ID_BYTES), secrets.token_bytes(KEY_BYTES))


@dataclass(frozen=True)
class KeyRing:
    """Keys, newest first, and the key of the blind indexes."""

    keys: tuple[Key, ...]
    index_secret: bytes = field(repr=False)
    prepared: Key | None = None
    """The next one: it opens, and seals nothing until every node that shares the database has it."""
    _derived: dict[tuple[bytes, str], AESGCM] = field(default_factory=dict, repr=False, compare=False)
    _indexing: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def made(cls) -> KeyRing:
        return cls((Key.made(),), secrets.token_bytes(KEY_BYTES))

    def with_newer_key(self) -> KeyRing:
        """Return a ring that seals by a new key and still opens what this one sealed."""
        return KeyRing((self.prepared or Key.made(), *self.keys), self.index_secret)

    def with_prepared_key(self) -> KeyRing:
        """Return a ring that also opens what the next key seals, and seals by the same as this one."""
        return self if self.prepared else KeyRing(self.keys, self.index_secret, Key.made())

    def newest_only(self) -> KeyRing:
        """Return a ring without the older keys: what they sealed can be opened no more."""
        return KeyRing(self.keys[:1], self.index_secret)

    @property
    def ids(self) -> frozenset[bytes]:
        return frozenset(key.id for key in self._opening)

    @property
    def _opening(self) -> tuple[Key, ...]:
        return (*self.keys, self.prepared) if self.prepared else self.keys

    @property
    def newest_head(self) -> bytes:
        """How everything begins that the newest key sealed."""
        return FORMAT + self.keys[0].id

    @cached_property
    def fingerprint(self) -> bytes:
        """Says that two nodes index by the same key; tells nothing about the key."""
        return self.blind("fingerprint", "")

    def seal(self, purpose: str, plain: bytes, *, bound_to: bytes = b"") -> bytes:
        """Return `plain` sealed by the newest key. It opens only with the same purpose and the same `bound_to`."""
        nonce, key = os.urandom(NONCE_BYTES), self.keys[0]
        return self.newest_head + nonce + self._cipher(key, purpose).encrypt(nonce, plain, bound_to)

    def unseal(self, purpose: str, sealed: bytes, *, bound_to: bytes = b"") -> bytes:
        """Return what `seal` was given. Raises NotSealedByUs."""
        nonce, body = sealed[_HEAD : _HEAD + NONCE_BYTES], sealed[_HEAD + NONCE_BYTES :]
        for key in self._opening:
            if FORMAT + key.id == sealed[:_HEAD]:
                try:
                    return self._cipher(key, purpose).decrypt(nonce, body, bound_to)
                except (InvalidTag, ValueError) as problem:
                    raise NotSealedByUs(f"a {purpose} was changed, or sealed for something else") from problem
        if (newer := _newer_than(self)) is not None:
            return newer.unseal(purpose, sealed, bound_to=bound_to)
        raise NotSealedByUs(f"no key of this node opens a {purpose}: {len(self._opening)} tried")

    def seal_text(self, purpose: str, text: str) -> bytes:
        return self.seal(purpose, text.encode())

    def unseal_text(self, purpose: str, sealed: bytes) -> str:
        """Return what `seal_text` was given. Raises NotSealedByUs."""
        return self.unseal(purpose, sealed).decode()

    def is_newest(self, sealed: bytes) -> bool:
        """Say whether the newest key sealed it; if not, it is to be sealed again before the older keys go."""
        return sealed[:_HEAD] == self.newest_head

    def blind(self, purpose: str, value: str) -> bytes:
        """Return what stands for `value` in look-ups: the same for equal values, nothing to who lacks the key."""
        return hmac.digest(self.index_key(purpose), value.encode(), "sha256")[:INDEX_BYTES]

    def index_key(self, purpose: str) -> bytes:
        """Return the key of one purpose's indexes (HMAC-SHA-256): values are found by it, and nothing is opened."""
        key = self._indexing.get(purpose)
        if key is None:
            key = self._indexing[purpose] = _expanded(self.index_secret, f"index {purpose}")
        return key

    def _cipher(self, key: Key, purpose: str) -> AESGCM:
        found = self._derived.get((key.id, purpose))
        if found is None:
            found = self._derived[key.id, purpose] = AESGCM(_expanded(key.secret, f"seal {purpose}"))
        return found


def _expanded(secret: bytes, purpose: str) -> bytes:
    return HKDFExpand(SHA256(), KEY_BYTES, purpose.encode()).derive(secret)


def spelled(ring: KeyRing) -> str:
    """Return the text of a keys' file: a line for each key, the newest first, the prepared one, and the index's."""
    lines = [f"{key.id.hex()} {_base64(key.secret)}" for key in ring.keys]
    if ring.prepared:
        lines.append(f"{PREPARED}{ring.prepared.id.hex()} {_base64(ring.prepared.secret)}")
    return "\n".join((*lines, f"{INDEX} {_base64(ring.index_secret)}", ""))


def read_ring(text: str) -> KeyRing:
    """Read what `spelled` wrote; empty lines and those that begin with # do not count. Raises BadKeys."""
    lines = [line.strip() for line in text.splitlines()]
    found = [_named(line) for line in lines if line and not line.startswith("#")]
    named = [(name, secret) for name, secret in found if name != INDEX]
    keys = tuple(Key(_id(name), secret) for name, secret in named if not name.startswith(PREPARED))
    later = [
        Key(_id(name.removeprefix(PREPARED)), secret) for name, secret in named if name.startswith(PREPARED)
    ]
    index = [secret for name, secret in found if name == INDEX]
    if (
        not keys
        or len({key.id for key in (*keys, *later)}) != len(named)
        or len(index) != 1
        or len(later) > 1
    ):
        raise BadKeys("there must be one or more keys, each with an id of its own, and one index key")
    return KeyRing(keys, index[0], later[0] if later else None)


def _named(line: str) -> tuple[str, bytes]:
    name, _, spelled_key = line.partition(" ")
    try:
        secret = base64.b64decode(spelled_key.strip(), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise BadKeys(f"the key {name[:8]!r} is no base64") from problem
    if len(secret) != KEY_BYTES:
        raise BadKeys(f"the key {name[:8]!r} has {len(secret)} bytes, not {KEY_BYTES}")
    return name, secret


def _id(name: str) -> bytes:
    try:
        found = bytes.fromhex(name)
    except ValueError:
        found = b""
    if len(found) != ID_BYTES:
        raise BadKeys(f"{name[:8]!r} is no key id: {2 * ID_BYTES} hexadecimal digits")
    return found


def _base64(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


@dataclass
class _Source:
    """Where this process' ring comes from, and the ring as it was read last."""

    load: Callable[[], KeyRing]
    version: Callable[[], object]
    ring: KeyRing | None = None
    read_as: object = None
    looked_at: float = 0.0
    """On the monotonic clock."""

    def current(self) -> KeyRing:
        if self.ring is None:
            self.read_as = self.version()
            self.ring = self.load()
        elif time.monotonic() - self.looked_at >= LOOK_EVERY_SECONDS:
            self.look()
        return self.ring

    def look(self) -> None:
        self.looked_at = time.monotonic()
        if self.ring is not None and (version := self.version()) != self.read_as:
            self._follow(self.ring, version)

    def _follow(self, older: KeyRing, version: object) -> None:
        """Take up a changed file. One that is gone or damaged changes nothing: this process goes on as it was."""
        self.read_as = version
        try:
            self.ring = self.load()
        except Exception:
            log.exception(
                "the keys that seal have changed and cannot be read: the ones known so far are used"
            )
            return
        if self.ring.fingerprint != older.fingerprint:
            log.error("the file of keys holds those of another database: the ones known so far are used")
            self.ring = older


_source: list[_Source] = []


def use_key_ring(load: Callable[[], KeyRing], version: Callable[[], object] = lambda: None) -> None:
    """Have columns of this process sealed and opened by the ring that `load` returns, at the first that is needed.

    `version` is asked every LOOK_EVERY_SECONDS, and when something was sealed by a key that is not known. Another
    answer than before, and the ring is loaded again.
    """
    _source[:] = [_Source(load, version)]


def _newer_than(ring: KeyRing) -> KeyRing | None:
    """Look at the file again: return this process' ring when it is another than `ring` by now."""
    if not _source:
        return None
    _source[0].look()
    current = _source[0].ring
    is_newer = current is not None and current is not ring and current.fingerprint == ring.fingerprint
    return current if is_newer else None


def key_ring() -> KeyRing:
    """Return this process' ring as it is now. Raises BadKeys when it was given none, or what loading it raises.

    Ask each time, keep none: keys are rotated while processes run.
    """
    if not _source:
        raise BadKeys("this process was given no keys")
    return _source[0].current()
