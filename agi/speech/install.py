"""Fetching the Vosk model: resumable, checked by digest, unpacked with care. The embedded engine needs none
of it.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from agi.speech.vosk_model import is_vosk_model

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes there will be."""


@dataclass(frozen=True, kw_only=True)
class ModelSource:
    url: str
    sha256: str
    size_bytes: int


SMALL_ENGLISH = ModelSource(
    url="https://alphacephei.com/vosk/models/vosk-model-small-en-us-0.15.zip",
    sha256="30f26242c4eb449f948e42cb302dd7a686cb29a3423a8367f99ff41780942498",
    size_bytes=41_205_931,
)
"""Apache-2.0."""

_TIMEOUT_SECONDS = 20
_ATTEMPTS = 3
_CHUNK_BYTES = 256 * 1024
_MOST_FILES, _MOST_UNPACKED_BYTES = 500, 400 * 1024 * 1024


class InstallError(Exception):
    """The model cannot be installed; str() is a sentence for the operator."""


def install_vosk_model(destination: Path, progress: Progress, source: ModelSource = SMALL_ENGLISH) -> Path:
    """Make `destination` the folder of the model, and return it. A model that is there already is kept.

    What was fetched before a break stays beside it (`<name>.part`) and is gone on from. Raises InstallError.
    """
    if is_vosk_model(destination):
        return destination
    part = destination.with_name(destination.name + ".part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        _download(source, part, progress)
        _check_digest(source, part)
        _unpack(part, destination)
        part.unlink(missing_ok=True)
    except OSError as error:
        raise InstallError(f"The Vosk model cannot be written to {destination}: {error}") from error
    return destination


def _download(source: ModelSource, part: Path, progress: Progress) -> None:
    """Fetch until all is here; a connection that breaks is taken up again where it broke."""
    reason = ""
    for _ in range(_ATTEMPTS):
        if _size(part) >= source.size_bytes:
            return
        try:
            _fetch_rest(source, part, progress)
            reason = "the connection broke off"
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
    if _size(part) < source.size_bytes:
        raise InstallError(_unreachable(source, part, reason))


def _fetch_rest(source: ModelSource, part: Path, progress: Progress) -> None:
    have = _size(part)
    wanted = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(source.url, headers=wanted)  # noqa: S310 (our own constant)
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
        resumed = answer.status == 206 and str(answer.headers["Content-Range"]).startswith(f"bytes {have}-")
        have = have if resumed else 0
        with part.open("ab" if resumed else "wb") as file:
            # One byte more than there should be is enough to fail the digest.
            while have <= source.size_bytes and (data := answer.read(_CHUNK_BYTES)):
                file.write(data)
                have += len(data)
                progress(min(have, source.size_bytes), source.size_bytes)


def _unreachable(source: ModelSource, part: Path, reason: str) -> str:
    host = urlsplit(source.url).hostname
    return (
        f"The Vosk model cannot be fetched from {host} ({reason}; {_size(part)} of {source.size_bytes} "
        "bytes are here): calls go on with the embedded engine; run this again where the network allows it, "
        "and it goes on from there."
    )


def _check_digest(source: ModelSource, part: Path) -> None:
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != source.sha256:
        part.unlink()
        raise InstallError(
            f"What {urlsplit(source.url).hostname} sent is not the Vosk model we know (sha256 {digest}, "
            f"expected {source.sha256}): it was thrown away; try again later."
        )


def _unpack(archive: Path, destination: Path) -> None:
    """Unpack beside the destination, then move into place in one step."""
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=destination.parent) as folder:
        try:
            with zipfile.ZipFile(archive) as opened:
                _extract(opened, Path(folder))
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise InstallError(f"The Vosk model's archive cannot be unpacked: {error}") from error
        model = next((each for each in Path(folder).iterdir() if is_vosk_model(each)), None)
        if model is None:
            raise InstallError("The Vosk model's archive holds no model.")
        if destination.exists():
            shutil.rmtree(destination)
        model.replace(destination)


def _extract(archive: zipfile.ZipFile, folder: Path) -> None:
    """Only plain files with harmless names, and only so many. Raises InstallError for anything else."""
    entries = archive.infolist()
    if len(entries) > _MOST_FILES or sum(entry.file_size for entry in entries) > _MOST_UNPACKED_BYTES:
        raise InstallError("The Vosk model's archive is far larger than the model.")
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in entry.filename or ":" in entry.filename:
            raise InstallError(f"The Vosk model's archive holds a harmful file name: {entry.filename!r}")
        target = folder.joinpath(*path.parts)
        if entry.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # Links in an archive become plain files this way.
        with archive.open(entry) as packed, target.open("xb") as file:
            shutil.copyfileobj(packed, file, _CHUNK_BYTES)


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
