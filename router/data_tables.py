"""Tables that kept data packages hold, read by a short-lived Python: it carries their 100 MB, we carry the rows.

A service that answers calls would otherwise hold the names of every exchange and every post office there is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

READ_TIMEOUT_SECONDS = 20
_PROJECT_ROOT = Path(__file__).resolve().parent.parent


class TableUnavailable(RuntimeError):
    """The table could not be read; the message says why. Callers are then asked for their state, never guessed."""


def read_table(module: str, function: str) -> dict[str, Any]:
    """Return what `function` of `module` returns, a dict of JSON values. Blocks up to 20 s. Raises TableUnavailable.

    Both names are the program's own, never anybody's input.
    """
    program = f"import json; from {module} import {function}; print(json.dumps({function}()))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=_PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=READ_TIMEOUT_SECONDS,
            check=True,
        )
        table: dict[str, Any] = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        raise TableUnavailable(error.stderr.decode(errors="replace")[-300:]) from error
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise TableUnavailable(str(error)) from error
    return table
