"""The keys that benches, simulations and adversaries seal by, and the processes that they start."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from store.key_ring import KeyRing, read_ring, spelled, use_key_ring
from tollbridge.settings import PREFIX

FILE = f"{PREFIX}SEALING_KEYS_FILE"


def use_keys_of_tests() -> None:
    """Seal by the keys that the environment names; where it names none, by new ones, which children find there.

    They are made at once: a process that is started before anything was sealed must not make its own.
    """
    if FILE not in os.environ:
        handle, name = tempfile.mkstemp(prefix="tb-keys-")
        with open(handle, "w") as file:
            file.write(spelled(KeyRing.made()))
        os.environ[FILE] = name
    use_key_ring(lambda: read_ring(Path(os.environ[FILE]).read_text()))
