"""Who asks, and by what scheme, when a reverse proxy stands in front: the one place that reads what a proxy says.

aiohttp-remotes was looked at and left: its filter believes the headers of whoever connects, lets them name our host
too, and refuses a visitor in whose header an earlier hop wrote "unknown".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import hdrs, web

from web.keys import SECURE_COOKIES

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]
LOOPBACK: Networks = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))

TRUSTED_PROXIES: web.AppKey[Networks] = web.AppKey("trusted_proxies")
"""Where proxies of our own stand; whoever else sends their headers is not believed."""

PLAIN_HTTP_NETWORKS: web.AppKey[Networks] = web.AppKey("plain_http_networks")
"""Where plain http may come from beside this machine: networks the admin trusts with passwords."""


def client_address(request: web.Request) -> str:
    """Return the address limits count and the audit log keeps: the peer's, or the one our proxies name."""
    said = _values(request.headers.getall(hdrs.X_FORWARDED_FOR, ()))
    return nearest_stranger(request.remote or "", said, request.app[TRUSTED_PROXIES])


def scheme_of(request: web.Request) -> str:
    """Return http or https as the browser spoke it; only a proxy of ours may say that it was https."""
    said = _values(request.headers.getall(hdrs.X_FORWARDED_PROTO, ()))
    peer = _address(request.remote or "")
    if said and peer is not None and _is_within(peer, request.app[TRUSTED_PROXIES]):
        # The last is what the proxy that speaks to us wrote; what stands before may be anybody's.
        return "https" if said[-1].lower() == "https" else "http"
    return request.scheme


def is_secure(request: web.Request) -> bool:
    """Tell whether cookies of this answer may go by https only."""
    return request.app[SECURE_COOKIES] or scheme_of(request) == "https"


def is_in_clear(request: web.Request) -> bool:
    """Tell whether a request crossed a network without TLS that nobody has said is safe.

    A proxy of ours is believed when it says http or https. One that says nothing is a proxy of https where the pages'
    own address (TOLLBRIDGE_WEB_URL) says so.
    """
    if scheme_of(request) == "https":
        return False
    peer = _address(request.remote or "")
    if peer is not None and _is_within(peer, request.app[TRUSTED_PROXIES]):
        if request.app[SECURE_COOKIES] and hdrs.X_FORWARDED_PROTO not in request.headers:
            return False
        peer = _address(client_address(request))
    if peer is None or peer.is_loopback:
        return False
    return not _is_within(peer, request.app[PLAIN_HTTP_NETWORKS])


def nearest_stranger(peer: str, said: Sequence[str], trusted: Networks) -> str:
    """Return the last hop that is no proxy of ours. Pure.

    `said` is what X-Forwarded-For lists, the nearest hop last. It is read from its end, and only as far as each
    hop is trusted: whatever stands further left was written by strangers. A hop that cannot be read ends the way,
    at the trusted one that told it.
    """
    found = _address(peer)
    if found is None:
        return peer
    for text in reversed(said):
        if not _is_within(found, trusted):
            break
        hop = _address(text)
        if hop is None:
            break
        found = hop
    return str(found)


def _values(lines: Iterable[str]) -> list[str]:
    return [value.strip() for line in lines for value in line.split(",")]


def _address(text: str) -> Address | None:
    """Read an address, with brackets or a port as some proxies write it; one with a zone (%) is none of a visitor."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        return None if found.scope_id else found.ipv4_mapped or found
    return found


def is_within(address: str, networks: Networks) -> bool:
    """Tell whether this is an address of these networks."""
    found = _address(address)
    return found is not None and _is_within(found, networks)


def _is_within(address: Address, networks: Networks) -> bool:
    return any(address in network for network in networks)
