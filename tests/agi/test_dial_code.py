"""One-time codes, and a draft that is called: an Asterisk that answers by script, a real database, no dialplan."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from agi import journal
from agi.channel import Channel
from agi.dial_code import dial_code
from agi.dial_code_queries import channels_to_end
from agi.draft_story import DraftStory
from agi.fastagi import Connection, HungUp, Reply, Request, parse_reply
from agi.offer import Services
from agi.sounds import Sounds
from agi.speech.client import SpeechClient
from router.domain.counts import Counts
from router.route_call import Router
from router.snapshot import CurrentSnapshot
from store.directory_word import OUTLAST_DIRECTORY
from store.tables import api_tokens, calls, dial_codes, draft_call_events, leases, users, web_sessions
from tollbridge.sample_market.market import SampleBuyer, SampleMarket, SampleTarget
from tollbridge.sample_market.queries import seed_market
from web.queries import open_sessions
from web.tokens.queries import open_tokens

CODE = "123456789012"
NOW = datetime.now(UTC)
DRAFT: dict[str, Any] = {
    "format": 1,
    "name": "draft",
    "entry": "menu",
    "nodes": {
        "menu": {
            "kind": "menu",
            "prompt": "Press 1 for a lender, 2 for a message.",
            "retry": "Press 1 or 2.",
            "choices": {"lender": "1", "message": "2"},
            "exits": {"lender": "route", "message": "voicemail", "unanswered": "bye"},
        },
        "route": {"kind": "route", "exits": {"no_buyer": "stop"}},
        "stop": {"kind": "do_not_call", "text": "We will not call you.", "exits": {"next": "bye"}},
        "voicemail": {"kind": "voicemail", "prompt": "Speak.", "exits": {"left": "away", "nothing": "bye"}},
        "away": {"kind": "transfer", "number": "+16145550100", "exits": {"failed": "bye"}},
        "bye": {"kind": "hang_up"},
    },
}


class Script:
    """Asterisk, answering commands by their beginning; keys come in turn to whoever waits for one."""

    def __init__(self, *keys: str, code: str = CODE) -> None:
        self.request = Request(script="dial-code", query={"code": code}, headers={"agi_uniqueid": "t-1.1"})
        self.sent: list[str] = []
        self._keys = list(keys)

    async def command(self, line: str, *, timeout_seconds: float) -> Reply:
        self.sent.append(line)
        if line.startswith("WAIT FOR DIGIT"):
            if self._keys and self._keys[0] == "gone":
                raise HungUp("the caller hung up")
            return parse_reply(f"200 result={ord(self._keys.pop(0)) if self._keys else 0}")
        return parse_reply("200 result=0")

    def did(self, beginning: str) -> bool:
        return any(line.startswith(beginning) for line in self.sent)


@pytest.fixture
async def services(engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """The services of an agi process without speech; prompts are not spoken, for nobody hears them."""
    monkeypatch.setattr("agi.draft_call.render_prompts", lambda *_: {})
    monkeypatch.setattr("agi.sounds.render_prompts", lambda *_: {})
    snapshot = CurrentSnapshot(engine, tmp_path / "market.json")
    return Services(
        engine=engine,
        snapshot=snapshot,
        router=Router(engine, snapshot),
        journal=journal.Journal(tmp_path / "journal"),
        speech=SpeechClient([], "no speech service: questions are asked by keys"),
        live_calls=cast(Any, SimpleNamespace(counts=Counts)),
        flows=cast(Any, None),
        asking_publishers=cast(Any, None),
        prompts_dir=tmp_path,
        sounds=Sounds(tmp_path),
        web_hooks=cast(Any, None),
    )


async def seeded(services: Services) -> int:
    """Return the campaign of a market with one buyer, in Ohio."""
    target = SampleTarget(name="Desk", sip_uri="sip:desk@192.0.2.9", priority=0)
    buyer = SampleBuyer(name="Golden", nmls_id="900001", states=("OH",), targets=(target,))
    market = SampleMarket(
        campaign="Mortgage", number="+18005550100", flow_name="draft", flow=DRAFT, buyers=(buyer,)
    )
    campaign_id = (await seed_market(services.engine, market)).campaign_id
    await services.snapshot.load()
    return campaign_id


async def make_code(engine: AsyncEngine, *, seconds: int = 60, **fields: Any) -> UUID:
    user = {"email": f"{uuid4()}@example.com", "password_hash": "", "role": "admin"}
    async with engine.begin() as connection:
        user_id = (await connection.execute(insert(users).values(user).returning(users.c.id))).scalar_one()
        values = {
            "code_digest": hashlib.sha256(CODE.encode()).digest(),
            "user_id": user_id,
            "expires_at": datetime.now(UTC) + timedelta(seconds=seconds),
            **fields,
        }
        made = await connection.execute(insert(dial_codes).values(values).returning(dial_codes.c.id))
        return UUID(str(made.scalar_one()))


async def dial(services: Services, script: Script) -> Script:
    await dial_code(Channel(cast(Connection, script)), services)
    return script


async def story_of(engine: AsyncEngine, code_id: UUID) -> list[tuple[str, str, dict[str, Any]]]:
    columns = (draft_call_events.c.kind, draft_call_events.c.node, draft_call_events.c.detail)
    query = select(*columns).where(draft_call_events.c.dial_code_id == code_id)
    async with engine.connect() as connection:
        rows = await connection.execute(query.order_by(draft_call_events.c.sequence))
        return [(row.kind, row.node, row.detail) for row in rows]


async def test_a_code_for_a_call_is_left_to_the_dialplans_spy_and_opens_once(services: Services) -> None:
    call_id = uuid4()
    await make_code(services.engine, purpose="whisper", call_id=call_id)
    first = await dial(services, Script())
    assert first.sent == [f'EXEC MSet "TB_SPY=whisper,TB_SPY_CALL={call_id},TB_DONE=1"']
    assert (await dial(services, Script())).sent == [], "nothing set: the dialplan refuses it"


@pytest.mark.parametrize("code", ["", "000000000000", "12345", "123456789012 ", "１２３４５６７８９０１２"])
async def test_what_is_no_code_opens_nothing(services: Services, code: str) -> None:
    await make_code(services.engine, purpose="listen", call_id=uuid4())
    assert (await dial(services, Script(code=code))).sent == []


async def test_a_code_whose_time_is_over_or_whose_owner_may_not_sign_in_opens_nothing(
    services: Services,
) -> None:
    code_id = await make_code(services.engine, purpose="listen", call_id=uuid4(), seconds=-1)
    assert (await dial(services, Script())).sent == []
    async with services.engine.begin() as connection:
        later = {"expires_at": datetime.now(UTC) + timedelta(seconds=60)}
        await connection.execute(update(dial_codes).where(dial_codes.c.id == code_id).values(later))
        await connection.execute(update(users).values(disabled_at=NOW))
    assert (await dial(services, Script())).sent == []


@pytest.mark.parametrize("by_token", [False, True])
async def test_what_is_open_ends_with_the_word_of_the_directory(
    services: Services, *, by_token: bool
) -> None:
    """Codes of a session end with it, those of a token seven days later, as at the pages' door."""
    digest, now = b"d" * 32, datetime.now(UTC)
    code_id = await make_code(services.engine, purpose="listen", call_id=uuid4(), holder_digest=digest)
    known_until = now - (OUTLAST_DIRECTORY if by_token else timedelta())

    async def is_open(word_until: datetime) -> bool:
        async with services.engine.begin() as connection:
            await connection.execute(update(users).values(directory_confirmed_until=word_until))
            ended = await channels_to_end(connection, "n1")
            good = (
                await open_tokens(connection, [digest], now)
                if by_token
                else await open_sessions(connection, [session_id], now)
            )
        assert bool(good) is not bool(ended), "the pages and the switch say the same"
        return not ended

    session_id = uuid4()
    async with services.engine.begin() as connection:
        user_id = (await connection.execute(select(users.c.id))).scalar_one()
        of_directory = {"directory_issuer": "https://idp", "directory_subject": "ada"}
        await connection.execute(update(users).values(of_directory))
        await connection.execute(update(dial_codes).values(used_at=now, node="n1", channel="PJSIP/1"))
        held = {"user_id": user_id, "token_digest": digest, "expires_at": now + timedelta(hours=1)}
        if by_token:
            await connection.execute(insert(api_tokens).values(**held, name="t", beginning="t", scopes=[]))
        else:
            await connection.execute(insert(web_sessions).values(**held, id=session_id))
    assert await is_open(known_until + timedelta(minutes=1))
    assert not await is_open(known_until - timedelta(minutes=1))
    async with services.engine.begin() as connection:
        await connection.execute(
            update(dial_codes).where(dial_codes.c.id == code_id).values(used_at=None, channel=None)
        )
    assert (await dial(services, Script())).sent == [], "no new call is begun"


async def test_a_route_of_a_draft_says_who_would_ring_and_takes_nothing(services: Services) -> None:
    campaign_id = await seeded(services)
    fields = {"definition": DRAFT, "campaign_id": campaign_id, "caller_sealed": "+16145550137"}
    code_id = await make_code(services.engine, purpose="draft", flow_name="draft", **fields)
    script = await dial(services, Script("1"))
    story = await story_of(services.engine, code_id)
    assert [kind for kind, _, _ in story] == [
        *("began", "preparing", "step", "waiting", "step", "answered", "waiting", "routed", "ended"),
    ]
    ways = [detail["way"] for kind, _, detail in story if kind == "step"]
    assert ways == [
        [{"node": "menu", "exit": ""}],
        [{"node": "menu", "exit": "lender"}, {"node": "route", "exit": ""}],
    ]
    assert story[-2][2]["target"] == "Desk" and story[-2][2]["buyer"] == "Golden"
    assert script.did('EXEC MSet "TB_DONE=1"') and not script.did('EXEC MSet "TB_LEGS')
    async with services.engine.connect() as connection:
        for table in (calls, leases):
            assert (await connection.execute(select(table))).first() is None
    assert list((services.prompts_dir / "journal").iterdir()) == [], "nothing for the worker to bill"


async def test_without_a_buyer_the_flow_goes_on_and_nobody_is_put_on_a_list(services: Services) -> None:
    await seeded(services)
    code_id = await make_code(services.engine, purpose="draft", flow_name="draft", definition=DRAFT)
    await dial(services, Script("1"))
    kinds = {kind: detail for kind, _, detail in await story_of(services.engine, code_id)}
    assert kinds["routed"]["target"] == "" and kinds["routed"]["campaign"] == ""
    assert kinds["requested"]["request"] == "do_not_call"
    assert kinds["ended"] == {"reason": "the flow ended the call"}


async def test_a_message_is_not_kept_and_a_fixed_number_is_not_rung(services: Services) -> None:
    await seeded(services)
    code_id = await make_code(services.engine, purpose="draft", flow_name="draft", definition=DRAFT)
    script = await dial(services, Script("2", "#"))
    kinds = [kind for kind, _, _ in await story_of(services.engine, code_id)]
    assert "message_not_kept" in kinds
    assert (
        not script.did("GOSUB message")
        and not script.did("GOSUB transfer")
        and not script.did("GOSUB record")
    )


async def test_who_hangs_up_ends_the_story(services: Services) -> None:
    await seeded(services)
    code_id = await make_code(services.engine, purpose="draft", flow_name="draft", definition=DRAFT)
    with pytest.raises(HungUp):
        await dial(services, Script("gone"))
    assert (await story_of(services.engine, code_id))[-1] == ("ended", "", {"reason": "hung up"})


async def test_a_story_whose_database_is_away_costs_the_caller_nothing(services: Services) -> None:
    story = DraftStory(services.engine, uuid4())
    story.tell("began")
    await story.close()
    story.tell("ended")
    await story.close()
