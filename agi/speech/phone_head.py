"""Which phones the encoder heard, frame by frame, and how well a text's phones fit them.

A small head on the encoder's frames gives each frame's log-probabilities of the dictionary's phones and of none of
them (connectionist temporal classification). It has no taste for words, as the decoder has: "poor" and "there" are as
likely as they sound. Its numbers are a data file that `python -m tests.bench.speech_phone_fit` measures and writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agi.speech.moonshine_model import Floats, log_softmax
from agi.speech.pronunciation import Phones

HEAD_FILE = Path(__file__).parent / "data" / "phone_head.npz"
PHONES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)  # fmt: skip
BLANK = 0
NUMBER_OF = {phone: number for number, phone in enumerate(PHONES, start=1)}
IMPOSSIBLE = -1e9
"""Log-probability of phones that do not fit in the frames at all; finite, so that it may be added to."""

Rows = NDArray[np.float64]


class PhoneHead:
    """Raises OSError, KeyError or ValueError for a file that is none."""

    def __init__(self, file: Path = HEAD_FILE) -> None:
        with np.load(file) as kept:
            self._mean, self._scale = kept["mean"], kept["scale"]
            self._layers = [
                (kept[f"weights_{at}"].astype(np.float32), kept[f"bias_{at}"].astype(np.float32))
                for at in range(int(kept["layers"]))
            ]
        self._around = (len(self._layers[0][0]) // len(self._mean) - 1) // 2

    def hear(self, hidden: Floats) -> PhonesHeard:
        """Phones of one utterance's encoder frames (frames x width)."""
        frames = beside_neighbours((hidden - self._mean) * self._scale, self._around)
        for weights, bias in self._layers[:-1]:
            frames = np.maximum(frames @ weights + bias, 0.0)
        weights, bias = self._layers[-1]
        return PhonesHeard(log_softmax(frames @ weights + bias).astype(np.float64))


class PhonesHeard:
    """Log-probabilities by frame and phone."""

    def __init__(self, log_probabilities: Rows) -> None:
        self.log_probabilities = log_probabilities
        self._fits: dict[Phones, float] = {}

    @cached_property
    def free(self) -> float:
        """Log-probability of the likeliest way through the frames, whatever it says."""
        return float(self.log_probabilities.max(1).sum())

    def fits(self, rows: Sequence[Phones]) -> list[float]:
        """Log-probability of each row of phones, less the free one: 0 is all that was heard."""
        new = [row for row in dict.fromkeys(rows) if row and row not in self._fits]
        if new:
            fits = forward_scores(self.log_probabilities, new) - self.free
            self._fits.update(zip(new, fits.tolist(), strict=True))
        return [self._fits[row] if row else IMPOSSIBLE for row in rows]


def beside_neighbours(frames: Floats, around: int) -> Floats:
    """Each frame with so many before and behind it, in one row."""
    padded = np.pad(frames, ((around, around), (0, 0)))
    return np.concatenate([padded[at : at + len(frames)] for at in range(2 * around + 1)], axis=1)


def forward_scores(heard: Rows, rows: Sequence[Sequence[str]]) -> Rows:
    """Log-probability that the frames say each row of phones, over all ways to lay it along them."""
    widest = 2 * max(map(len, rows)) + 1
    labels = np.zeros((len(rows), widest), np.int64)
    for row, phones in zip(labels, rows, strict=True):
        row[1 : 2 * len(phones) : 2] = [NUMBER_OF[phone] for phone in phones]
    # A phone may follow the last at once, unless it is the same again: then none must part them.
    skipping = np.full(labels.shape, IMPOSSIBLE)
    skipping[:, 2:][(labels[:, 2:] != BLANK) & (labels[:, 2:] != labels[:, :-2])] = 0.0
    reached = np.full((len(rows), widest + 2), IMPOSSIBLE)
    reached[:, 2:4] = heard[0, labels[:, :2]]
    for frame in heard[1:]:
        stay, step, skip = reached[:, 2:], reached[:, 1:-1], reached[:, :-2] + skipping
        best = np.maximum(np.maximum(stay, step), skip)
        total = np.exp(stay - best) + np.exp(step - best) + np.exp(skip - best)
        reached[:, 2:] = best + np.log(total) + frame[labels]
    ends = np.array([2 * len(phones) + 2 for phones in rows])
    each = np.arange(len(rows))
    return np.asarray(np.logaddexp(reached[each, ends], reached[each, ends - 1]), np.float64)
