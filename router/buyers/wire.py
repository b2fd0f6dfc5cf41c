"""HTTP/1.1 as bytes: a request spelled out, an answer read as its pieces come. Does no I/O and trusts no answer.

Questions to fifty bidders at once are what a caller waits for: a general client takes more time over each of them
than everything else here together. Reading is llhttp's work (httptools), the parser of Node.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httptools

from router.buyers.dialect import HttpAnswer, HttpRequest

MAXIMUM_ANSWER_BYTES = 65_536
MAXIMUM_HEAD_BYTES = 16_384

Place = tuple[str, str, int]
"""Scheme, host and port: what connections are kept for."""

_OWN_HEADERS = b"Host: %b\r\nAccept-Encoding: identity\r\n"
_USER_AGENT = b"User-Agent: Tollbridge\r\n"
_BODILESS = frozenset({"GET", "HEAD", "DELETE"})


@lru_cache(maxsize=4096)
def place_of(url: str) -> tuple[Place, bytes, bytes]:
    """Return where a checked URL leads, the target of its request line, and its Host header."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    host = parts.hostname or ""
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    spelled = f"[{host}]" if ":" in host else host
    named = spelled if port == (443 if secure else 80) else f"{spelled}:{port}"
    return (parts.scheme, host, port), target.encode(), named.encode()


def spell(request: HttpRequest) -> bytes:
    """Return a request as it goes over the wire. Raises ValueError for a header that would be two."""
    _, target, host = place_of(request.url)
    said = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    lines = len(request.headers)
    if said.count("\r") != lines or said.count("\n") != lines or "\0" in said:
        raise ValueError("a header of more than one line")
    own = _OWN_HEADERS % host
    if "user-agent" not in map(str.lower, request.headers):
        own += _USER_AGENT
    if request.body or request.method not in _BODILESS:
        own += b"Content-Length: %d\r\n" % len(request.body)
    first = b"%b %b HTTP/1.1\r\n" % (request.method.encode("ascii"), target)
    return b"".join((first, own, said.encode(), b"\r\n", request.body))


class AnswerReader:
    """Reads one answer. Feed it what comes until `answer` or `problem` is there."""

    def __init__(self) -> None:
        self.answer: HttpAnswer | None = None
        self.problem = ""
        """Why this answer is not read on; empty while all is well."""
        self.begun = False
        """Whether anything came at all."""
        self.keeps_open = False
        """Whether the connection can take another question."""
        self._parser: Any = httptools.HttpResponseParser(self)
        """None once all is read: it holds this reader, and a circle would wait for the garbage collector."""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._bytes = 0
        self._in_head = True
        self._until_closed = False
        self._status = 0

    def feed(self, data: bytes) -> None:
        """Take in some bytes."""
        self.begun = True
        if self._parser is None:
            self.keeps_open = False
            return
        if self._in_head:
            self._bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.problem = self.problem or "not HTTP: it changes the protocol"
        except httptools.HttpParserError as error:
            if self.answer is None:
                self.problem = self.problem or f"not HTTP: {type(error).__name__}"
            self.keeps_open = False
        if self._in_head and self._bytes > MAXIMUM_HEAD_BYTES:
            self.problem = self.problem or f"not HTTP: a head of more than {MAXIMUM_HEAD_BYTES} bytes"
        if self.answer is not None or self.problem:
            self._parser = None

    def close(self) -> None:
        """Take in the end of the connection: an answer without a length ends there, any other is broken off."""
        self._parser = None
        if self.answer is not None or self.problem:
            return
        if self._until_closed:
            self._finish()
        else:
            self.problem = (
                "the connection was closed within the answer"
                if self.begun
                else "the connection was closed without an answer"
            )

    # What the parser calls:

    def on_message_begin(self) -> None:
        if self.answer is not None:
            self.keeps_open = False  # an answer to no question: nobody knows what comes next

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self.answer is not None:
            return
        self._status = self._parser.get_status_code()
        if 100 <= self._status < 200:
            self._headers.clear()  # a word in between; the answer is yet to come
            return
        self._in_head, self._bytes = False, 0
        self.problem = _head_problem(self._status, self._headers)
        self._until_closed = not self._headers.keys() & {"content-length", "transfer-encoding"}

    def on_body(self, part: bytes) -> None:
        if self.answer is not None or self.problem:
            return
        self._bytes += len(part)
        if self._bytes > MAXIMUM_ANSWER_BYTES:
            self.problem = f"an answer of more than {MAXIMUM_ANSWER_BYTES} bytes"
            return
        self._body.append(part)

    def on_message_complete(self) -> None:
        if self._in_head or self.answer is not None or self.problem:
            return
        self.keeps_open = self._parser.should_keep_alive()
        self._finish()

    def _finish(self) -> None:
        self.answer = HttpAnswer(status=self._status, headers=self._headers, body=b"".join(self._body))


def _head_problem(status: int, headers: dict[str, str]) -> str:
    if 300 <= status < 400:
        return f"a redirect (status {status}), which is never followed"
    if headers.get("content-encoding", "identity").lower() != "identity":
        return "a compressed answer, which was not asked for"
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > MAXIMUM_ANSWER_BYTES:
        return f"an answer of {length[:20]} bytes"
    return ""
