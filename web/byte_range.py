"""Which bytes of a whole a request asks for (RFC 9110, section 14). Pure."""

from __future__ import annotations

_DIGITS_MAXIMUM = 15


class NotThere(Exception):
    """A range that begins after the end, or is none of one piece in bytes."""


def read_range(header: str, length: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last; None: the whole is wanted. Raises NotThere.

    Units that are not bytes, and several ranges at once, are answered by the whole, as the RFC allows.
    """
    unit, _, spans = header.partition("=")
    if unit.strip().lower() != "bytes" or "," in spans:
        return None
    first, dash, last = (part.strip() for part in spans.partition("-"))
    if not dash or not (first or last) or not all(_is_number(part) for part in (first, last) if part):
        return None
    if not first:
        start, stop = max(length - int(last), 0), length
    else:
        start, stop = int(first), min(int(last) + 1, length) if last else length
        if last and int(last) < int(first):
            return None
    if start >= length or start >= stop:
        raise NotThere
    return start, stop


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAXIMUM
