"""Where the keys are that seal secrets, numbers and recordings: a file outside the database, of its owner only."""

from __future__ import annotations

from store.key_ring import BadKeys, KeyRing, read_ring, spelled, use_key_ring
from tollbridge.faults import CannotRun
from tollbridge.node_config import layout_of
from tollbridge.secret import read_or_make
from tollbridge.settings import PREFIX, Settings


def use_sealing_keys(settings: Settings) -> None:
    """Have this process seal by the node's keys. They are read, and made when missing, once they are needed."""
    use_key_ring(lambda: sealing_keys_of(settings))


def sealing_keys_of(settings: Settings) -> KeyRing:
    """Return the node's keys; they are made when missing. Raises CannotRun when the file does not hold keys."""
    file = settings.sealing_keys_file or layout_of(settings).sealing_keys_file
    try:
        return read_ring(read_or_make(file, lambda: spelled(KeyRing.made())))
    except (OSError, UnicodeDecodeError, BadKeys) as problem:
        raise CannotRun(
            f"the keys that open what is sealed cannot be read from {file}: {problem}. Put back the file from your"
            f" backup, or name another by {PREFIX}SEALING_KEYS_FILE"
        ) from problem
