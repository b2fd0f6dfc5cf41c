"""The set-up script asks the system for what a fresh machine lacks. Package tools are stand-ins here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[2] / "tollbridge" / "setup.sh"
BORROWED = (
    "bash",
    "env",
    "python3",
    "dirname",
    "mkdir",
    "date",
    "tail",
    "sleep",
    "grep",
    "df",
    "awk",
    "cat",
    "rm",
)


@pytest.fixture
def fresh_machine(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a machine with none of our packages, whose apt-get only writes down and fails."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in BORROWED:
        found = next(path for path in map(Path, ("/usr/bin", "/bin")) if (path / name).exists())
        (tools / name).symlink_to(found / name)
    for name, script in {"dpkg-query": "exit 1", "apt-get": 'echo "apt-get $*"; exit 1'}.items():
        (tools / name).write_text(f"#!/bin/bash\n{script}\n")
        (tools / name).chmod(0o755)
    (tools / "sudo").write_text('#!/bin/bash\n[[ $1 == -n ]] && shift\nexec "$@"\n')
    (tools / "sudo").chmod(0o755)
    return {"PATH": str(tools), "HOME": str(tmp_path), "TOLLBRIDGE_CACHE_DIR": str(tmp_path / "cache")}


@pytest.mark.parametrize(
    ("argument", "wanted", "not_wanted"),
    [
        ("", {"mmdebstrap", "npm"}, {"sip-tester", "chromium"}),
        ("--demo", {"mmdebstrap", "npm", "sip-tester"}, {"chromium"}),
        ("--tests", {"mmdebstrap", "npm", "sip-tester", "chromium"}, set()),
    ],
)
def test_each_command_installs_what_it_needs(
    fresh_machine: dict[str, str], argument: str, wanted: set[str], not_wanted: set[str]
) -> None:
    done = subprocess.run(
        [str(SETUP), *filter(None, [argument])],
        env=fresh_machine,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    advice = done.stderr.strip().splitlines()[-1]
    assert advice.startswith("setup: could not install")
    assert wanted <= set(advice.split()) and not not_wanted & set(advice.split())
    assert os.access(SETUP, os.X_OK)
