"""Same values in, same files out."""

from __future__ import annotations

import pytest

from asterisk_conf.node_config import Softphone
from asterisk_conf.render import render
from tests.asterisk_conf.example import example_node
from tests.asterisk_conf.golden import GOLDEN_DIR, nodes, rendered


@pytest.mark.parametrize("folder", sorted(nodes()))
def test_a_node_renders_as_the_golden_files_say(folder: str) -> None:
    golden = {path.name: path.read_text() for path in (GOLDEN_DIR / folder).glob("*.conf")}
    assert rendered(nodes()[folder]) == golden, "wanted? python -m tests.asterisk_conf.golden --write"


def test_nobody_but_the_softphone_has_a_name_and_nobody_is_let_in_anonymously() -> None:
    files = render(example_node())
    identified = [line for line in files["pjsip.conf"].splitlines() if line.startswith("identify_by")]
    assert sorted(identified) == ["identify_by = auth_username,username", "identify_by = ip"]
    softphone = files["pjsip.conf"].partition("[softphone]")[2].partition("[line](!)")[0]
    assert "auth = softphone\n" in softphone and "context = from-softphone\n" in softphone
    for module in (
        "anonymous",
        "pbx_spool",
        "app_system",
        "func_shell",
        "originate",
    ):
        assert module not in files["modules.conf"]


def test_without_a_softphone_asterisk_knows_nothing_of_browsers() -> None:
    files = render(example_node(softphone=Softphone(enabled=False)))
    assert "enabled = no\n" in files["http.conf"] and "tls" not in files["http.conf"]
    assert "icesupport = no\n" in files["rtp.conf"]
    assert "endpoint_identifier_order = ip\n" in files["pjsip.conf"]
    assert "softphone]" not in files["pjsip.conf"] and "[ws]" not in files["pjsip.conf"]
    assert "websocket" not in files["modules.conf"] and "identifier_user" not in files["modules.conf"]


def test_the_manager_user_can_start_nothing() -> None:
    manager = render(example_node())["manager.conf"]
    assert "write = reporting,call\n" in manager, "call: to hang up; originate is a class of its own"
    assert "bindaddr = 127.0.0.1\n" in manager


def test_the_secret_shows_in_no_repr() -> None:
    node = example_node()
    assert node.secret not in repr(node)
    assert node.softphone_password not in repr(node) and node.secret not in node.softphone_password
    assert "pa$$word" not in repr(node)


def test_the_dialplan_records_in_one_place_only_and_hands_nothing_to_a_shell() -> None:
    """Recording begins by a word of the flow's step after a notice: no step of the dialplan goes there by itself."""
    dialplan = render(example_node())["extensions.conf"]
    lines = [line for line in dialplan.splitlines() if not line.lstrip().startswith(";")]
    (recording,) = [line for line in lines if "MixMonitor(" in line]
    assert recording.endswith(".raw,D))"), "a third argument would be a shell's"
    assert not any(
        word in line for line in lines for word in ("Gosub(record,", "Goto(record,", "System(", "SHELL(")
    )
