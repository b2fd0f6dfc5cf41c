"""The moonshine tiny-en network on onnxruntime: its tokens, its encoder and its decoder with a cache.

Weights and tokenizer lie in the wheel `moonshine-voice` 0.0.44 (MIT); the package's own code is not imported.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_Real = TypeVar("_Real", np.float32, np.float64)
Cache = Mapping[str, Floats]

START, STOP = 1, 2
_FIRST_WORD_PIECE = 259
"""Below lie the byte tokens, which text never needs here."""
_HEADS, _HEAD_SIZE = 8, 36
_HIDDEN = "encoder_hidden_states"
_OF_AUDIO = ".encoder."
_BLANK = "\u2581"


@dataclass(frozen=True, kw_only=True)
class DecoderState:
    """Log-probabilities of the next token for each row, and what the decoder needs to go on from there: what it wrote
    in each row (`own`) and the audio, which is one for all of them and is never copied.
    """

    log_probabilities: Floats
    own: Cache
    audio: Cache

    @property
    def frames(self) -> Floats:
        """What the encoder made of the sound, frame by frame."""
        frames: Floats = self.audio[_HIDDEN][0]
        return frames


class Tokens:
    """The model's vocabulary: byte-pair pieces with a blank mark."""

    def __init__(self, file: Path) -> None:
        self.pieces = _read_pieces(file.read_bytes())
        self.numbers = {
            piece: number
            for number, piece in enumerate(self.pieces)
            if number >= _FIRST_WORD_PIECE or number <= STOP
        }

    def encode(self, text: str) -> list[int]:
        """Token numbers of `text`. Raises KeyError for a character the model cannot write."""
        return self.encode_part(" " + text)

    def encode_part(self, text: str) -> list[int]:
        """The same for text in the middle of a line: it starts a new word only where it starts with a blank."""
        parts = [letter.encode() for letter in text.replace(" ", _BLANK)]
        while (at := self._best_pair(parts)) is not None:
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return [self.numbers[part] for part in parts]

    def _best_pair(self, parts: Sequence[bytes]) -> int | None:
        pairs = ((self.numbers.get(parts[at] + parts[at + 1]), at) for at in range(len(parts) - 1))
        known = [(number, at) for number, at in pairs if number is not None]
        return min(known)[1] if known else None

    def text(self, numbers: Sequence[int]) -> str:
        written = b"".join(self.pieces[number] for number in numbers).decode("utf8", "replace")
        return written.replace(_BLANK, " ").strip()


def _read_pieces(data: bytes) -> list[bytes]:
    """The file is a row of pieces, each after its length: one byte, or two when the first has its top bit
    set.
    """
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        length = data[at]
        at += 1
        if length >= 128:
            length = (length - 128) + 128 * data[at]
            at += 1
        pieces.append(data[at : at + length])
        at += length
    return pieces


class MoonshineModel:
    """Encoder and decoder, one thread each. Raises FileNotFoundError when the wheel is missing."""

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or assets_folder()
        self._encoder = _session(folder / "encoder_model.ort")
        self._decoder = _session(folder / "decoder_model_merged.ort")
        self.tokens = Tokens(folder / "tokenizer.bin")
        self._cache_names = [x.name for x in self._decoder.get_inputs() if x.name.startswith("past")]
        self._present_names = [
            x.name.replace("present", "past_key_values") for x in self._decoder.get_outputs()[1:]
        ]

    def listen(self, samples: Floats) -> Floats:
        """Encode 16 kHz samples in the range of 16 bit integers."""
        batch = samples[None].astype(np.float32) / np.float32(32768.0)
        inputs = {"input_values": batch, "attention_mask": np.ones(batch.shape, np.int64)}
        hidden: Floats = self._encoder.run(None, inputs)[0]
        return hidden

    def begin(self, hidden: Floats) -> DecoderState:
        """The state before the first token."""
        empty = {name: np.zeros((1, _HEADS, 0, _HEAD_SIZE), np.float32) for name in self._cache_names}
        scores, present = self._run([START], {_HIDDEN: hidden, **empty}, use_cache=False)
        audio = {name: value for name, value in present.items() if _OF_AUDIO in name}
        return DecoderState(log_probabilities=scores, own=_written(present), audio={_HIDDEN: hidden, **audio})

    def advance(self, state: DecoderState, rows: Sequence[int], tokens: Sequence[int]) -> DecoderState:
        """Go on from `rows` of `state`, each with its own token."""
        chosen = list(rows)
        own = {name: value[chosen] for name, value in state.own.items()}
        scores, present = self._run(tokens, {**state.audio, **own}, use_cache=True)
        return DecoderState(log_probabilities=scores, own=_written(present), audio=state.audio)

    def _run(
        self, tokens: Sequence[int], past: Cache, *, use_cache: bool
    ) -> tuple[Floats, dict[str, Floats]]:
        inputs = {
            "input_ids": np.array([[token] for token in tokens], np.int64),
            "encoder_attention_mask": np.ones(past[_HIDDEN].shape[:2], np.int64),
            "use_cache_branch": np.array([use_cache]),
            **past,
        }
        logits, *present = self._decoder.run(None, inputs)
        return log_softmax(logits[:, -1]), dict(zip(self._present_names, present, strict=True))


def _written(present: Cache) -> Cache:
    return {name: value for name, value in present.items() if _OF_AUDIO not in name}


def log_softmax(logits: NDArray[_Real]) -> NDArray[_Real]:
    best = logits.max(-1, keepdims=True)
    powers = logits - best
    np.exp(powers, out=powers)
    result: NDArray[_Real] = logits - (best + np.log(powers.sum(-1, keepdims=True)))
    return result


def assets_folder() -> Path:
    package = importlib.util.find_spec("moonshine_voice")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("the Python package moonshine-voice (speech model) is not installed")
    return Path(package.submodule_search_locations[0]) / "assets" / "tiny-en"


def _session(file: Path) -> ort.InferenceSession:
    if not file.is_file():
        raise FileNotFoundError(f"{file} is missing: moonshine-voice must be version 0.0.44")
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # A thread that spins while it waits takes the core from the calls.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
