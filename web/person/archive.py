"""One archive of what is held on a number: `person.json` with everything in words, and the sounds beside it."""

from __future__ import annotations

import itertools
import json
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from store.sealed_sound import SoundDamaged, read_kept
from store.sound_keys import find_sound_key
from web.person.items import NOT_SEARCHED, Item, Kind, fate_of


@dataclass(kw_only=True)
class Archive:
    """What was written: the names of the sounds, and why others are not there."""

    sounds: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)


async def write_archive(
    engine: AsyncEngine, to: Path, items: Sequence[Item], folders: Mapping[Kind, Path], *, number: str
) -> Archive:
    """Write a new zip file that its owner alone reads; `folders` hold recordings and messages. Raises OSError."""
    archive = Archive()
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for item in items:
            name = _sound_of(item)
            if name is None:
                continue
            async with engine.connect() as connection:
                key = await find_sound_key(connection, UUID(str(item.detail["call_id"])))
            try:
                _add_sound(packed, folders[item.kind] / Path(name).name, key)
                archive.sounds.append(f"sounds/{name}")
            except (OSError, SoundDamaged) as problem:
                archive.missing[name] = (
                    f"not on this node: see node {item.detail.get('node')}"
                    if isinstance(problem, FileNotFoundError)
                    else str(problem)
                )
        told = {
            "number": number,
            "held": [_told(item) for item in items],
            "sounds": archive.sounds,
            "sounds_not_here": archive.missing,
            "not_searched": NOT_SEARCHED,
        }
        packed.writestr("person.json", json.dumps(told, indent=2, default=str, ensure_ascii=False))
    return archive


def _sound_of(item: Item) -> str | None:
    if item.kind is Kind.RECORDING and item.detail["state"] == "stored":
        return str(item.detail["file"])
    if item.kind is Kind.VOICE_MESSAGE and item.detail["recording"]:
        return str(item.detail["recording"])
    return None


def _add_sound(packed: zipfile.ZipFile, plain: Path, key: bytes | None) -> None:
    pieces = read_kept(plain, key)
    # The first is read before the name is written: what is not there leaves no empty sound.
    first = next(pieces, b"")
    with packed.open(f"sounds/{plain.name}", "w", force_zip64=True) as out:
        for piece in itertools.chain((first,), pieces):
            out.write(piece)


def _told(item: Item) -> dict[str, Any]:
    fate, reason = fate_of(item)
    return {
        "what": item.kind.value,
        "when": item.at,
        "if_erased": f"{fate.value}: {reason}",
        **{name: value for name, value in item.detail.items() if value not in (None, "", {}, [])},
    }
