"""A port that is taken is named, with the variable that moves it."""

from __future__ import annotations

import os
import socket

from tollbridge.ports import Port, clashes, ports_of, speech_ports, speech_process_count, why_not
from tollbridge.settings import Settings


def test_a_taken_port_is_one_sentence_with_the_variable() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        number = other.getsockname()[1]
        port = Port(what="web", address="127.0.0.1", port=number, variable="TOLLBRIDGE_WEB_PORT")
        reason = why_not(port)
    assert reason is not None and str(number) in reason and "set TOLLBRIDGE_WEB_PORT" in reason
    assert why_not(port) is None


def test_a_taken_udp_port_is_not_a_taken_tcp_port() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        number = other.getsockname()[1]
        sip = Port(what="SIP", address="127.0.0.1", port=number, variable="TOLLBRIDGE_SIP_PORT", udp=True)
        assert "/udp" in (why_not(sip) or "")


def test_each_speech_process_has_two_ports_of_its_own() -> None:
    settings = Settings(speech_processes=3, speech_port=7000, audiosocket_port=7100)
    assert speech_ports(settings) == [(7000, 7100), (7001, 7101), (7002, 7102)]
    assert sum(port.what in ("speech", "AudioSocket") for port in ports_of(settings)) == 6


def test_a_speech_process_runs_on_each_core_unless_a_number_is_set() -> None:
    assert speech_process_count(Settings()) == os.cpu_count()
    assert speech_process_count(Settings(speech_processes=5)) == 5


def test_ports_that_meet_each_other_are_told_before_the_start() -> None:
    settings = Settings(speech_processes=20, speech_port=4580, audiosocket_port=4590)
    assert any("port 4590" in clash and "change TOLLBRIDGE_" in clash for clash in clashes(settings))
    assert list(clashes(Settings(speech_processes=2))) == []
    assert any(
        "RTP_PORT_LAST" in clash for clash in clashes(Settings(rtp_port_first=20000, rtp_port_last=20001))
    )
