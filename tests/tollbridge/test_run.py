"""What every process of a node does before its work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tollbridge.command_line import CommandLine
from tollbridge.cli_node import PROCESSES

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


@pytest.mark.parametrize("name", ["agi", "web", "worker", "asterisk"])
def test_a_process_without_its_keys_does_not_start(
    command_line: CommandLine, tmp_path: Path, name: str
) -> None:
    keys = tmp_path / "keys"
    command_line.environment["TOLLBRIDGE_SEALING_KEYS_FILE"] = str(keys)
    done = command_line.run("run", name)
    assert done.returncode == 1 and "Put the file back from your backup" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not keys.exists()


def test_the_readme_names_every_process_that_runs_alone() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (named,) = re.findall(r"`tollbridge run ([a-z|]+)`", readme)
    assert set(named.split("|")) == set(PROCESSES)
