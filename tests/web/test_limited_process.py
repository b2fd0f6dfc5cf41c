"""What reads strangers' files may eat, spin, fill, crash or hang: it costs one answer, and nothing stays behind."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest

from web.limited_process import Bounds, NotRead, read_limited, run_limited

HOSTILE = "tests.web.hostile"


async def test_a_file_is_read_and_its_answer_comes_back() -> None:
    assert await read_limited("operator:neg", 5) == -5


@pytest.mark.parametrize(
    ("function", "bounds", "said"),
    [
        ("eat", Bounds(), "more memory"),
        ("spin", Bounds(processor_seconds=1), "takes longer than a file may"),
        ("spin", Bounds(seconds=0.5), "longer than 0.5 seconds"),
        ("crash", Bounds(), "damaged"),
    ],
)
async def test_what_takes_too_much_is_stopped_and_said(function: str, bounds: Bounds, said: str) -> None:
    with pytest.raises(NotRead) as refused:
        await read_limited(f"{HOSTILE}:{function}", None, bounds)
    assert said in refused.value.sentence


def test_a_file_on_the_disk_has_an_end(tmp_path: Path) -> None:
    with pytest.raises(NotRead):
        run_limited(f"{HOSTILE}:fill", str(tmp_path), Bounds(file_bytes=4 * 1024 * 1024))
    assert (tmp_path / "large").stat().st_size <= 4 * 1024 * 1024


def test_no_secret_of_ours_is_in_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLBRIDGE_STRIPE_API_KEY", "sk_test_canary")
    monkeypatch.setenv("TOLLBRIDGE_DATABASE_URL", "postgresql://canary")
    seen = run_limited(f"{HOSTILE}:environment", None)
    assert "canary" not in str(seen) and not [name for name in seen if name.startswith("TOLLBRIDGE")]


def test_it_reaches_nobody_where_the_kernel_lets_us_take_the_network_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = run_limited(f"{HOSTILE}:reach", list(server.getsockname()))
    if said == "reached":
        pytest.skip("this kernel gives no user namespaces to processes like ours")
    assert "unreachable" in said


def test_nobody_is_left_behind(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with pytest.raises(NotRead):
        run_limited(f"{HOSTILE}:linger", str(file), Bounds(seconds=1.5))
    left = int(file.read_text())
    deadline = time.monotonic() + 5
    while Path(f"/proc/{left}").exists() and _state(left) != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


async def test_the_loop_turns_while_a_file_is_read() -> None:
    reading = asyncio.ensure_future(read_limited(f"{HOSTILE}:spin", None, Bounds(processor_seconds=1)))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0.01)
        turns += 1
    with pytest.raises(NotRead):
        await reading
    assert turns > 10
