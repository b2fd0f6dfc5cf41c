"""A command line for each test, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tollbridge.command_line import CommandLine, command_line_in


@pytest.fixture
def command_line(tmp_path: Path) -> CommandLine:
    return command_line_in(tmp_path)
