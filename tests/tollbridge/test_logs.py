"""Every process of ours writes its log in one way."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("agi", "asterisk_conf", "billing", "ivr_flows", "router", "rules", "store", "tollbridge", "web")
PROGRAM = """
import logging, warnings
from tollbridge.run import configure_log
configure_log("INFO")
logging.getLogger("aiohttp.server").info("a\\nb %s", "\\x1b[2J")
warnings.warn("odd\\nindeed")
raise ValueError("c\\nd")
"""


def test_whatever_a_process_writes_is_a_line_of_json() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["level"] for line in lines] == ["INFO", "WARNING", "CRITICAL"]
    assert lines[0]["message"] == "a\nb \x1b[2J"
    assert "odd\nindeed" in lines[1]["message"]
    assert "ValueError: c\nd" in lines[2]["exception"] and "Traceback" in lines[2]["exception"]


def test_no_other_place_sets_logging_up() -> None:
    setting_up = re.compile(r"basicConfig\(|\bHandler\(|StreamHandler\(|FileHandler\(")
    found = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if setting_up.search(path.read_text())
    }
    assert found == {"agi/speech/decode_process.py", "tollbridge/run.py"}
    assert all("JsonLines()" in (ROOT / name).read_text() for name in found)
