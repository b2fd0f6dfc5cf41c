"""Whatever stands in a log record, it is one line, and a reader gets back what was said."""

from __future__ import annotations

import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.log_lines import JsonLines, SecurityEvent, SecurityLines, log_security

HOSTILE = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\x1b[2J\x00\u202e"
FORM = re.compile(
    r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z node=[a-z0-9-]+ event=[a-z-]+ address=(?:[0-9a-f.:]+|unknown)"
)


def record_of(message: str, *values: object, error: BaseException | None = None) -> logging.LogRecord:
    told = None if error is None else (type(error), error, None)
    return logging.LogRecord("web.middleware", logging.WARNING, "", 0, message, values, told)


@given(st.text() | st.just(HOSTILE), st.text(st.characters(), max_size=50))
def test_a_record_is_one_line_of_json(text: str, name: str) -> None:
    line = JsonLines().format(record_of("refused %s by %r", text, name, error=ValueError(text)))
    assert line.isascii() and line.isprintable()
    read = json.loads(line)
    assert read["message"] == f"refused {text} by {name!r}"
    assert (read["level"], read["logger"]) == ("WARNING", "web.middleware")
    assert text in read["exception"]


@given(
    st.text()
    | st.sampled_from(["203.0.113.9", "::1", "::ffff:10.0.0.1", "fe80::1%x event=forbidden", HOSTILE])
)
def test_a_security_event_has_one_form_whatever_the_address_is(text: str) -> None:
    caught: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: caught.append(SecurityLines("a").format(record))  # type: ignore[method-assign]
    logger = logging.getLogger("tollbridge.security")
    logger.addHandler(handler)
    try:
        log_security(SecurityEvent.FORBIDDEN, text)
    finally:
        logger.removeHandler(handler)
    assert len(caught) == 1
    assert re.fullmatch(FORM, caught[0])
    assert caught[0].count("event=") == 1


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:DB8::1", "2001:db8::1"),
        ("", "unknown"),
    ],
)
def test_an_address_is_spelled_as_a_firewall_wants_it(
    text: str, spelled: str, caplog: pytest.LogCaptureFixture
) -> None:
    log_security(SecurityEvent.SIP_UNKNOWN, text)
    assert [record.__dict__["address"] for record in caplog.records] == [spelled]
