"""The folder an Asterisk of ours lives in: everything it wants to find at its start, made beforehand."""

from __future__ import annotations

import shlex
from pathlib import Path

from asterisk_conf.hold_tone import hold_tone, record_beep
from asterisk_conf.node_config import NodeConfig
from asterisk_conf.write import write_atomically

# Asterisk does not make these itself, and loses rows or refuses to start without them (FACTS 1).
_FOLDERS = (
    "etc",
    "cache",
    "db",
    "keys",
    "spool",
    "moh",
    "agi-bin",
    "sounds/tollbridge",
    "voicemail",
    "recordings",
    "log/cel-custom",
    "log/cdr-custom",
    "data/sounds",
)
SURVIVAL = "survival"
"""Name of the local AGI script that sells calls when our services are down: AGI(survival)."""


def prepare_node_folder(node: NodeConfig) -> None:
    """Make the folders, the links into the installation and the survival script. Idempotent. Raises OSError."""
    for name in _FOLDERS:
        (node.node_dir / name).mkdir(parents=True, exist_ok=True)
    node.node_dir.chmod(0o700)
    node.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    node.clock_file.touch(0o600)
    tone = node.node_dir / "moh" / "chime.wav"
    if not tone.exists():
        tone.write_bytes(hold_tone())
    beep = node.sounds_dir / "beep.wav"
    if not beep.exists():
        beep.write_bytes(record_beep())
    _link(node.node_dir / "sounds" / "prompts", node.prompts_dir)
    data = node.installation.data_dir
    for name in ("documentation", "rest-api", "static-http"):
        _link(node.node_dir / "data" / name, data / name)
    _link(node.node_dir / "data" / "sounds" / "en", english_sounds(data))
    for name, text in agi_scripts(node).items():
        write_atomically(node.node_dir / "agi-bin" / name, text, mode=0o700)


def english_sounds(data_dir: Path) -> Path:
    """Return where the installation keeps its English sounds: a private root has had no links made."""
    plain = data_dir / "sounds" / "en"
    return plain if plain.exists() else data_dir / "sounds" / "en_US_f_Allison"


def agi_scripts(node: NodeConfig) -> dict[str, str]:
    """Return the scripts for agi-bin. A shell line starts Python, because a #! line cannot hold a long path."""
    python, script = (
        shlex.quote(str(node.python)),
        shlex.quote(str(node.node_dir / "agi-bin" / "survival.py")),
    )
    return {
        SURVIVAL: f'#!/bin/sh\nexec {python} -I {script} "$@"\n',
        "survival.py": (
            "import sys\n"
            f"sys.path.insert(0, {str(node.program_dir)!r})\n"
            "from agi.survival import main\n"
            f"main(snapshot_file={str(node.snapshot_file)!r}, journal_dir={str(node.journal_dir)!r},"
            f" prompts_dir={str(node.prompts_dir)!r})\n"
        ),
    }


def _link(link: Path, to: Path) -> None:
    if link.is_symlink() and link.readlink() == to:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(to)
