"""What of an endpoint is secret: shown masked, kept out of logs, and bound to the hosts it was entered for. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit
from xml.sax.saxutils import escape

from router.buyers.dialect import Endpoint

MASK = "***"
_PLAIN_HEADERS = frozenset({"content-type", "accept", "user-agent"})
_SECRET_NAME = re.compile(r"key|token|secret|passw|credential|auth(?!or)", re.IGNORECASE)
_SHORTEST_HIDDEN = 4
"""Of settings: a shorter text stands in too much else to be taken out of it."""


def masked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they may be shown: MASK stands for what may be a secret.

    That is every header but the plain ones, and every text whose name says so (campaign_key, api_token).
    """
    return {name: _masked(name, value) for name, value in settings.items()}


def _masked(name: str, value: Any) -> Any:
    if name == "headers" and isinstance(value, dict):
        return {header: text if header.lower() in _PLAIN_HEADERS else MASK for header, text in value.items()}
    if isinstance(value, dict):
        return masked_settings(value)
    return MASK if isinstance(value, str) and _SECRET_NAME.search(name) else value


def unmasked_settings(settings: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with what was sent masked put back, where it stood before under the same names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        known = before.get(name)
        if isinstance(value, dict):
            found[name] = unmasked_settings(value, known if isinstance(known, dict) else {})
        else:
            found[name] = known if value == MASK and known is not None else value
    return found


def has_mask(value: Any) -> bool:
    """Tell whether something is still masked within JSON objects."""
    return any(map(has_mask, value.values())) if isinstance(value, dict) else value == MASK


def urls_of(endpoint: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every URL of an endpoint with its place: a template may have one of its own for each request."""
    yield "url", endpoint["url"]
    for name in ("ping", "post"):
        request = endpoint["settings"].get(name)
        if isinstance(request, dict) and isinstance(request.get("url"), str):
            yield f"settings.{name}.url", request["url"]


def goes_to(endpoint: Mapping[str, Any]) -> frozenset[str]:
    """Return where the endpoint's secrets go, and how: its dialect and every URL."""
    return frozenset({f"dialect {endpoint['dialect']}", *(url for _, url in urls_of(endpoint))})


def bound_to(endpoint: Mapping[str, Any]) -> frozenset[str]:
    """Return what secrets were entered for: the dialect, and the hosts with their ports."""
    return frozenset({f"dialect {endpoint['dialect']}", *(_origin(url) for _, url in urls_of(endpoint))})


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}:{parts.port or 443}"
    except ValueError:
        return url


def hidden_texts(endpoint: Endpoint) -> tuple[str, ...]:
    """Return every spelling of an endpoint's secrets that a request or an answer may hold, the longest first."""
    of_settings = (text for text in _masked_texts(endpoint.settings) if len(text) >= _SHORTEST_HIDDEN)
    texts = {spelled for text in (endpoint.secret, *of_settings) if text for spelled in _spellings(text)}
    return tuple(sorted(texts, key=lambda text: (-len(text), text)))


def _masked_texts(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, value in settings.items():
        if isinstance(value, dict) and name != "headers":
            yield from _masked_texts(value)
        else:
            shown = _masked(name, value)
            pairs = (
                zip(shown.values(), value.values(), strict=True)
                if isinstance(value, dict)
                else ((shown, value),)
            )
            yield from (
                text for mask, text in pairs if mask == MASK and isinstance(text, str) and "{" not in text
            )


def _spellings(text: str) -> set[str]:
    as_xml = escape(text, {'"': "&quot;", "'": "&apos;"})
    return {text, quote(text, safe=""), json.dumps(text)[1:-1], as_xml}


def without_secrets(hidden: Iterable[str], text: str) -> str:
    """Return a text with MASK for each of the `hidden` ones in it."""
    for one in hidden:
        text = text.replace(one, MASK)
    return text
