"""Training of a small head by connectionist temporal classification, in numpy. Pure, by seed.

A library would bring hundreds of megabytes (PyTorch) to train some ten thousand weights once: this takes a minute.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agi.speech.moonshine_model import Floats, log_softmax
from agi.speech.phone_head import BLANK, IMPOSSIBLE, NUMBER_OF, PHONES, beside_neighbours

Rows = NDArray[np.float64]
Numbers = NDArray[np.int64]
BATCH = 64
EPOCHS = 10
RATE = 3e-3
DECAY = 1e-4
HIDDEN_OUT = 0.1
"""Share of inputs that is left out, drawn anew for each batch."""
_RISING_STEPS = 50
_LEAST_RATE = 0.02
_FIRST_MOMENT, _SECOND_MOMENT, _TINY = 0.9, 0.99, 1e-6


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """What the encoder heard and the phones that were said."""

    frames: Floats
    phones: Sequence[str]

    @property
    def fits(self) -> bool:
        """A phone needs a frame, and one more parts it from the same again."""
        doubled = sum(one == other for one, other in pairwise(self.phones))
        return bool(self.phones) and len(self.frames) > len(self.phones) + doubled


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """A head: how its input is scaled, and its layers of weights and bias."""

    mean: Floats
    scale: Floats
    around: int
    layers: list[tuple[Floats, Floats]]

    def inputs(self, frames: Floats) -> Floats:
        return beside_neighbours((frames.astype(np.float32) - self.mean) * self.scale, self.around)


def learn(
    spoken: Sequence[Spoken], *, around: int, hidden: int, epochs: int = EPOCHS, seed: int = 0
) -> Learnt:
    """Fit a head with so many neighbours of each frame on both sides and one hidden layer (0: none)."""
    dice = np.random.default_rng(seed)
    known = sorted((one for one in spoken if one.fits), key=lambda one: len(one.frames))
    head = _untaught(known, around, hidden, dice)
    batches = [known[at : at + BATCH] for at in range(0, len(known), BATCH)]
    adam = _Adam([each for layer in head.layers for each in layer], epochs * len(batches))
    for _ in range(epochs):
        for number in dice.permutation(len(batches)):
            adam.step(_slopes(head, batches[number], dice))
    return head


def _untaught(known: Sequence[Spoken], around: int, hidden: int, dice: np.random.Generator) -> Learnt:
    some = np.concatenate([one.frames[::3].astype(np.float32) for one in known])
    width = some.shape[1] * (2 * around + 1)
    sizes = [width, *([hidden] if hidden else []), 1 + len(PHONES)]
    layers = [
        (
            (dice.standard_normal((wide, high)) * wide**-0.5).astype(np.float32),
            np.zeros(high, np.float32),
        )
        for wide, high in pairwise(sizes)
    ]
    return Learnt(mean=some.mean(0), scale=1 / (some.std(0) + np.float32(1e-3)), around=around, layers=layers)


def _slopes(head: Learnt, batch: Sequence[Spoken], dice: np.random.Generator) -> list[Floats]:
    """How the loss of a batch changes with each weight and bias."""
    lengths = np.array([len(one.frames) for one in batch], np.int64)
    frames = np.concatenate([head.inputs(one.frames) for one in batch])
    kept = dice.random(frames.shape, dtype=np.float32) >= HIDDEN_OUT
    entering = [frames * kept / np.float32(1 - HIDDEN_OUT)]
    for weights, bias in head.layers[:-1]:
        entering.append(np.maximum(entering[-1] @ weights + bias, 0))
    weights, bias = head.layers[-1]
    heard = log_softmax(entering[-1] @ weights + bias)
    there = np.arange(lengths.max()) < lengths[:, None]
    padded = np.zeros((*there.shape, heard.shape[1]))
    padded[there] = heard
    wanted = occupancies(padded, lengths, [[NUMBER_OF[phone] for phone in one.phones] for one in batch])[
        there
    ]
    slope = ((np.exp(heard) - wanted) / len(batch)).astype(np.float32)
    found: list[Floats] = []
    for (weights, _), entered in zip(reversed(head.layers), reversed(entering), strict=True):
        found = [entered.T @ slope + np.float32(DECAY) * weights, slope.sum(0), *found]
        slope = (slope @ weights.T) * (entered > 0)
    return found


class _Adam:
    """Steps against the slopes, each weight at its own pace; the pace rises, then falls along half a cosine."""

    def __init__(self, values: Sequence[Floats], steps: int) -> None:
        self._values, self._steps, self._taken = values, steps, 0
        self._first = [np.zeros_like(value) for value in values]
        self._second = [np.zeros_like(value) for value in values]

    def step(self, slopes: Sequence[Floats]) -> None:
        self._taken += 1
        falling = 0.5 * (1 + np.cos(np.pi * self._taken / self._steps)) + _LEAST_RATE
        rate = np.float32(RATE * min(1.0, self._taken / _RISING_STEPS) * falling)
        for at, slope in enumerate(slopes):
            self._first[at] += (1 - _FIRST_MOMENT) * (slope - self._first[at])
            self._second[at] += (1 - _SECOND_MOMENT) * (slope * slope - self._second[at])
            unbiased = np.sqrt(self._second[at] / (1 - _SECOND_MOMENT**self._taken)) + _TINY
            step = rate * self._first[at] / (1 - _FIRST_MOMENT**self._taken) / unbiased
            np.subtract(self._values[at], step, out=self._values[at])


def occupancies(heard: Rows, lengths: Numbers, said: Sequence[Sequence[int]]) -> Rows:
    """Of log-probabilities (utterance, frame, phone): how likely each frame is in each phone, given what was said."""
    labels, skips, counts = _lattice(said)
    emitted = np.take_along_axis(
        heard, np.broadcast_to(labels[:, None], (*heard.shape[:2], labels.shape[1])), 2
    )
    each = np.arange(len(said))
    before = np.stack([*_forward(emitted, skips)], axis=1)
    last = before[each, lengths - 1]
    total = np.logaddexp(last[each, counts - 1], last[each, counts - 2])
    behind = _backward(emitted, skips, lengths, counts)
    share = np.exp(np.clip(before + behind - total[:, None, None], -80, 0))
    share *= np.arange(labels.shape[1]) < counts[:, None, None]
    occupied = np.zeros(heard.shape)
    rows, frames = np.arange(heard.shape[0])[:, None, None], np.arange(heard.shape[1])[:, None]
    np.add.at(occupied, (rows, frames, labels[:, None]), share)
    return occupied


def _lattice(said: Sequence[Sequence[int]]) -> tuple[Numbers, NDArray[np.bool_], Numbers]:
    """Phones with a blank around each, where a blank may be left out, and how many places each row has."""
    labels = np.full((len(said), 2 * max(map(len, said)) + 1), BLANK)
    for row, phones in zip(labels, said, strict=True):
        row[1 : 2 * len(phones) : 2] = phones
    skips = np.zeros(labels.shape, bool)
    skips[:, 2:] = (labels[:, 2:] != BLANK) & (labels[:, 2:] != labels[:, :-2])
    return labels, skips, np.array([2 * len(phones) + 1 for phones in said])


def _forward(emitted: Rows, skips: NDArray[np.bool_]) -> Iterator[Rows]:
    reached = np.full(skips.shape, IMPOSSIBLE)
    reached[:, :2] = emitted[:, 0, :2]
    yield reached
    for frame in range(1, emitted.shape[1]):
        skipped = np.where(skips, _shifted(reached, 2), IMPOSSIBLE)
        reached = _added(reached, _shifted(reached, 1), skipped) + emitted[:, frame]
        yield reached


def _backward(emitted: Rows, skips: NDArray[np.bool_], lengths: Numbers, counts: Numbers) -> Rows:
    ends = np.full(skips.shape, IMPOSSIBLE)
    each = np.arange(len(ends))
    ends[each, counts - 1] = ends[each, counts - 2] = 0.0
    skipped_to = np.zeros(skips.shape, bool)
    skipped_to[:, :-2] = skips[:, 2:]
    found = np.full(emitted.shape, IMPOSSIBLE)
    following = np.full(skips.shape, IMPOSSIBLE)
    for frame in range(emitted.shape[1] - 1, -1, -1):
        skip = np.where(skipped_to, _shifted(following, -2), IMPOSSIBLE)
        here = np.where(
            (lengths - 1 == frame)[:, None], ends, _added(following, _shifted(following, -1), skip)
        )
        found[:, frame] = here
        following = here + emitted[:, frame]
    return found


def _shifted(rows: Rows, by: int) -> Rows:
    moved = np.full(rows.shape, IMPOSSIBLE)
    if by > 0:
        moved[:, by:] = rows[:, :-by]
    else:
        moved[:, :by] = rows[:, -by:]
    return moved


def _added(one: Rows, two: Rows, three: Rows) -> Rows:
    """Log of the sum of three probabilities."""
    best = np.maximum(np.maximum(one, two), three)
    return np.asarray(best + np.log(np.exp(one - best) + np.exp(two - best) + np.exp(three - best)))
