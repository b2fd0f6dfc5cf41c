"""What may reach a configuration file: refusals are values, and nothing hostile passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asterisk_conf.node_config import Lines, Target, TargetRow, Trunk, TrunkRow, lines_of, target_of, trunk_of
from asterisk_conf.render import render
from asterisk_conf.sip_uri import Refused
from tests.asterisk_conf.example import example_node


@pytest.mark.parametrize(
    "uri",
    ["sip:a@192.0.2.1", "sip:+16145550100@buyer.example:5062", "sip:desk_1.a-b@pbx-1.example.com:65535"],
)
def test_plain_addresses_are_taken_as_they_are(uri: str) -> None:
    target = target_of(TargetRow(id=1, sip_uri=uri))
    assert isinstance(target, Target) and str(target.contact) == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "sips:a@b",
        "tel:+1614",
        "sip:b",
        "sip:a@b;transport=tcp",
        "sip:a@b&PJSIP/c",
        "sip:a@b\ncontact=sip:x@y",
        "sip:a@${SHELL(id)}",
        'sip:"a"@b',
        "sip:a@b:0",
        "sip:a@b:65536",
        "sip:a@-b",
        "sip:ä@b",
        "sip:a@b,c",
        "sip:" + "a" * 65 + "@b",
        "sip:a@b" + "c" * 8000,
    ],
)
def test_anything_else_is_refused_and_named(uri: str) -> None:
    refused = target_of(TargetRow(id=12, sip_uri=uri))
    assert isinstance(refused, Refused) and refused.what == "target 12" and len(refused.reason) < 300


@given(uri=st.text(max_size=60), name=st.text(max_size=40), address=st.text(max_size=30))
def test_no_text_at_all_can_break_out_of_its_line(uri: str, name: str, address: str) -> None:
    lines = lines_of([TrunkRow(id=1, name=name, addresses=[address])], [TargetRow(id=2, sip_uri=uri)])
    plain = re.compile(r"[ -~]*")
    for trunk in lines.trunks:
        assert plain.fullmatch(trunk.name) and not set(trunk.name) & set(';&,"\\[]{}$')
    for target in lines.targets:
        assert plain.fullmatch(str(target.contact)) and not set(str(target.contact)) & set(';&,"\\[]{}$ ')


@given(
    username=st.text(alphabet=st.characters(max_codepoint=127), max_size=20),
    password=st.text(alphabet=st.characters(max_codepoint=127), max_size=20),
)
def test_credentials_keep_their_letters_or_are_refused(username: str, password: str) -> None:
    row = TrunkRow(
        id=1, name="t", addresses=[], registrar_uri="sip:r.example", username=username, password=password
    )
    trunk = trunk_of(row)
    if isinstance(trunk, Trunk):
        written = render(example_node(lines=Lines(trunks=(trunk,))))["pjsip.conf"]
        assert f"\npassword = {password}\n" in written and not set(password) & set(";\\\"' \n")


@pytest.mark.parametrize("address", ["0.0.0.0/0", "10.0.0.0/7", "::1", "carrier.example", "192.0.2.1/33"])
def test_an_open_door_is_no_trunk(address: str) -> None:
    assert isinstance(trunk_of(TrunkRow(id=1, name="t", addresses=[address])), Refused)


def test_a_trunk_wants_an_address_or_a_registrar() -> None:
    refused = trunk_of(TrunkRow(id=1, name="t", addresses=[]))
    assert isinstance(refused, Refused) and "neither" in refused.reason


def test_one_bad_row_takes_nobody_else_with_it() -> None:
    lines = lines_of([], [TargetRow(id=2, sip_uri="sip:ok@b"), TargetRow(id=1, sip_uri="bad")])
    assert [target.id for target in lines.targets] == [2]
    assert [refused.what for refused in lines.refused] == ["target 1"]


def test_a_run_directory_too_long_for_a_socket_moves_to_a_short_one() -> None:
    assert example_node().run_dir == Path("/srv/tollbridge/asterisk/run")
    deep = example_node(node_dir=Path("/" + "d" * 100))
    assert (
        len(str(deep.run_dir / "asterisk.ctl")) < 107
        and deep.run_dir == example_node(node_dir=deep.node_dir).run_dir
    )
