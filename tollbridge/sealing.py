"""The node's key that signs the ledger's roots, and where the signed roots are written down."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from billing.roots_file import RootsFolder
from billing.seal import Sealer
from billing.seal_queries import CHAINS
from billing.seal_signatures import public_key_of
from billing.verify_chain import ExpectedRoot, Trust
from tollbridge.faults import CannotRun
from tollbridge.layout import Layout
from tollbridge.secret import read_or_make
from tollbridge.settings import PREFIX, Settings, public_keys_of


def sealer_of(settings: Settings, layout: Layout) -> Sealer:
    """Return with what this node seals; its key is made when missing. Raises CannotRun when it is none."""
    return Sealer(
        key=_read_key(settings, layout),
        roots=RootsFolder(path=settings.ledger_roots_dir or layout.roots_dir),
        other_keys=public_keys_of(settings.ledger_public_keys),
    )


def public_key_of_node(settings: Settings, layout: Layout) -> str:
    """Return the public key that signs this node's roots, in hex; the key is made when missing. Raises CannotRun."""
    return public_key_of(_read_key(settings, layout)).hex()


def trust_of(
    settings: Settings, layout: Layout, *, folders: tuple[Path, ...], expected: tuple[ExpectedRoot, ...]
) -> Trust:
    """Return what this machine knows of the chains: keys, roots written down here and in other folders, roots noted."""
    known = public_keys_of(settings.ledger_public_keys)
    if _key_file(settings, layout).exists():
        known |= {public_key_of(_read_key(settings, layout))}
    roots = [RootsFolder(path=folder) for folder in (settings.ledger_roots_dir or layout.roots_dir, *folders)]
    files = {chain.name: [folder.file(chain.name) for folder in roots] for chain in CHAINS}
    return Trust(known_keys=known, files=files, expected=expected)


def _key_file(settings: Settings, layout: Layout) -> Path:
    return settings.ledger_key_file or layout.ledger_key_file


def _read_key(settings: Settings, layout: Layout) -> Ed25519PrivateKey:
    file = _key_file(settings, layout)
    try:
        key = load_pem_private_key(read_or_make(file, _made).encode(), password=None)
    except (OSError, ValueError, TypeError) as problem:
        raise CannotRun(
            f"{file} cannot be read as a key in PEM ({problem}): see {PREFIX}LEDGER_KEY_FILE"
        ) from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise CannotRun(
            f"{file} holds another kind of key: Ed25519 is wanted (openssl genpkey -algorithm ed25519)"
        )
    return key


def _made() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
