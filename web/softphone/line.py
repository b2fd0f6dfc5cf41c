"""How the softphone reaches Asterisk, and what a page has to allow that carries one."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from aiohttp import web

from web.keys import MICROPHONE

USERNAME = "softphone"
DOMAIN = "tollbridge.invalid"
"""Of its SIP addresses. It is in no network: what a browser sends goes to the page's own server, whatever it says."""
SOCKET = "/softphone/ws"


@dataclass(frozen=True, kw_only=True)
class SoftphoneLine:
    """Where this node's Asterisk takes WebSockets, and the password its softphone has there."""

    url: str
    password: str = field(repr=False)
    certificate: str = ""
    """The certificate Asterisk shows (a PEM file) when the way there is TLS: that one is trusted, and no other."""

    def tls(self) -> ssl.SSLContext | bool:
        """Return what to connect with. Raises OSError when the certificate cannot be read."""
        if not self.certificate:
            return True
        context = ssl.create_default_context(cafile=self.certificate)
        # It was named by its file: its name need not be the address, nor its issuer anybody known.
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


LINE: web.AppKey[SoftphoneLine] = web.AppKey("softphone_line", SoftphoneLine)


def allow_microphone(request: web.Request) -> None:
    """Let the page that answers this request ask for the microphone: it carries the softphone."""
    request[MICROPHONE] = True
