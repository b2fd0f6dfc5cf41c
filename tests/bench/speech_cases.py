"""What the embedded engine finds in a share of the development half, kept until anything that hears has changed.

The decision rule is fitted on this (speech_fit.py). Hearing costs minutes, fitting seconds: what was heard lies in the
cache folder by voice, under the digest of all code and data that a sound passes on its way.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from agi.speech.decision_rule import (
    Evidence,
    is_acceptable,
    load_decision_rule,
    margin_of,
    probabilities,
)
from agi.speech.endpointer import Endpointer, EndpointEvent
from agi.speech.moonshine_engine import MoonshineEngine
from agi.speech.recogniser import FRAME_SAMPLES, Samples, Utterance
from ivr_flows.grammars import GRAMMARS, read_command
from tests.bench.report import progress
from tests.bench.speech_line import Condition
from tests.bench.speech_set import NOISE, Half, Item, load
from tests.bench.speech_voices import VOICES
from tollbridge.settings import Settings

SEED = 4
SHARE = 0.16
"""Of the development half: enough for the fit."""
SHARE_OF: Mapping[str, float] = {"yes_no": 0.5, "loan_type": 0.3, "credit_band": 0.3}
"""Where few phrases are all there is, and nothing is read back: thresholds stand on the rare wrong ones."""
CONDITIONS = (Condition.CLEAN, Condition.NOISE_20_DB, Condition.NOISE_10_DB, Condition.LOSS_3)
_PROCESSES = 2
_QUIET_FRAMES = 40
ROOT = Path(__file__).parents[2]
_ENGINE = (
    "answer_priors", "code_search", "command_ear", "constrained_search", "endpointer", "model_audio",
    "moonshine_engine", "moonshine_model", "overhearing", "phone_head", "pronunciation", "readings", "recogniser",
    "token_automaton", "weighing",
)  # fmt: skip
ON_THE_WAY = (
    *(f"agi/speech/{name}.py" for name in _ENGINE),
    *(f"tests/bench/speech_{name}.py" for name in ("cases", "line", "phrases", "set", "voices")),
    "agi/speech/data/phone_head.npz",
    "ivr_flows/*.py", "ivr_flows/grammar_files/*.*", "rules/places.py", "tollbridge/phone/mulaw.py",
    "requirements.lock",
)  # fmt: skip
"""Files that decide what is heard. Of decision_rule.py only what measures does (`heard_by`): its weights and features
may change without hearing anything again.
"""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One sound under one grammar: what speaks for the best value, None when there was none, and whether it is right.

    `answers` is False for speech and noise that answer nothing. `value` is what was found; `share` is its probability
    among all answers.
    """

    grammar: str
    voice: str
    condition: str
    phrase: str
    answers: bool
    right: bool
    value: str
    evidence: Evidence | None
    share: float

    @property
    def acceptable(self) -> bool:
        """Whether the logit alone decides."""
        return self.evidence is not None and is_acceptable(self.value, self.evidence, self.share)


def utterance_of(samples: Samples) -> Utterance | None:
    """What a call decodes of a line's audio: the speech and the short pause after which it is heard on trial, for an
    engine is handed that again when nothing more is said (turn.py). None when the end-pointer hears no speech.
    """
    endpointer, paused = Endpointer(), dict[int, Utterance]()
    # Somebody goes on talking behind the caller: the line falls silent when the caller has nothing more to say.
    line = np.concatenate([samples, np.ones(_QUIET_FRAMES * FRAME_SAMPLES, np.int16)])
    for at in range(0, len(line) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
        event = endpointer.feed(line[at : at + FRAME_SAMPLES])
        if event is EndpointEvent.PAUSED:
            paused[endpointer.speech_ended_frame] = endpointer.utterance()
        elif event is EndpointEvent.ENDED:
            return paused.get(endpointer.speech_ended_frame) or endpointer.utterance()
    return None


def measured_cases() -> list[Case]:
    """Every case of the share, heard now or read from the cache folder. Raises VoiceMissing, OSError."""
    folder = Settings().cache_dir / "speech-heard" / heard_by()
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{voice}.json" for voice in (*(voice.name for voice in VOICES), NOISE)]
    missing = [file for file in files if not file.is_file()]
    with ProcessPoolExecutor(_PROCESSES) as pool:
        for number, told in enumerate(pool.map(_hear, missing), 1):
            progress(f"voice {number} of {len(missing)}: {told}")
    return [_case(kept) for file in files for kept in json.loads(file.read_text("utf8"))]


def heard_by() -> str:
    """Digest of everything that decides what is heard."""
    digest = hashlib.sha256()
    for file in sorted(file for pattern in ON_THE_WAY for file in ROOT.glob(pattern)):
        digest.update(file.read_bytes())
    for part in (Evidence, margin_of, probabilities):
        digest.update(inspect.getsource(part).encode())
    return digest.hexdigest()[:16]


def _hear(file: Path) -> str:
    """Hear one voice with an engine of its own, so that nothing depends on who was heard before, and write the
    file.
    """
    voice = file.stem
    cases, commands = list[Case](), list[str]()
    engine = unprejudiced_engine()
    for item in filter(chosen, _said_by(voice)):
        cases += _cases_of(engine, item, commands)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps([asdict(case) for case in cases]), "utf8")
    temporary.replace(file)
    taken = f", taken for a command: {', '.join(commands)}" if commands else ""
    return f"{voice}, {len(cases)} cases{taken}"


def unprejudiced_engine() -> MoonshineEngine:
    """The embedded engine by a rule that calls nothing hopeless: hearing must not hang on the rule to be fitted."""
    rule = load_decision_rule()
    grammars = {name: replace(numbers, bias=0.0) for name, numbers in rule.grammars.items()}
    return MoonshineEngine(rule=replace(rule, weights={}, grammars=grammars))


def _said_by(voice: str) -> Iterator[Item]:
    if voice != NOISE:
        yield from load(Half.DEVELOPMENT, conditions=CONDITIONS, voices=(voice,))
        return
    every = load(Half.DEVELOPMENT, grammars=(), conditions=CONDITIONS)
    yield from (item for item in every if item.is_noise)


def chosen(item: Item) -> bool:
    """Draw items by digest, so that the draw is the same everywhere. Noise is rare: all of it counts."""
    digest = zlib.crc32(f"{SEED}|{item.voice}|{item.phrase}|{item.condition}".encode())
    return item.is_noise or digest % 10_000 < SHARE_OF.get(item.grammar or "", SHARE) * 10_000


def _cases_of(engine: MoonshineEngine, item: Item, commands: list[str]) -> Iterable[Case]:
    utterance = utterance_of(item.line.heard())
    if utterance is None:
        return
    for grammar in [item.grammar] if item.grammar else _some_grammars(item):
        sound = engine.hear(utterance, grammar)
        finding = engine.find(sound, grammar)
        if read_command(GRAMMARS[grammar], sound.free.text) or engine.command_behind(
            sound, GRAMMARS[grammar], finding
        ):
            commands.append(f"{item.phrase!r} ({sound.free.text!r})")
            continue
        yield Case(
            grammar=grammar, voice=item.voice, condition=str(item.condition), phrase=item.phrase,
            answers=item.grammar is not None,
            right=item.grammar is not None and finding is not None and finding.value == item.value,
            value=finding.value if finding else "",
            evidence=finding.evidence if finding else None,
            share=finding.shares[finding.value] if finding else 0.0,
        )  # fmt: skip


def _some_grammars(item: Item) -> list[str]:
    """Half of them, drawn: what answers nothing costs most."""
    asked = [name for name, grammar in GRAMMARS.items() if not grammar.commands_only]
    return [name for name in asked if zlib.crc32(f"{item.voice}|{item.phrase}|{name}".encode()) % 2]


def _case(kept: dict[str, Any]) -> Case:
    evidence = kept["evidence"]
    return Case(**{**kept, "evidence": Evidence(**evidence) if evidence else None})
