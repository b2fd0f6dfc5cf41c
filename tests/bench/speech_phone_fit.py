"""Fit the phone head of the embedded engine (agi/speech/phone_head.py), and write it.

    python -m tests.bench.speech_phone_fit              hear what has changed, fit on all speakers, write the head
    python -m tests.bench.speech_phone_fit --only-tell  write nothing: phones wrong, each speaker by a head without them

It learns from synthetic speech only, of the development half and of texts drawn for it (speech_phone_speech.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agi.speech.moonshine_model import log_softmax
from agi.speech.phone_head import HEAD_FILE, PHONES
from tests.bench.report import progress
from tests.bench.speech_ctc import Learnt, Spoken, learn
from tests.bench.speech_intelligible import distance
from tests.bench.speech_phone_speech import learnt_from, speaker_of

AROUND, HIDDEN = 1, 0


def heads_without_each(speech: dict[str, list[Spoken]], *, around: int, hidden: int) -> dict[str, Learnt]:
    """By speaker, a head that never heard them."""
    return {
        speaker: learn(
            [one for voice, said in speech.items() if speaker_of(voice) != speaker for one in said],
            around=around, hidden=hidden,
        )
        for speaker in dict.fromkeys(map(speaker_of, speech))
    }  # fmt: skip


def phones_wrong(head: Learnt, spoken: Sequence[Spoken]) -> float:
    """Share of phones that the likeliest way through the frames gets wrong, leaves out or adds."""
    wrong = sum(distance(likeliest_phones(head, one), one.phones) for one in spoken)
    return wrong / max(sum(len(one.phones) for one in spoken), 1)


def likeliest_phones(head: Learnt, one: Spoken) -> list[str]:
    frames = head.inputs(one.frames)
    for weights, bias in head.layers[:-1]:
        frames = np.maximum(frames @ weights + bias, 0)
    weights, bias = head.layers[-1]
    best = log_softmax(frames @ weights + bias).argmax(1)
    return [PHONES[each - 1] for at, each in enumerate(best) if each and (at == 0 or each != best[at - 1])]


def write(head: Learnt, file: Path) -> None:
    parts: dict[str, Any] = {
        f"{name}_{at}": part.astype(np.float16)
        for at, layer in enumerate(head.layers)
        for name, part in zip(("weights", "bias"), layer, strict=True)
    }
    np.savez_compressed(file, mean=head.mean, scale=head.scale, layers=np.array(len(head.layers)), **parts)


def speech() -> dict[str, list[Spoken]]:
    """What there is to learn from, by voice. Raises VoiceMissing, OSError."""
    return {
        voice: [Spoken(frames=frames.astype(np.float32), phones=phones) for phones, frames in said]
        for voice, said in learnt_from().items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only-tell", action="store_true")
    parser.add_argument("--around", type=int, default=AROUND)
    parser.add_argument("--hidden", type=int, default=HIDDEN)
    parser.add_argument("--output", type=Path, default=HEAD_FILE)
    options = parser.parse_args()
    heard = speech()
    if options.only_tell:
        heads = heads_without_each(heard, around=options.around, hidden=options.hidden)
        for speaker, head in heads.items():
            own = [one for voice, said in heard.items() if speaker_of(voice) == speaker for one in said]
            progress(
                f"{speaker}: {len(own)} utterances, {100 * phones_wrong(head, own):.1f} % of phones wrong"
            )
        return 0
    every = [one for said in heard.values() for one in said]
    write(learn(every, around=options.around, hidden=options.hidden), options.output)
    progress(f"wrote {options.output}: {len(every)} utterances of {len(heard)} voices")
    return 0


if __name__ == "__main__":
    sys.exit(main())
