"""The child of a speech process that runs the recogniser, apart from the frames that must leave every 20 ms.

A request is a line of JSON and then its samples (16 bit little-endian); an answer is a line of JSON. One at a time.
It ends when its parent does.
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from agi.speech.engine_choice import choose_engine
from agi.speech.priority import give_way
from agi.speech.recogniser import Recogniser, Samples, Utterance, nothing_heard
from agi.speech.recognition_json import recognition_to_json
from rules.log_lines import JsonLines

logger = logging.getLogger(__name__)

MODULE = "agi.speech.decode_process"
_PR_SET_PDEATHSIG = 1


def main(engine: str, vosk_model_dir: str) -> None:
    """Answer requests from stdin on stdout until it is closed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    requests, answers = sys.stdin.buffer, _own_stdout()
    try:
        recogniser = choose_engine(engine, Path(vosk_model_dir) if vosk_model_dir else None)
    except (FileNotFoundError, ValueError) as error:
        _say(answers, {"broken": str(error)})
        return
    # What was loaded stays: collecting garbage need not look at it again.
    gc.freeze()
    # A decode may wait a moment, a frame may not.
    give_way()
    _say(answers, {"ready": recogniser.name, "grammars": sorted(recogniser.grammars)})
    while line := requests.readline():
        request = json.loads(line)
        samples = np.frombuffer(requests.read(2 * int(request["samples"])), "<i2").astype(np.int16)
        _say(answers, _answer(recogniser, request, samples))


def _answer(recogniser: Recogniser, request: Mapping[str, Any], samples: Samples) -> dict[str, Any]:
    """An engine's failure is logged and counts as nothing heard."""
    synonyms = {value: tuple(phrases) for value, phrases in request["synonyms"].items()}
    try:
        if request["prepare"]:
            recogniser.prepare(request["grammar"], synonyms)
            return {}
        utterance = Utterance(
            samples=samples,
            speech_seconds=request["speech_seconds"],
            lead_seconds=request["lead_seconds"],
        )
        recognition = recogniser.recognise(utterance, request["grammar"], synonyms, final=request["final"])
    except ValueError as error:
        if request["prepare"]:
            return {"refused": str(error)}
        logger.exception("the engine %s failed", recogniser.name)
        recognition = nothing_heard(recogniser.name)
    except Exception:
        logger.exception("the engine %s failed", recogniser.name)
        recognition = nothing_heard(recogniser.name)
    return recognition_to_json(recognition)


def _own_stdout() -> BinaryIO:
    """Keep stdout for answers: whatever a library prints goes to the log."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _say(answers: BinaryIO, body: Mapping[str, Any]) -> None:
    answers.write(json.dumps(body).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    main(*sys.argv[1:3])
