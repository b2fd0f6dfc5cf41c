"""Ask a service of yours while the caller waits: tags out, fields of its answer into tags. Bounded in every way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from ivr_flows.events import Event, FlowFault, Source, WebhookWait
from ivr_flows.nodes.fields import TAG, CheckedField, Field, MapField, SecondsField, TextField
from ivr_flows.nodes.node import TAG_VALUE_MAXIMUM, Context, Node, Outcome, Session
from ivr_flows.resumes import Resume, WebhookAnswered
from ivr_flows.spoken_text import filled, tags_in

URL_MAXIMUM = 500
BODY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")


def _read_url(value: object) -> str:
    if (
        not isinstance(value, str)
        or len(value) > URL_MAXIMUM
        or not value.isascii()
        or not value.isprintable()
    ):
        raise ValueError(f"a web address of at most {URL_MAXIMUM} plain characters is wanted")
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018  raises for a port that is none
    except ValueError as problem:
        raise ValueError(f"not a web address ({problem})") from problem
    if parts.scheme not in ("https", "http") or not parts.hostname or " " in value:
        raise ValueError("a web address begins with https:// and a host")
    if parts.username is not None or parts.fragment:
        raise ValueError("a web address with a user or a # part is not asked")
    return value


@dataclass(frozen=True, kw_only=True)
class WebhookNode(Node):
    """`body` is sent as JSON, its {tags} put in; `results` says which field of the answer goes into which tag."""

    TITLE: ClassVar[str] = "Webhook"
    HELP: ClassVar[str] = "Asks a service of yours and keeps what it answers in tags."
    EXITS: ClassVar[tuple[str, ...]] = ("done", "failed")
    FIELDS: ClassVar[Mapping[str, Field]] = {
        "url": CheckedField(
            title="Address",
            help="Public addresses only; redirects are not followed.",
            reader=_read_url,
            described={"type": "string", "maxLength": URL_MAXIMUM, "format": "uri"},
        ),
        "body": MapField(
            title="What is sent",
            help="Field -> text with {tags}.",
            names=BODY_NAME,
            names_help="a field's name",
            values=TextField(title="Text", maximum=TAG_VALUE_MAXIMUM),
            default={},
        ),
        "results": MapField(
            title="What is kept",
            help="Tag -> field of the answer.",
            names=TAG,
            names_help="a tag's name like credit_score",
            values=TextField(title="Field", maximum=40),
            default={},
        ),
        "timeout_seconds": SecondsField(title="Longest wait", default=3, least=0.5, most=10),
    }

    url: str
    body: Mapping[str, str]
    results: Mapping[str, str]
    timeout_seconds: float

    def enter(self, session: Session, context: Context) -> Outcome:
        told = {**session.tags, "caller": session.caller, "call_id": session.id}
        wait = WebhookWait(
            url=self.url,
            body={name: filled(text, told) for name, text in self.body.items()},
            fields=tuple(dict.fromkeys(self.results.values())),
            timeout_seconds=self.timeout_seconds,
        )
        return Outcome(session=session, wait=wait)

    def resume(self, session: Session, resume: Resume, context: Context) -> Outcome:
        if not isinstance(resume, WebhookAnswered):
            raise self._refuse(resume, "WebhookAnswered")
        if resume.reason:
            fault = FlowFault(node=self.name, reason=resume.reason[:200])
            return Outcome(session=session, events=(fault,), leave="failed")
        events: tuple[Event, ...] = ()
        for tag, name in self.results.items():
            value = resume.values.get(name, "").strip()
            if value and value.isprintable():
                session, event = self._set_tag(session, tag, value, Source.WEBHOOK)
                events += (event,)
        return Outcome(session=session, events=events, leave="done")

    def tags_read(self) -> frozenset[str]:
        sent = frozenset[str]().union(*(tags_in(text) for text in self.body.values()))
        return sent - {"caller", "call_id"}

    def tags_set(self) -> frozenset[str]:
        return frozenset(self.results)
