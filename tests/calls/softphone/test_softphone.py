"""Somebody calls a draft from the browser: real Asterisk, real speech, real Chromium, and a microphone that speaks."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import soxr
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from agi.speech.prompts import render_prompts, wideband_path
from asterisk_conf.node_config import softphone_password
from ivr_flows.definition import parse_flow
from ivr_flows.inspection import texts_of
from ivr_flows.library import load
from ivr_flows.publishing import Saved, save_draft
from rules.places import STATE_CODES
from tests.calls.node import AGI, ASTERISK, FAST, SPEECH, WORKER, Node, settings_on_free_ports
from tests.calls.softphone.desk import Desk
from tests.calls.softphone.namespace import ADDRESS, run_in_namespace, why_no_namespace
from tests.postgres import migrated
from tests.web.browser import CHROMIUM, Visit, open_browser, open_visit
from tollbridge.node_config import softphone_url
from tollbridge.phone.caller import Caller
from tollbridge.phone.clock import now_ms
from tollbridge.phone.dialogue import Invite
from tollbridge.phone.voice import STEADY_FOLDER
from tollbridge.postgres import start_embedded_postgres, stop_embedded_postgres
from tollbridge.prompts import install_system_prompts
from tollbridge.sample_market.market import SampleBuyer, SampleMarket, SampleTarget
from tollbridge.sample_market.queries import seed_market
from tollbridge.secret import node_secret
from web import open_streams
from web.app import make_app
from web.auth import UserCreated, create_user
from web.pages import static_url
from web.softphone.line import SoftphoneLine

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
FLOW = "mortgage"
NUMBER, DESK_NUMBER = "+18005550100", "+18005550101"
MICROPHONE_ROUND_SECONDS = 9.0
"""Longer than the microphone's sound, which is played over and over: it has spoken once in any such time."""
LOUD_FRAMES = 10
"""Of 20 ms: a fifth of a second of voice, more than a click of the line."""
BUYER = SampleBuyer(
    name="Golden",
    nmls_id="900001",
    states=("OH",),
    targets=(SampleTarget(name="Golden desk", sip_uri="sip:desk@192.0.2.9", priority=0),),
)
SIGNS = (
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


def draft() -> dict[str, object]:
    """The mortgage flow without its notice and its second question, each told by what follows."""
    nodes = {
        name: dict(node) for name, node in load(FLOW)["nodes"].items() if name not in ("notice", "state")
    }
    nodes["loan_type"]["exits"] = {"answered": "route", "unanswered": "route"}
    return {"name": FLOW, "entry": "loan_type", "nodes": nodes}


@contextmanager
def a_node() -> Iterator[Node]:
    """A node whose processes live in the network of this thread."""
    data_dir = Path(tempfile.mkdtemp(prefix=f"tbsoft-{os.getpid()}-"))
    data_dir.chmod(0o755)
    # Sound goes by the other address, as it does from another machine.
    settings = settings_on_free_ports(data_dir).model_copy(update={"softphone_media_address": ADDRESS})
    node = Node(settings=settings, database_url="")
    try:
        url = migrated(start_embedded_postgres(node.layout.postgres_dir, FAST))
        node.settings, node.database_url = settings.model_copy(update={"database_url": url}), url
        store = settings.cache_dir / "prompts"
        store.mkdir(parents=True, exist_ok=True)
        render_prompts(store, texts_of(parse_flow(draft())))
        node.layout.prompts_dir.symlink_to(store)
        install_system_prompts(store, node.layout.asterisk_dir / "sounds" / "tollbridge", kept=store)
        yield node
    finally:
        node.stop_all()
        stop_embedded_postgres(node.layout.postgres_dir)
        shutil.rmtree(data_dir, ignore_errors=True)


def spoken(node: Node, words: str, to: Path) -> Path:
    """Write a microphone's sound: a moment of silence, the words, and silence again, over and over."""
    folder = node.settings.cache_dir / "prompts" / STEADY_FOLDER
    clip = wideband_path(render_prompts(folder, [words], steady=True)[words])
    with wave.open(str(clip)) as sound:
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
    voice = soxr.resample(samples.astype(np.float32) / 32768, 16_000, 48_000)
    whole = np.concatenate([np.zeros(72_000), voice, np.zeros(240_000)])
    with wave.open(str(to), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes((whole * 32767).astype("<i2").tobytes())
    return to


@asynccontextmanager
async def pages(node: Node) -> AsyncIterator[tuple[str, AsyncEngine]]:
    """The pages over the node's market, an admin and a draft; yields their address."""
    engine = node.engine()
    password = softphone_password(node_secret("", node.layout.secret_file))
    app = make_app(
        engine,
        secure_cookies=False,
        snapshot_file=node.layout.web_snapshot_file,
        prompts_dir=node.layout.prompts_dir,
        softphone=SoftphoneLine(url=softphone_url(node.settings), password=password),
    )
    market = SampleMarket(
        campaign="Mortgage", number=NUMBER, flow_name=FLOW, flow=load(FLOW), buyers=(BUYER,)
    )
    seeded = await seed_market(engine, market)
    assert isinstance(await create_user(engine, EMAIL, PASSWORD, "admin"), UserCreated)
    assert isinstance(await save_draft(engine, FLOW, draft()), Saved)
    await node.market_is_live(tuple(seeded.target_ids.values()))
    server = TestServer(app)
    await server.start_server()
    try:
        yield str(server.make_url("")).rstrip("/"), engine
    finally:
        await server.close()
        await engine.dispose()


async def line_of(page: Page, kind: str, words: str) -> None:
    """Wait until the story has a line of a kind with these words."""
    line = page.locator(f'#story [data-kind="{kind}"]').filter(has_text=words)
    await expect(line.first).to_be_visible()


async def is_understood_and_told_who_would_ring(visit: Visit) -> None:
    page = visit.page
    await page.get_by_label("Calling from").fill("(614) 555-0137")
    await page.get_by_role("button", name="Call the draft").click()
    await expect(page.get_by_role("status")).to_contain_text("Connected")
    await line_of(page, "waiting", "loan_type asks and listens")
    await line_of(page, "answered", 'loan_type is refinance (heard "')
    await line_of(page, "routed", "it would go to Golden desk of Golden (Mortgage)")
    await line_of(page, "ended", "it would go to Golden desk of Golden")
    await expect(page.get_by_role("status")).to_have_text("Hung up")
    await visit.picture("softphone-after-a-call")


async def answers_by_keys_and_hangs_up(visit: Visit) -> None:
    page = visit.page
    await page.get_by_role("button", name="Call the draft").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status")).to_contain_text("Connected")
    await page.get_by_role("button", name="Mute").click()
    await line_of(page, "waiting", "loan_type asks and listens")
    await visit.picture("softphone-in-a-call")
    await page.get_by_role("button", name="Keypad").click()
    assert await visit.axe_violations() == []
    await page.get_by_role("button", name="2", exact=True).click()
    await line_of(page, "answered", "loan_type is purchase")
    await page.get_by_role("button", name="Hang up").click()
    await expect(page.get_by_role("status")).to_have_text("Hung up")
    await line_of(page, "ended", "The call is over: hung up.")


async def is_told_that_a_code_opens_nothing(visit: Visit) -> None:
    """As other islands use the telephone: by what its file exports."""
    script = """address => new Promise(async resolve => {
        const { placeCall } = await import(address);
        const told = [];
        placeCall('000000000000', {
            state: state => { told.push(state); if (state === 'ended') resolve(told); },
            problem: problem => told.push(problem.kind),
        });
    })"""
    told = await visit.page.evaluate(script, static_url("build/softphone.js"))
    assert told[:2] == ["asking", "connecting"] and told[-2:] == ["refused", "ended"], told


async def left_nothing(node: Node, engine: AsyncEngine) -> None:
    """A test is no call: no row, no lease, no channel that stays."""
    async with engine.connect() as connection:
        assert (await connection.execute(text("select count(*) from calls"))).scalar() == 0
        assert (await connection.execute(text("select count(*) from leases"))).scalar() == 0
    assert "0 active channels" in str(await node.asterisk("core show channels count"))


async def listens_to_a_caller(visit: Visit, node: Node, engine: AsyncEngine) -> None:
    """The telephone on the page of a call: what is heard is the call, and it ends with it."""
    page = visit.page
    async with Caller.dial(Invite(switch=node.switch, dialled=NUMBER, caller="+16145550188")) as call:
        assert await call.answered(10)
        await visit.go(f"/calls/{await call_in_progress(engine)}/listen")
        await page.get_by_role("button", name="Get a number to dial").click()
        await page.get_by_role("button", name="Dial it here").click()
        await expect(page.get_by_role("status")).to_contain_text("Connected")
        assert "ChanSpy" in str(await node.asterisk("core show channels"))
        await call.hang_up()
    await expect(page.get_by_role("status")).to_have_text("Hung up")
    await expect(page.get_by_role("button", name="Dial it here")).to_be_hidden()
    await visit.picture("softphone-listened")


async def is_heard_by_whom_it_should_be(visit: Visit, node: Node, engine: AsyncEngine) -> None:
    """What the microphone says while caller and desk are silent: nobody's, the desk's alone, or both one's."""
    async with Desk.answering(node.switch) as desk:
        await desk_is_sold_to(node, engine, desk)
        invite = Invite(switch=node.switch, dialled=DESK_NUMBER, caller="+16145550189")
        async with Caller.dial(invite) as call:
            assert await call.answered(10)
            call_id = await call_in_progress(engine, invite.caller)
            for purpose, who in (
                ("listen", (False, False)),
                ("whisper", (False, True)),
                ("barge", (True, True)),
            ):
                since_ms = await dial_in(visit, call_id, purpose)
                await asyncio.sleep(MICROPHONE_ROUND_SECONDS)
                heard = tuple(
                    len(loud) >= LOUD_FRAMES
                    for loud in (
                        [f for f in hearing.frames if f.is_sound and f.at_ms >= since_ms]
                        for hearing in (call.hearing, desk.hearing)
                    )
                )
                assert heard == who, f"{purpose}: heard by (caller, desk): {heard}"
                await visit.page.get_by_role("button", name="Hang up").click()
                await expect(visit.page.get_by_role("status")).to_have_text("Hung up")
            await call.hang_up()


async def dial_in(visit: Visit, call_id: str, purpose: str) -> float:
    """Get into a call for a purpose by the page; return since when, epoch ms."""
    page = visit.page
    await visit.go(f"/calls/{call_id}/listen")
    await page.locator(f'input[name="purpose"][value="{purpose}"]').check()
    await page.get_by_role("button", name="Get a number to dial").click()
    await page.get_by_role("button", name="Dial it here").click()
    await expect(page.get_by_role("status")).to_contain_text("Connected")
    return now_ms()


async def desk_is_sold_to(node: Node, engine: AsyncEngine, desk: Desk) -> None:
    buyer = SampleBuyer(
        name="Silent",
        nmls_id="900002",
        states=STATE_CODES,
        targets=(SampleTarget(name="Silent desk", sip_uri=desk.sip_uri, priority=0),),
    )
    market = SampleMarket(
        campaign="Direct", number=DESK_NUMBER, flow_name="direct", flow=load("direct"), buyers=(buyer,)
    )
    await node.market_is_live(tuple((await seed_market(engine, market)).target_ids.values()))


async def is_cut_off_when_signed_out(visit: Visit, node: Node) -> None:
    """The sound goes straight to Asterisk; so the pages' server ends the call."""
    page = visit.page
    await visit.go("/softphone")
    await page.get_by_role("button", name="Call the draft").click()
    await expect(page.get_by_role("status")).to_contain_text("Connected")
    await page.evaluate("fetch('/sign-out', {method: 'POST', redirect: 'manual'})")
    await expect(page.get_by_role("alert")).to_contain_text("You are signed out")
    async with asyncio.timeout(20):
        while "0 active channels" not in str(await node.asterisk("core show channels count")):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def call_in_progress(engine: AsyncEngine, caller: str = "+16145550188") -> str:
    """Return the id of a caller's call, once the worker has it."""
    async with asyncio.timeout(20):
        while True:
            async with engine.connect() as connection:
                found = (
                    await connection.execute(
                        text("select id from calls where caller = :who"), {"who": caller}
                    )
                ).scalar()
            if found is not None:
                return str(found)
            await asyncio.sleep(0.1)


async def story(tmp_path: Path) -> None:
    with a_node() as node:
        await node.up(ASTERISK, SPEECH, AGI, WORKER)
        microphone = spoken(node, "refinance", tmp_path / "microphone.wav")
        async with AsyncExitStack() as stack:
            base, engine = await stack.enter_async_context(pages(node))
            sounds = (*SIGNS, f"--use-file-for-fake-audio-capture={microphone}")
            browser = await stack.enter_async_context(open_browser(*sounds))
            visit = await stack.enter_async_context(open_visit(browser, base))
            await visit.sign_in(EMAIL, PASSWORD, "/sign-in?next=/softphone")
            await is_understood_and_told_who_would_ring(visit)
            await answers_by_keys_and_hangs_up(visit)
            await is_told_that_a_code_opens_nothing(visit)
            await left_nothing(node, engine)
            await listens_to_a_caller(visit, node, engine)
            await is_heard_by_whom_it_should_be(visit, node, engine)
            await is_cut_off_when_signed_out(visit, node)
            assert visit.complaints == []


@pytest.mark.timeout(240)
def test_a_draft_is_called_from_the_browser_and_understands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := why_no_namespace():
        pytest.skip(reason)
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no Chromium at {CHROMIUM}")
    assert static_url("build/softphone.js"), "run `npm ci && npm run build` first"
    monkeypatch.setattr(open_streams, "LOOK_SECONDS", 0.5)
    run_in_namespace(lambda: story(tmp_path))
