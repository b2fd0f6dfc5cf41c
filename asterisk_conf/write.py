"""Puts rendered files where Asterisk reads them, and says what has to be reloaded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Commands that take up a changed file without touching live calls. A file not named here wants a restart.
RELOADS: Mapping[str, str] = {
    "pjsip.conf": "module reload res_pjsip.so",
    "extensions.conf": "dialplan reload",
    "manager.conf": "manager reload",
    "logger.conf": "logger reload",
    "cel.conf": "module reload cel",
    "cel_custom.conf": "module reload cel_custom.so",
    "http.conf": "module reload http",
    "musiconhold.conf": "module reload res_musiconhold.so",
}
# Asterisk reads a changed identify or registration only when these are told as well.
_ALSO: Mapping[str, tuple[str, ...]] = {
    "pjsip.conf": (
        "module reload res_pjsip_endpoint_identifier_ip.so",
        "module reload res_pjsip_outbound_registration.so",
    )
}


@dataclass(frozen=True, kw_only=True)
class Written:
    """What `write_configuration` did."""

    changed: tuple[str, ...]
    reloads: tuple[str, ...]
    """Command-line commands for a running Asterisk, in order."""
    restart_needed: tuple[str, ...]
    """Changed files a running Asterisk takes up only when it is started anew."""


def write_configuration(etc_dir: Path, files: Mapping[str, str]) -> Written:
    """Write the files that differ, each in one rename, readable by the owner only. Raises OSError."""
    etc_dir.mkdir(parents=True, exist_ok=True)
    changed = [name for name, text in files.items() if _differs(etc_dir / name, text)]
    for name in changed:
        write_atomically(etc_dir / name, files[name])
    reloads = [
        command for name in changed if name in RELOADS for command in (RELOADS[name], *_ALSO.get(name, ()))
    ]
    return Written(
        changed=tuple(changed),
        reloads=tuple(reloads),
        restart_needed=tuple(name for name in changed if name not in RELOADS),
    )


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace `path` by `text` in one step: a reader sees the old file or the new one. Raises OSError."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _differs(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") != text
    except (FileNotFoundError, UnicodeDecodeError):
        return True
