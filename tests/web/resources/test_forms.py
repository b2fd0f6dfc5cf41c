"""A form loses nothing: values to texts and back, and every resource's page sent as it stands changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import MultiDict

from tests.web.market import Market
from tests.web.resources.conftest import Machine
from tests.web.resources.samples import form_of, samples
from web.resources.catalogue import RESOURCES
from web.resources.fields import Field, Kind, text_of, values_of_texts
from web.resources.resource import Resource

_TEXTS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)
_LINES = st.lists(_TEXTS, min_size=1, max_size=4)
_DAY = st.dates().map(str)
_TIMES = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda time: f"{time[0]:02d}:{time[1]:02d}")
_RANGE = st.fixed_dictionaries(
    {
        "days": st.sets(st.integers(0, 6), min_size=1).map(sorted),
        "from": _TIMES,
        "to": _TIMES,
    },
    optional={"name": _TEXTS},
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)
_KINDS: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: _TEXTS,
    Kind.LONG_TEXT: _LINES.map("\n".join),
    Kind.NUMBER: st.integers(-(10**17), 10**17),
    Kind.MONEY: st.integers(0, 10**15),
    Kind.YES_NO: st.booleans(),
    Kind.REFERENCE: st.integers(1, 10**17),
    Kind.REFERENCES: st.lists(st.integers(1, 10**17), max_size=4),
    Kind.DATE: _DAY,
    Kind.ZONE: st.sampled_from(["America/New_York", "Etc/GMT+5"]),
    Kind.LINES: _LINES,
    Kind.JSON: st.dictionaries(_TEXTS, _JSON, max_size=4),
    Kind.SECRET: st.none(),
    Kind.DURATION: st.integers(0, 10**8),
    Kind.PERCENT: st.integers(0, 10**4).map(lambda hundredths: hundredths * 100),
    Kind.TELEPHONE: st.just("+16145550123"),
    Kind.SCHEDULE: st.fixed_dictionaries(
        {"time_zone": st.just("America/Denver"), "ranges": st.lists(_RANGE, max_size=3)},
        optional={
            "breaks": st.lists(_RANGE, min_size=1, max_size=2),
            "closed_days": st.lists(_DAY, min_size=1, max_size=2),
            "holidays": st.just({"calendar": "US", "open_on": ["Columbus Day"]}),
        },
    ),
}


def _values_of(one: Field) -> st.SearchStrategy[Any]:
    options = list(one.shown.options)
    if one.shown.kind == Kind.CHOICE:
        return st.sampled_from(options) if options else _TEXTS
    if one.shown.kind == Kind.CHOICES:
        return st.lists(st.sampled_from(options), unique=True) if options else _LINES
    return _KINDS[one.shown.kind]


def posted(one: Field, text: Any) -> list[tuple[str, str]]:
    """Return what a browser sends of what stands in a field."""
    if one.shown.kind == Kind.SCHEDULE:
        names = ("time_zone", "breaks", "calendar", "open_on", "closed_days")
        found = [(f"{one.name}.{name}", text[name]) for name in names]
        for number, row in enumerate(text["rows"]):
            place = f"{one.name}.{number}"
            found += [(f"{place}.days", str(day)) for day in row["days"]]
            found += [(f"{place}.{name}", row[name]) for name in ("from", "to", "name")]
        return found
    if one.shown.kind == Kind.YES_NO:
        return [(one.name, "true")] if text == "True" else []
    texts = text if isinstance(text, list) else [text]
    return [(one.name, part.replace("\n", "\r\n")) for part in texts]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)
@settings(max_examples=20)
@given(data=st.data())
def test_values_come_back_as_they_went(resource: Resource, data: st.DataObject) -> None:
    values = {one.name: data.draw(_values_of(one), label=one.name) for one in resource.fields}
    texts: MultiDict[str] = MultiDict()
    for one in resource.fields:
        texts.extend(posted(one, text_of(one, values[one.name])))
    found, problems = values_of_texts(resource.fields, texts)
    secret = {name for name in resource.secrets if name in problems}
    assert problems == dict.fromkeys(secret, "fill this in")
    for one in resource.fields:
        value, back = values[one.name], found.get(one.name)
        if one.shown.kind == Kind.TELEPHONE:
            back = "".join(character for character in str(back) if character in "+0123456789")
        assert back == value, one.name


def test_there_is_a_way_back_for_every_kind() -> None:
    assert set(_KINDS) | {Kind.CHOICE, Kind.CHOICES} == set(Kind)


async def test_a_page_sent_as_it_stands_changes_nothing(machine: Machine, market: Market) -> None:
    for resource in RESOURCES:
        await _send_as_it_stands(machine, f"/{resource.name}", samples(market)[resource.name])


async def _send_as_it_stands(machine: Machine, path: str, sample: object) -> None:
    address = f"{path}/{await machine.make(path, sample)}"
    _, before, headers = await machine.ask("GET", address)
    async with machine.client.get(address) as answer:
        page = await answer.text()
        assert answer.status == 200, page
    async with machine.client.post(address, data=form_of(page, address), allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
    _, after, headers_after = await machine.ask("GET", address)
    assert after == before
    assert headers_after["ETag"] == headers["ETag"]
    async with machine.client.get(path) as answer:
        assert f'href="{address}"' in await answer.text()
