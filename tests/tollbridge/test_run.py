"""What every process of a node does before its work."""

from __future__ import annotations

import subprocess
import sys

TRY = """
import resource
from tollbridge.run import raise_open_files_limit
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
raise_open_files_limit()
soft, after = resource.getrlimit(resource.RLIMIT_NOFILE)
assert after == hard and soft == min(16_384, hard), (soft, after, hard)
raise_open_files_limit()
"""


def test_a_thousand_strangers_do_not_use_up_the_files_a_process_may_open() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRY], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
