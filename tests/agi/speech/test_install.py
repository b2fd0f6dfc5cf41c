"""Fetching the Vosk model from a server that serves, breaks off, lies or is not there."""

from __future__ import annotations

import asyncio
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from agi.speech.install import InstallError, ModelSource, install_vosk_model


def archive_of(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


FILLER = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(20_000))
MODEL = archive_of({
    "vosk-model-test/am/final.mdl": FILLER,
    "vosk-model-test/conf/model.conf": b"--sample-frequency=8000\n",
})  # fmt: skip


@dataclass
class Site:
    """A model site that can break off after some bytes of each answer, and that may not know ranges."""

    content: bytes = MODEL
    break_after: int | None = None
    knows_ranges: bool = True
    asked_from: list[int] = field(default_factory=list)
    url: str = ""

    def source(self) -> ModelSource:
        digest = hashlib.sha256(self.content).hexdigest()
        return ModelSource(url=self.url, sha256=digest, size_bytes=len(self.content))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        wanted = request.http_range.start or 0
        self.asked_from.append(wanted)
        start = wanted if self.knows_ranges else 0
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(self.content) - start
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        await response.prepare(request)
        await response.write(self.content[start:][: self.break_after])
        if self.break_after is not None and request.transport is not None:
            request.transport.close()
        return response


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    served = Site()
    app = web.Application()
    app.router.add_get("/model.zip", served.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/model.zip"
    yield served
    await runner.cleanup()


async def install(
    destination: Path, source: ModelSource, progress: Callable[[int, int], None] = lambda have, of: None
) -> Path:
    return await asyncio.to_thread(install_vosk_model, destination, progress, source)


async def test_a_model_is_fetched_checked_and_unpacked(site: Site, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    destination = tmp_path / "models" / "vosk"
    assert await install(destination, site.source(), lambda have, of: seen.append((have, of))) == destination
    assert (destination / "am" / "final.mdl").read_bytes() == FILLER
    assert seen[-1] == (len(MODEL), len(MODEL)) and seen == sorted(seen)
    assert [path.name for path in destination.parent.iterdir()] == ["vosk"]


async def test_a_model_that_is_there_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    await install(tmp_path / "vosk", site.source())
    await install(tmp_path / "vosk", site.source())
    assert site.asked_from == [0]


async def test_a_download_that_breaks_off_goes_on_from_there(site: Site, tmp_path: Path) -> None:
    site.break_after = 100_000
    with pytest.raises(InstallError, match=r"300000 of .* bytes are here"):
        await install(tmp_path / "vosk", site.source())
    site.break_after = None
    await install(tmp_path / "vosk", site.source())
    assert site.asked_from == [0, 100_000, 200_000, 300_000]
    assert (tmp_path / "vosk" / "am" / "final.mdl").read_bytes() == FILLER


async def test_a_site_without_ranges_is_read_from_the_start(site: Site, tmp_path: Path) -> None:
    site.break_after = 100_000
    with pytest.raises(InstallError):
        await install(tmp_path / "vosk", site.source())
    site.break_after, site.knows_ranges = None, False
    await install(tmp_path / "vosk", site.source())
    assert (tmp_path / "vosk" / "am" / "final.mdl").read_bytes() == FILLER


async def test_what_is_not_the_model_is_thrown_away(site: Site, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="is not the Vosk model we know"):
        await install(tmp_path / "vosk", replace(site.source(), sha256="0" * 64))
    assert list(tmp_path.iterdir()) == []


async def test_a_site_that_cannot_be_reached_is_said_in_a_sentence(tmp_path: Path) -> None:
    nowhere = ModelSource(url="http://127.0.0.1:9/model.zip", sha256="0" * 64, size_bytes=10)
    with pytest.raises(InstallError, match=r"cannot be fetched from 127\.0\.0\.1 .* embedded engine"):
        await install(tmp_path / "vosk", nowhere)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "..\\evil", "C:evil"])
async def test_an_archive_that_points_elsewhere_is_refused(site: Site, tmp_path: Path, name: str) -> None:
    site.content = archive_of({name: b"x"})
    with pytest.raises(InstallError, match="harmful file name"):
        await install(tmp_path / "deep" / "vosk", site.source())
    assert not list(tmp_path.rglob("*evil*"))


async def test_an_archive_without_a_model_is_refused(site: Site, tmp_path: Path) -> None:
    site.content = archive_of({"readme/hello.txt": b"x"})
    with pytest.raises(InstallError, match="holds no model"):
        await install(tmp_path / "vosk", site.source())
    site.content = b"no archive at all"
    with pytest.raises(InstallError, match="cannot be unpacked"):
        await install(tmp_path / "other", site.source())
