"""A browser that follows every link it sees as somebody, and keeps all that was said to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from playwright.async_api import Browser, CDPSession, Page, Response
from playwright.async_api import Error as PlaywrightError

from tests.tollbridge.leaks.canaries import Canary, Finding, found_in
from tests.tollbridge.leaks.planting import Person

PAGES_A_KIND = 1
PAGES_MOST = 150
_IDS = re.compile(r"(?<=/)(?:[0-9a-f]{8}-[0-9a-f-]{27}|\d+)(?=[/.?]|$)")
_LINKS = "() => [...document.querySelectorAll('a[href], link[href], script[src], img[src], [hx-get]')]" + (
    ".map(e => e.getAttribute('href') || e.getAttribute('src') || e.getAttribute('hx-get'))"
)
_ASK = "path => fetch(path, {redirect: 'follow'}).then(answer => answer.text()).catch(String)"


@dataclass
class Crawl:
    """What one person's browser was told, looked through as it comes."""

    who: str
    base: str
    canaries: Sequence[Canary]
    found: set[Finding] = field(default_factory=set)
    kinds: dict[str, int] = field(default_factory=dict)
    addresses: set[str] = field(default_factory=set)
    told_bytes: int = 0
    streams: int = 0
    _waiting: list[asyncio.Task[None]] = field(default_factory=list)

    def _note(self, content: bytes, place: str, asked: str = "") -> None:
        """Look through what was told. What the question named itself is nothing that the answer gives away."""
        self.told_bytes += len(content)
        looked_for = [one for one in self.canaries if one.value not in asked]
        self.found |= found_in(content, looked_for, f"answer:{self.who} {place}")

    def _answered(self, response: Response) -> None:
        if response.url.startswith(self.base):
            self._waiting.append(asyncio.create_task(self._keep(response)))

    async def _keep(self, response: Response) -> None:
        place = f"{response.request.method} {kind_of(urlsplit(response.url).path)}"
        try:
            headers = await response.headers_array()
            # The session's own cookie is set at its own browser, once.
            told = [
                f"{one['name']}: {one['value']}" for one in headers if one["name"].lower() != "set-cookie"
            ]
            self._note("\n".join(told).encode(), f"{place} headers", response.url)
            if "event-stream" not in (await response.all_headers()).get("content-type", ""):
                self._note(await response.body(), place, response.url)
        except PlaywrightError:
            return  # a redirect has no body, a page that was left none any more

    def _streamed(self, place: str, content: str) -> None:
        self.streams += 1
        self._note(content.encode(), place)

    async def watch(self, page: Page) -> None:
        page.on("response", self._answered)
        page.on("console", lambda message: self._note(message.text.encode(), "console"))
        session: CDPSession = await page.context.new_cdp_session(page)
        await session.send("Network.enable")
        session.on(
            "Network.eventSourceMessageReceived", lambda event: self._streamed("events", event["data"])
        )
        for name in ("Network.webSocketFrameReceived", "Network.webSocketFrameSent"):
            session.on(name, lambda event: self._streamed("websocket", event["response"]["payloadData"]))

    async def follow(self, page: Page, seeds: Iterable[str], asked: Iterable[str]) -> None:
        """Visit `seeds` and all that they lead to; then fetch `asked` from within a page."""
        ahead = list(seeds)
        while ahead and len(self.addresses) < PAGES_MOST:
            path = ahead.pop(0)
            if not self._is_new(path):
                continue
            try:
                await page.goto(self.base + path, wait_until="load")
                await self._keep_storage(page)
                ahead += [self._local(str(link)) for link in await page.evaluate(_LINKS) if link]
            except PlaywrightError:
                continue  # a download
        await page.goto(f"{self.base}/account")
        for path in asked:
            await asyncio.wait_for(page.evaluate(_ASK, path), 20)
        await asyncio.gather(*self._waiting)

    async def _keep_storage(self, page: Page) -> None:
        kept = await page.evaluate(
            "() => JSON.stringify({...localStorage}) + JSON.stringify({...sessionStorage})"
        )
        self._note(str(kept).encode(), "browser storage")

    def _local(self, link: str) -> str:
        where = urlsplit(urljoin(f"{self.base}/", link))
        is_ours = f"{where.scheme}://{where.netloc}" == self.base
        return where.path + (f"?{where.query}" if where.query else "") if is_ours else ""

    def _is_new(self, path: str) -> bool:
        if not path.startswith("/") or path in self.addresses or path.startswith("/sign-out"):
            return False
        kind = kind_of(urlsplit(path).path)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if self.kinds[kind] > PAGES_A_KIND:
            return False
        self.addresses.add(path)
        return True


def kind_of(path: str) -> str:
    """Return an address with {} for what it names."""
    return _IDS.sub("{}", path)


async def crawl(
    browser: Browser,
    base: str,
    who: str,
    person: Person,
    *,
    looked_for: Sequence[Canary],
    asked: Sequence[str],
) -> Crawl:
    """Sign in as `person`, follow everything, ask the API; return what was told that must not be."""
    context = await browser.new_context(accept_downloads=False)
    try:
        page = await context.new_page()
        page.set_default_timeout(20_000)
        found = Crawl(who=who, base=base, canaries=[one for one in looked_for if one.value != person.email])
        await found.watch(page)
        await page.goto(f"{base}/sign-in")
        await page.get_by_label("E-mail address").fill(person.email)
        await page.get_by_label("Password").fill(person.password)
        await page.get_by_role("button", name="Sign in", exact=True).click()
        await page.wait_for_url(lambda url: "/sign-in" not in url)
        await found.follow(page, ["/"], asked)
        return found
    finally:
        await context.close()
