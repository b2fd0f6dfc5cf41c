"""Real parts for the speech tests: piper's voice, the embedded engine, a speech process."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from agi.speech.client import SpeechClient
from agi.speech.moonshine_engine import MoonshineEngine
from agi.speech.prompts import render_prompts
from tests.agi.speech.korean import lay_out_model
from tests.agi.speech.telephone import Samples, read_wav
from tollbridge.settings import Settings

REPOSITORY = Path(__file__).parents[3]
TOKEN = "speech-test-token"
SENTENCES = (
    "refinance", "california", "yes", "no", "Texas", "I live in West Virginia", "I want to buy a house",
    "three hundred thousand dollars", "nine, one, seven, zero, two", "remove my number", "sixty two",
    "stop calling me", "put me on your do not call list",
    "three to six months", "excellent", "October tenth, nineteen eighty eight", "rate and term", "Washington",
    "twenty five", "my dog is sleeping on the sofa", "what time does the pharmacy close today",
    "What kind of loan are you looking for? You can say refinance, purchase, home equity, or reverse mortgage.",
)  # fmt: skip
LONG_PROMPT = SENTENCES[-1]

Speak = Callable[[str], Samples]


@pytest.fixture(scope="session")
def spoken_files() -> dict[str, Path]:
    """The test sentences as piper says them, 8 kHz, the same on every machine; kept (test_prompts renders afresh)."""
    return render_prompts(Settings().cache_dir / "spoken-steady", SENTENCES, steady=True)


@pytest.fixture(scope="session")
def say(spoken_files: dict[str, Path]) -> Speak:
    return lambda text: read_wav(spoken_files[text])


@pytest.fixture(scope="session")
def moonshine() -> MoonshineEngine:
    return MoonshineEngine()


@pytest.fixture(scope="session")
def korean_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out_model(tmp_path_factory.mktemp("vosk") / "ko")


@dataclass(frozen=True, kw_only=True)
class SpeechProcess:
    process: subprocess.Popen[str]
    control_port: int
    audiosocket_port: int

    def client(self) -> SpeechClient:
        return SpeechClient([(self.control_port, self.audiosocket_port)], TOKEN)


@contextmanager
def running_speech_process(
    log: Path, maximum_asks: int = 48, *, engine: str = "moonshine", model: Path | None = None
) -> Iterator[SpeechProcess]:
    """A speech process on free ports, ready; killed at the end."""
    folder = f"Path({str(model)!r})" if model else None
    program = (
        "import asyncio, logging; from pathlib import Path; from agi.speech.service import SpeechConfig, serve; "
        "logging.basicConfig(level=logging.INFO); "
        "asyncio.run(serve(SpeechConfig(index=0, control_port=0, audiosocket_port=0, token="
        f"{TOKEN!r}, engine={engine!r}, vosk_model_dir={folder}, maximum_asks={maximum_asks})))"
    )
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", program], cwd=REPOSITORY, stderr=output, stdout=output, text=True
        )
    try:
        control, audio = _ports_when_ready(process, log)
        yield SpeechProcess(process=process, control_port=control, audiosocket_port=audio)
    finally:
        process.kill()
        process.wait()


def _ports_when_ready(process: subprocess.Popen[str], log: Path) -> tuple[int, int]:
    deadline = time.monotonic() + 30
    while not (found := re.search(r"ready: .* control=(\d+) audiosocket=(\d+)", log.read_text())):
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
    return int(found[1]), int(found[2])


@pytest.fixture(scope="module")
def speech_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpeechProcess]:
    with running_speech_process(tmp_path_factory.mktemp("speech") / "speech.log") as running:
        yield running
