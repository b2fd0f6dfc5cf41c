"""The little SDP a PCMU telephone needs (RFC 4566, 3264). Pure."""

from __future__ import annotations

PCMU = 0
TELEPHONE_EVENT = 96


def describe(address: tuple[str, int], session: int, version: int = 1) -> bytes:
    """Return an offer or answer: PCMU and RFC 4733 keys (payload 96) at `address`."""
    host, port = address
    lines = (
        "v=0",
        f"o=phone {session} {version} IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {PCMU} {TELEPHONE_EVENT}",
        f"a=rtpmap:{PCMU} PCMU/8000",
        f"a=rtpmap:{TELEPHONE_EVENT} telephone-event/8000",
        f"a=fmtp:{TELEPHONE_EVENT} 0-16",
        "a=ptime:20",
        "a=sendrecv",
    )
    return ("\r\n".join(lines) + "\r\n").encode()


def media_address(body: bytes) -> tuple[str, int] | None:
    """Return where the other side wants audio, or None when the body names no usable audio."""
    host = ""
    port = 0
    in_audio = False
    for line in body.decode("utf-8", "replace").splitlines():
        if line.startswith("m="):
            in_audio = line.startswith("m=audio ")
            if in_audio:
                word = line.split(" ")[1].split("/")[0]
                port = int(word) if word.isdigit() else 0
        elif line.startswith("c=IN IP4 ") and (in_audio or not host):
            host = line.split(" ")[2].split("/")[0]
    return (host, port) if host and 0 < port < 65536 else None
