"""Texts with tags in them ("You said {state}."), cut into prompts: fixed pieces, and the values between them.

What stands in square brackets around a tag is said only when the tag has a value: "[The price is {price}.]".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ivr_flows.events import UPLOAD

_TAG = re.compile(r"\{([a-z][a-z0-9_]{0,39})\}")
_SECTION = re.compile(r"\[([^\[\]]*)\]")
_SPOKEN = re.compile(r"[^\W_]")


def tags_in(text: str) -> frozenset[str]:
    """Return the tags a text asks for."""
    return frozenset() if text.startswith(UPLOAD) else frozenset(_TAG.findall(text))


def text_problem(text: str) -> str:
    """Return what is wrong with the braces and brackets of a text, '' for nothing."""
    if "{" in _TAG.sub("", text) or "}" in _TAG.sub("", text):
        return "a tag in a text is written {loan_type}; another brace cannot stand in it"
    if "[" in _SECTION.sub("", text) or "]" in _SECTION.sub("", text):
        return (
            "square brackets stand around what is said only when the tag in it is known, one pair at a time"
        )
    return ""


def fixed_pieces(text: str) -> tuple[str, ...]:
    """Return what is said whatever the tags are; a lone comma or full stop between two tags is not."""
    if text.startswith(UPLOAD):
        return (text,)
    pieces = (piece.strip() for section in _SECTION.split(text) for piece in _TAG.split(section)[::2])
    return tuple(piece for piece in pieces if _SPOKEN.search(piece))


def prompts_of(
    text: str, tags: Mapping[str, str], speak: Callable[[str, str], tuple[str, ...]]
) -> tuple[str, ...]:
    """Return the prompts that say `text`; `speak` gives the prompts of a tag's value.

    A tag without value is left out, and with it what stands in brackets around it.
    """
    if text.startswith(UPLOAD):
        return (text,)
    prompts: list[str] = []
    for place, section in enumerate(_SECTION.split(text)):
        parts = _TAG.split(section)
        if place % 2 and not all(tags.get(tag) for tag in parts[1::2]):
            continue
        for number, part in enumerate(parts):
            if number % 2:
                prompts += speak(part, tags[part]) if tags.get(part) else ()
            elif _SPOKEN.search(part):
                prompts.append(part.strip())
    return tuple(prompts)


def filled(text: str, tags: Mapping[str, str]) -> str:
    """Return `text` with the tags' values in it, for machines; a tag without value leaves nothing."""
    return _TAG.sub(lambda match: tags.get(match[1], ""), text)
