"""A link plays one sound for one user for some minutes; changed anywhere, used by another or later it is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from web.sound_links import OPEN_FOR, SoundLink, make_link, read_link

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CALL = UUID(int=7 << 100)


def a_link() -> str:
    return make_link(3, CALL, 1, length_ms=90_000, now=NOW)


def test_a_link_plays_what_it_was_made_for() -> None:
    until_s = int((NOW + OPEN_FOR).timestamp()) + 90
    assert read_link(a_link(), 3, now=NOW) == SoundLink(user_id=3, call_id=CALL, part=1, until_s=until_s)


def test_a_link_is_nobody_elses() -> None:
    assert read_link(a_link(), 4, now=NOW) is None


def test_a_link_ends_some_minutes_after_its_sound() -> None:
    assert read_link(a_link(), 3, now=NOW + OPEN_FOR + timedelta(seconds=89)) is not None
    assert read_link(a_link(), 3, now=NOW + OPEN_FOR + timedelta(seconds=90)) is None


@pytest.mark.parametrize("place", range(4))
def test_a_changed_link_is_none(place: int) -> None:
    parts = a_link().split("-")
    digit = parts[place][-1]
    parts[place] = parts[place][:-1] + ("1" if digit != "1" else "2")
    assert read_link("-".join(parts), 3, now=NOW) is None


@pytest.mark.parametrize("text", ["", "1", "a-b-c-d", "{}0", "0{}", "{}\n", "-" * 9_000])
def test_what_is_no_link_is_none(text: str) -> None:
    assert read_link(text.format(a_link()), 3, now=NOW) is None
