"""Which engine listens: Vosk when its model is there, else the embedded one."""

from __future__ import annotations

from pathlib import Path

from agi.speech.recogniser import Recogniser
from agi.speech.vosk_model import is_vosk_model

ENGINE_SETTINGS = ("auto", "moonshine", "vosk")


def choose_engine(engine_setting: str, vosk_model_dir: Path | None) -> Recogniser:
    """Load the engine that the setting asks for; `auto` takes Vosk when `vosk_model_dir` holds a model.

    Engines are imported here, so that a process pays only for its own. Raises ValueError for an unknown
    setting and FileNotFoundError when the engine's model or package is missing.
    """
    if engine_setting not in ENGINE_SETTINGS:
        raise ValueError(f"speech engine {engine_setting!r}: must be one of {', '.join(ENGINE_SETTINGS)}")
    if engine_setting == "vosk" or (engine_setting == "auto" and is_vosk_model(vosk_model_dir)):
        return _vosk(vosk_model_dir)
    from agi.speech.moonshine_engine import MoonshineEngine  # noqa: PLC0415

    return MoonshineEngine()


def _vosk(folder: Path | None) -> Recogniser:
    if folder is None or not is_vosk_model(folder):
        raise FileNotFoundError("no Vosk model is installed: run `tollbridge speech install`")
    from agi.speech.vosk_engine import VoskEngine  # noqa: PLC0415

    return VoskEngine(folder)
