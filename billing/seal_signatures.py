"""What is signed of a batch, and by which keys (Ed25519, RFC 8032). Pure: keys are handed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


@dataclass(frozen=True, kw_only=True)
class Seal:
    """A batch of a chain: what its signature covers."""

    chain: str
    batch: int
    previous_root: bytes
    root: bytes
    entry_count: int
    sealed_at_us: int

    @property
    def message(self) -> bytes:
        """What is signed: lines that anybody can put together again."""
        lines = (
            "tollbridge-root/1",
            self.chain,
            str(self.batch),
            self.previous_root.hex(),
            self.root.hex(),
            str(self.entry_count),
            str(self.sealed_at_us),
        )
        return "\n".join(lines).encode()


@dataclass(frozen=True, kw_only=True)
class SignedSeal:
    """A seal, the public key (32 bytes) and its signature (64 bytes)."""

    seal: Seal
    public_key: bytes
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """Return it as anybody may read it."""
        seal = self.seal
        return {
            "chain": seal.chain,
            "batch": seal.batch,
            "previous_root": seal.previous_root.hex(),
            "root": seal.root.hex(),
            "entry_count": seal.entry_count,
            "sealed_at_us": seal.sealed_at_us,
            "public_key": self.public_key.hex(),
            "signature": self.signature.hex(),
        }

    def fault(self, known_keys: frozenset[bytes]) -> str | None:
        """Say what is wrong with the signature; None when one of the known keys made it."""
        if self.public_key not in known_keys:
            return f"is signed by a key that is not known here, {self.public_key.hex()}"
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(self.signature, self.seal.message)
        except (InvalidSignature, ValueError):
            return "is not what was signed"
        return None


def follows(seal: Seal, before: Seal) -> bool:
    """Say whether a batch follows another. Numbers between may have been taken by rows that nobody of us signed."""
    return seal.batch > before.batch and seal.previous_root == before.root


def sign(seal: Seal, key: Ed25519PrivateKey) -> SignedSeal:
    return SignedSeal(seal=seal, public_key=public_key_of(key), signature=key.sign(seal.message))


def public_key_of(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()
