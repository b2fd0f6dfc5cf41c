"""What a flow did in a call, and what was done to the call, as moments of its way. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from web import formats
from web.call.facts import Call, Happened
from web.call.moment import Moment, moment

WAITS: Mapping[str, str] = {
    "ask": "asks the caller",
    "notice": "plays its notice",
    "hold": "holds the caller",
    "voicemail": "takes a message",
    "transfer": "puts the caller through",
    "web_hook": "asks a web hook",
}
SOUNDS_NAMED = 4

Words = tuple[str, str, str]
"""The mark's kind, title and detail of a moment."""


def moments_of(call: Call, happened: Happened, texts: Mapping[str, str]) -> Iterator[Moment]:
    """Yield what an event is to a reader; `texts` are the words of sounds by the sound's name."""
    tell = _TELLERS.get(happened.kind)
    if tell is None:
        kind, title, detail = "flow", formats.words(happened.kind).capitalize(), formats.words(happened.node)
    else:
        kind, title, detail = tell(happened, texts)
    yield moment(call, happened.at, kind, title, detail)


def _waiting(happened: Happened, _: Mapping[str, str]) -> Words:
    what = WAITS.get(str(happened.detail.get("waits_for", "")), "waits")
    return "flow", f"“{formats.words(happened.node)}” {what}", ""


def _prompts(happened: Happened, texts: Mapping[str, str]) -> Words:
    sounds = happened.detail.get("sounds")
    names = list(sounds) if isinstance(sounds, dict) else []
    said = [f"“{formats.shown(texts[name], 120)}”" for name in names if name in texts][:SOUNDS_NAMED]
    more = len(names) - len(said)
    if more and said:
        said.append(f"and {more} more")
    return (
        "flow",
        "The caller hears",
        " ".join(said) or f"{len(names)} {'sound' if len(names) == 1 else 'sounds'}",
    )


def _tag_set(happened: Happened, _: Mapping[str, str]) -> Words:
    tag, value = _text(happened, "tag"), _text(happened, "value")
    return (
        "flow",
        f"{formats.words(tag).capitalize()} becomes {formats.words(value)}",
        f"By “{formats.words(happened.node)}”",
    )


def _notice(happened: Happened, _: Mapping[str, str]) -> Words:
    said = happened.detail.get("said")
    words = " ".join(f"“{formats.shown(one, 120)}”" for one in said) if isinstance(said, list) else ""
    return "flow", "The notice was heard to its end", words


def _web_hook(happened: Happened, _: Mapping[str, str]) -> Words:
    took, reason = happened.detail.get("took_ms"), _text(happened, "reason")
    given = happened.detail.get("given")
    what = (
        f"gave {', '.join(map(formats.words, given))}"
        if isinstance(given, list) and given
        else "gave nothing"
    )
    title = f"The web hook of “{formats.words(happened.node)}” {what}"
    return "flow", title, "; ".join(filter(None, [reason, f"{took} ms" if took is not None else ""]))


def _transfer(happened: Happened, _: Mapping[str, str]) -> Words:
    refused = _text(happened, "refused")
    title = f"Put through to {formats.number(_text(happened, 'number'))}"
    return ("missed", f"{title}: refused", refused) if refused else ("flow", title, "")


def _transferred(happened: Happened, _: Mapping[str, str]) -> Words:
    answered, ended = happened.detail.get("answered_ms"), happened.detail.get("ended_ms")
    number = formats.number(_text(happened, "number"))
    if isinstance(answered, int) and isinstance(ended, int):
        return "talk", f"Talked to {number}", formats.seconds(ended - answered)
    return "missed", f"{number} did not answer", ""


def _fault(happened: Happened, _: Mapping[str, str]) -> Words:
    return "missed", f"“{formats.words(happened.node)}” failed", formats.shown(_text(happened, "reason"), 200)


def _tags_left_out(happened: Happened, _: Mapping[str, str]) -> Words:
    tags = happened.detail.get("tags")
    names = ", ".join(map(formats.words, tags)) if isinstance(tags, list) else ""
    return "missed", "Too many answers for one call", formats.shown(f"Left out: {names}", 200)


def _not_recorded(happened: Happened, _: Mapping[str, str]) -> Words:
    return "flow", "Not recorded", _text(happened, "reason")


def _recording_refused(happened: Happened, _: Mapping[str, str]) -> Words:
    return "flow", "The caller does not want a recording", "What there was of it was dropped"


def _hung_up(happened: Happened, _: Mapping[str, str]) -> Words:
    return "end", "Hung up by the house", formats.shown(_text(happened, "by"), 80)


def _text(happened: Happened, name: str) -> str:
    value: Any = happened.detail.get(name)
    return "" if value is None else formats.shown(value, 200)


_TELLERS: Mapping[str, Callable[[Happened, Mapping[str, str]], Words]] = {
    "waiting": _waiting,
    "prompts": _prompts,
    "tag_set": _tag_set,
    "notice_heard": _notice,
    "web_hook": _web_hook,
    "transfer": _transfer,
    "transferred": _transferred,
    "fault": _fault,
    "tags_left_out": _tags_left_out,
    "not_recorded": _not_recorded,
    "recording_refused": _recording_refused,
    "hung_up_by_house": _hung_up,
}
