"""What any handler may refuse in plain words: the page, or the API's answer, says them (web/middleware.py)."""

from __future__ import annotations


class PlainRefusal(Exception):
    """Why a request is not served now, and the way out. `retry_after_seconds` where waiting helps."""

    def __init__(
        self, status: int, title: str, sentence: str, *, retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(sentence)
        self.status, self.title, self.sentence = status, title, sentence
        self.retry_after_seconds = retry_after_seconds
