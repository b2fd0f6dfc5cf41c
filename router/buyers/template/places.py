"""Where in an answer a value stands: `bid.terms[0].amount` in JSON, `bid/terms/amount` or `bid/@amount` in XML."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder, XMLParser

from router.buyers.dialect import HttpAnswer, Unreadable
from router.buyers.reading import read_object

MAXIMUM_PLACE = 200
_JSON_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)((?:\[[0-9]{1,3}\])*)")
_XML_PLACE = re.compile(r"(?:[A-Za-z_][\w.-]*/)*(?:[A-Za-z_][\w.-]*|@[A-Za-z_][\w.-]*)")

Find = Callable[[str], Any]
"""From a place to the value there; None when there is none."""


def place_problem(place: object, kind: str) -> str | None:
    """Return why `place` cannot be a place in an answer of this kind (json or xml), or None."""
    if not isinstance(place, str) or not 0 < len(place) <= MAXIMUM_PLACE:
        return f"must be text of 1 to {MAXIMUM_PLACE} characters"
    if kind == "xml":
        right = _XML_PLACE.fullmatch(place) is not None
        return None if right else f"{place!r} is not a place like bid/amount or bid/@amount"
    right = all(_JSON_STEP.fullmatch(step) for step in place.split("."))
    return None if right else f"{place!r} is not a place like bid.amount or bids[0].amount"


def finder(answer: HttpAnswer, kind: str) -> Find:
    """Read an answer and return how to find values in it. Raises Unreadable when it is not of its kind."""
    if kind == "xml":
        root = _read_xml(answer.body)
        return lambda place: _find_in_xml(root, place)
    value = read_object(answer)
    return lambda place: _find_in_json(value, place)


def _find_in_json(value: Any, place: str) -> Any:
    for step in place.split("."):
        match = _JSON_STEP.fullmatch(step)
        if match is None or not isinstance(value, dict):
            return None
        value = value.get(match[1])
        for index in re.findall(r"[0-9]+", match[2]):
            if not isinstance(value, list) or int(index) >= len(value):
                return None
            value = value[int(index)]
    return value


class _PlainTree(TreeBuilder):
    """Refuses a document type before anything in it is read: no entities, hence no bombs and no outside files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise Unreadable("XML with a document type")


def _read_xml(body: bytes) -> Element:
    parser = XMLParser(target=_PlainTree())  # noqa: S314 (entities are refused by _PlainTree)
    try:
        parser.feed(body)
        root: Element = parser.close()
    except (ParseError, ValueError, LookupError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"not XML: {type(error).__name__}") from None
    return root


def _find_in_xml(root: Element, place: str) -> str | None:
    element: Element | None = root
    for step in place.split("/"):
        if element is None:
            return None
        if step.startswith("@"):
            return element.get(step[1:])
        element = next((child for child in element if child.tag == step), None)
    return None if element is None else (element.text or "").strip()
