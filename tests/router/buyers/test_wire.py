"""Requests as bytes and answers as they come in pieces: nothing a bidder sends is taken for what it is not."""

from __future__ import annotations

import gc
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.buyers.dialect import HttpRequest
from router.buyers.wire import MAXIMUM_ANSWER_BYTES, MAXIMUM_HEAD_BYTES, AnswerReader, place_of, spell

PLAIN = b"HTTP/1.1 200 OK\r\nX-Sign: abc\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Late: 1\r\n\r\n"
)
AFTER_A_WORD = b"HTTP/1.1 100 Continue\r\nX-Sign: no\r\n\r\n" + PLAIN


def read(*pieces: bytes, closed: bool = False) -> AnswerReader:
    reader = AnswerReader()
    for piece in pieces:
        reader.feed(piece)
    if closed:
        reader.close()
    return reader


@given(st.sampled_from([PLAIN, CHUNKED, AFTER_A_WORD]), st.lists(st.integers(0, 120), max_size=6))
def test_an_answer_is_the_same_however_it_is_cut(whole: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    reader = read(*(whole[first:last] for first, last in pairwise(places)))
    assert reader.answer is not None and reader.keeps_open and not reader.problem
    assert (reader.answer.status, reader.answer.body) == (200, b"hello")
    assert "x-late" not in reader.answer.headers and reader.answer.headers.get("x-sign") != "no"


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=300), max_size=5), st.booleans())
def test_any_bytes_are_an_answer_a_problem_or_wait_for_more(pieces: list[bytes], closed: bool) -> None:
    reader = read(*pieces, closed=closed)
    assert not closed or reader.answer is not None or reader.problem


@pytest.mark.parametrize(
    ("whole", "problem"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", "a redirect (status 302)"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", "compressed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", "an answer of 104857600 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAXIMUM_ANSWER_BYTES + 1), "an answer of 65537"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nX-More: " + b"a" * MAXIMUM_HEAD_BYTES, "a head of more than"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not HTTP"),
        (b"hello", "not HTTP"),
    ],
)
def test_what_is_wrong_is_said_and_the_connection_is_not_used_again(whole: bytes, problem: str) -> None:
    reader = read(whole)
    assert problem in reader.problem and not reader.keeps_open and reader.answer is None


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    reader = read(b"HTTP/1.0 200 OK\r\n\r\nhel", b"lo", closed=True)
    assert reader.answer is not None and reader.answer.body == b"hello" and not reader.keeps_open


def test_an_answer_that_breaks_off_is_none() -> None:
    assert "within the answer" in read(PLAIN[:-1], closed=True).problem
    assert "without an answer" in read(closed=True).problem


@pytest.mark.parametrize("more", [PLAIN, b"HTTP", b"\0"])
def test_an_answer_to_no_question_ends_the_connection(more: bytes) -> None:
    reader = read(PLAIN + more)
    assert reader.answer is not None and reader.answer.body == b"hello" and not reader.keeps_open


def test_a_server_that_says_close_is_believed() -> None:
    reader = read(PLAIN.replace(b"X-Sign: abc", b"Connection: close"))
    assert reader.answer is not None and not reader.keeps_open


@pytest.mark.parametrize("whole", [PLAIN, b"hello", PLAIN + PLAIN, b"HTTP/1.0 200 OK\r\n\r\nhel"])
def test_what_was_read_leaves_nothing_to_the_garbage_collector(whole: bytes) -> None:
    """Fifty bidders answer at once: what goes round in a circle would be looked for while a caller waits."""
    gc.collect()
    gc.disable()
    try:
        reader = read(whole, closed=True)
        assert reader.answer is not None or reader.problem
        del reader
        assert gc.collect() == 0
    finally:
        gc.enable()


def a_request(**changes: object) -> HttpRequest:
    asked = {"method": "POST", "url": "https://Bids.example/a?b=c", "headers": {"X": "y"}, "body": b"{}"}
    return HttpRequest(**{**asked, **changes})  # type: ignore[arg-type]


def test_a_request_is_spelled_with_its_place_and_its_length() -> None:
    assert place_of("https://Bids.example/a?b=c")[0] == ("https", "bids.example", 443)
    assert spell(a_request()) == (
        b"POST /a?b=c HTTP/1.1\r\nHost: bids.example\r\nAccept-Encoding: identity\r\n"
        b"User-Agent: Tollbridge\r\nContent-Length: 2\r\nX: y\r\n\r\n{}"
    )
    ours = spell(a_request(method="GET", url="http://[::1]:81", body=b"", headers={"user-agent": "x"}))
    assert ours == b"GET / HTTP/1.1\r\nHost: [::1]:81\r\nAccept-Encoding: identity\r\nuser-agent: x\r\n\r\n"


@pytest.mark.parametrize("value", ["a\r\nX-Two: b", "a\nb", "a\rb", "a\0b"])
def test_a_header_is_never_two(value: str) -> None:
    with pytest.raises(ValueError, match="more than one line"):
        spell(a_request(headers={"X": value}))
