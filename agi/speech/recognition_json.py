"""A recognition on its way from the recogniser's process, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from agi.speech.recogniser import Hypothesis, Recognition, Verdict


def recognition_to_json(recognition: Recognition) -> dict[str, Any]:
    return asdict(recognition)


def recognition_from_json(body: Mapping[str, Any]) -> Recognition:
    """Raises ValueError for anything that is no recognition."""
    try:
        alternatives = tuple(Hypothesis(**each) for each in body["alternatives"])
        return Recognition(**{**body, "verdict": Verdict(body["verdict"]), "alternatives": alternatives})
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a recognition: {error}") from error
