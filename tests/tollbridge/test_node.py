"""A whole node by its command line: it comes up, mends itself, and leaves nothing running."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from tests.tollbridge.command_line import CommandLine, wait
from tollbridge import node as node_module
from tollbridge.faults import CannotRun
from tollbridge.node_config import layout_of
from tollbridge.node_state import read_state
from tollbridge.settings import Settings

START_SECONDS, MEND_SECONDS = 90.0, 20.0
pytestmark = pytest.mark.timeout(180)


CANARIES = {
    "TOLLBRIDGE_STRIPE_API_KEY": "sk_test_canary1",
    "TOLLBRIDGE_STRIPE_WEBHOOK_SECRET": "whsec_canary2",
    "tollbridge_smtp_password": "canary3",
    "TOLLBRIDGE_DATA_SECRET": "canary4-of-an-older-version",
    "TOLLBRIDGE_SECRET": "canary5-of-the-node",
    "SOMEBODY_ELSES_TOKEN": "canary6",
}


@pytest.fixture
def node(command_line: CommandLine, tmp_path: Path) -> Iterator[CommandLine]:
    command_line.environment["TOLLBRIDGE_SEALING_KEYS_FILE"] = str(tmp_path / "data" / "keys")
    with (tmp_path / "up.out").open("wb") as output:
        process = subprocess.Popen(
            command_line.words("up"),
            env=command_line.environment | CANARIES,
            stdout=output,
            stderr=output,
        )
    try:
        wait(lambda: process.poll() is not None or bool(command_line.status().get("ready")), START_SECONDS)
        assert process.poll() is None, (tmp_path / "up.out").read_text()
        yield command_line
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()


def test_a_node_comes_up_mends_itself_and_goes_without_a_trace(node: CommandLine, tmp_path: Path) -> None:
    processes = node.status()["processes"]
    assert set(processes) == {"asterisk", "speech-0", "agi", "worker", "pings", "web"}
    doctor = json.loads(node.run("doctor", "--json").stdout)
    assert [finding for finding in doctor["findings"] if finding["verdict"] == "broken"] == []

    held = canaries_by_process(processes, tmp_path)
    assert held.keys() == {*processes, "postgres", "started"}
    assert held == {
        **{name: set() for name in held},
        "speech-0": {"canary5"},
        "agi": {"canary5"},
        "worker": {"canary3"},
        "web": {"canary1", "canary2", "canary3", "canary5"},
        # What these have started themselves: speech's readers know no more than it does.
        "started": held["started"] & {"canary5"},
    }

    second = node.run("up")
    assert second.returncode == 1 and "already runs" in second.stderr

    os.kill(processes["agi"], signal.SIGKILL)
    os.kill(processes["web"], signal.SIGSTOP)
    os.kill(processes["asterisk"], signal.SIGKILL)

    def mended() -> bool:
        now = node.status()["processes"]
        return all(now[name] not in (None, processes[name]) for name in ("agi", "web", "asterisk"))

    wait(mended, MEND_SECONDS)

    # Keys are rotated under the running processes, and nobody stumbles.
    before = node.status()["processes"]
    rotated = node.run("secrets", "rotate", "--drop-now", "--json")
    assert rotated.returncode == 0 and json.loads(rotated.stdout)["older_keys"] == 0, rotated.stderr
    assert node.run("secrets", "check").returncode == 0 and node.status()["processes"] == before

    assert json.loads(node.run("down", "--json").stdout) == {"stopped": True}
    # `down` waits for the node's lock; the interpreter behind it ends a moment later.
    wait(lambda: left_running(tmp_path) == [], 5)
    assert node.run("status").returncode == 1

    # Without its keys the same database starts no more, and no new ones are made for it.
    (tmp_path / "data" / "keys").rename(tmp_path / "kept")
    refused = node.run("up")
    assert refused.returncode == 1 and "Put the file back from your backup" in refused.stderr
    assert not (tmp_path / "data" / "keys").exists() and left_running(tmp_path) == []


def canaries_by_process(processes: dict[str, int], data_dir: Path) -> dict[str, set[str]]:
    """Return which secrets stand in the environments of a node's processes, and of what these have started."""
    found: dict[str, set[str]] = {"postgres": set(), "started": set()}
    started = [one for pid in processes.values() for one in psutil.Process(pid).children(recursive=True)]
    postgres = [
        one
        for one in psutil.process_iter(["name", "cwd"])
        if one.info["name"] == "postgres" and str(data_dir) in str(one.info["cwd"])
    ]
    assert len(postgres) > 2
    named = [(name, psutil.Process(pid)) for name, pid in processes.items()]
    for name, process in [
        *named,
        *(("started", one) for one in started),
        *(("postgres", one) for one in postgres),
    ]:
        environ = Path(f"/proc/{process.pid}/environ").read_bytes()
        canaries = {one for one in map("canary{}".format, range(1, 7)) if one.encode() in environ}
        found[name] = found.get(name, set()) | canaries
    return found


async def test_a_node_that_is_coming_up_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path)
    seen = []

    async def prepare(*_: object) -> None:
        seen.append(read_state(layout_of(settings)))
        raise CannotRun("enough")

    monkeypatch.setattr(node_module, "_check_ground", lambda *_: None)
    monkeypatch.setattr(node_module, "_prepare", prepare)
    with pytest.raises(CannotRun):
        await node_module.run_node(settings, lambda _: None, asyncio.Event())
    assert seen[0] is not None and seen[0].pid == os.getpid() and not seen[0].ready
    assert read_state(layout_of(settings)) is None


async def test_a_fault_of_the_housekeeping_does_not_end_a_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0

    async def fails(_: object) -> None:
        nonlocal turns
        turns += 1
        raise psutil.NoSuchProcess(1)

    monkeypatch.setattr(node_module, "_keep_postgres", fails)
    monkeypatch.setattr(node_module, "_TURN_SECONDS", 0.01)
    idle: Any = SimpleNamespace(
        children=(),
        started_ms=0,
        database_url="postgresql://nobody@127.0.0.1:1/none",
        settings=Settings(data_dir=tmp_path),
        layout=layout_of(Settings(data_dir=tmp_path)),
    )
    tending = asyncio.create_task(node_module._tend(idle))
    await asyncio.sleep(0.2)
    assert not tending.done() and turns > 1
    tending.cancel()


def left_running(data_dir: Path) -> list[str]:
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        words, environ = process.info["cmdline"] or [], process.info["environ"] or {}
        ours = any(str(data_dir) in word for word in words) or str(data_dir) in environ.get(
            "TOLLBRIDGE_DATA_DIR", ""
        )
        if ours and process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
            found.append(" ".join(words)[:200])
    return found


def test_a_taken_port_is_one_sentence_and_nothing_is_started(
    command_line: CommandLine, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", int(command_line.environment["TOLLBRIDGE_WEB_PORT"])))
        other.listen()
        done = command_line.run("up")
    assert done.returncode == 1
    assert "TOLLBRIDGE_WEB_PORT" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    assert left_running(tmp_path) == []


def test_a_wrong_setting_is_named(command_line: CommandLine) -> None:
    done = CommandLine(environment=command_line.environment | {"TOLLBRIDGE_SIP_PORT": "no"}).run("status")
    assert done.returncode == 1 and "TOLLBRIDGE_SIP_PORT" in done.stderr


def test_a_database_that_is_no_postgresql_is_named_without_its_password(command_line: CommandLine) -> None:
    url = {"TOLLBRIDGE_DATABASE_URL": "mysql://me:hunter2@db/x"}
    done = CommandLine(environment=command_line.environment | url).run("calls")
    assert done.returncode == 1 and "TOLLBRIDGE_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr and "hunter2" not in done.stderr


def test_a_test_call_without_words_is_refused_in_one_sentence(command_line: CommandLine) -> None:
    url = {"TOLLBRIDGE_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}
    node = CommandLine(environment=command_line.environment | url)
    done = node.run("testcall", "--to", "+18005550100", "--say", "")
    assert done.returncode == 1 and "no words" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["up"], ["demo"]])
def test_a_data_directory_that_cannot_be_written_is_one_sentence(
    command_line: CommandLine, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "file").touch()
    folder = {"TOLLBRIDGE_DATA_DIR": str(tmp_path / "file" / "data")}
    done = CommandLine(environment=command_line.environment | folder).run(*arguments)
    assert done.returncode == 1
    advice = done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "TOLLBRIDGE_DATA_DIR" in advice or "change the data folder" in advice


def test_without_a_node_the_lists_say_how_to_start_one(command_line: CommandLine) -> None:
    for arguments in (["calls"], ["call", "x"], ["ledger", "verify"]):
        done = command_line.run(*arguments)
        assert done.returncode == 1 and "tollbridge up" in done.stderr and "Traceback" not in done.stderr
