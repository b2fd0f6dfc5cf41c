"""Speech as the embedded model wants it: one level, 16 kHz."""

from __future__ import annotations

import numpy as np
import soxr

from agi.speech.moonshine_model import Floats
from agi.speech.recogniser import FRAME_SAMPLES, SAMPLE_RATE, Samples

_MODEL_RATE = 16_000
_SPEECH_LEVEL = 2000.0
"""RMS to which the loudest 40 % of frames are brought."""
_LOUD_SHARE = 0.6
_MAXIMUM_GAIN = 20.0


def at_model_rate(samples: Samples, faster: float = 1.0) -> Floats:
    """Bring speech to one level and to 16 kHz, played `faster` than it was said."""
    audio = samples.astype(np.float32)
    frames = audio[: len(audio) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    levels = np.sqrt((frames**2).mean(1))
    loud = levels[levels >= np.quantile(levels, _LOUD_SHARE)]
    gain = min(_MAXIMUM_GAIN, _SPEECH_LEVEL / (float(np.sqrt((loud**2).mean())) + 1.0))
    resampled: Floats = soxr.resample(audio * np.float32(gain), SAMPLE_RATE * faster, _MODEL_RATE, "HQ")
    return np.clip(resampled, -32767, 32767)
