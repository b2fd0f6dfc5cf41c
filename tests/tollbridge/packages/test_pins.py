"""What we build from is pinned, and no package's own script runs while it is set up."""

from __future__ import annotations

import json
import re

import pytest

from tollbridge.packages.audit import HOUSE

SCRIPTS = ("docker/Dockerfile", "tollbridge/setup.sh", "Makefile", ".ci/run")
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-tools.lock")


def lines_with(words: str) -> list[str]:
    found = []
    for name in SCRIPTS:
        whole = re.sub(r"\\\n\s*", " ", (HOUSE / name).read_text())
        found += [line for line in whole.splitlines() if words in line and not line.lstrip().startswith("#")]
    return found


def test_base_images_are_pinned_by_tag_and_digest() -> None:
    text = (HOUSE / "docker/Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)(?: AS (\w+))?", text, re.MULTILINE)
    stages = {name for _, name in bases}
    for base, _ in bases:
        assert base in stages or re.fullmatch(r"[a-z]+:[\w.-]*\d[\w.-]*@sha256:[0-9a-f]{64}", base), base


def test_nothing_is_installed_but_what_the_lock_files_name() -> None:
    installs = [line for line in lines_with("pip install") if "--upgrade-strategy" not in line]
    assert installs and all("--require-hashes" in line for line in installs)
    npm = lines_with("npm ci")
    assert npm and all("--ignore-scripts" in line for line in npm)
    assert not [line for line in lines_with("npm install") if "apt-get" not in line]
    assert "ignore-scripts=true" in (HOUSE / ".npmrc").read_text()


@pytest.mark.parametrize("name", LOCKS)
def test_every_python_package_is_pinned_by_hash_and_from_no_address(name: str) -> None:
    text = (HOUSE / name).read_text()
    pins = re.findall(r"^\S+==\S+(.*(?:\n    .*)*)", text, re.MULTILINE)
    assert pins and all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in text


def test_every_web_package_is_pinned_by_digest() -> None:
    packages = json.loads((HOUSE / "package-lock.json").read_text())["packages"]
    assert all("integrity" in one for where, one in packages.items() if where)
    wanted = json.loads((HOUSE / "package.json").read_text())
    versions = [*wanted["dependencies"].values(), *wanted["devDependencies"].values()]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions)
