"""The requests and responses of one outgoing call, built from what is known of its dialogue. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tollbridge.phone.message import Headers, SipMessage, tag_of, uri_of

ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY")
_COPIED = ("via", "from", "to", "call-id", "cseq", "record-route")


@dataclass(frozen=True, kw_only=True)
class Invite:
    """What a caller dials and says of itself. Nothing is escaped: hostile tests need it raw.

    `dialled` is the user part of the request URI, `caller` that of From, `display` From's name as it goes on
    the wire (without quotes of ours when `display_raw`), `headers` are added as they are. `contact` is a whole URI to
    send to instead: that of somebody who has registered.
    """

    switch: tuple[str, int]
    dialled: str
    caller: str
    display: str = ""
    display_raw: bool = False
    headers: Headers = ()
    from_header: str | None = None
    to_header: str | None = None
    contact: str = ""


@dataclass(frozen=True, kw_only=True)
class Dialogue:
    """State of the dialogue (RFC 3261, 12) with the transaction ids of its INVITE."""

    invite: Invite
    local: tuple[str, int]
    call_id: str
    branch: str
    local_tag: str
    cseq: int = 1
    remote_to: str = ""
    remote_target: str = ""
    routes: tuple[str, ...] = ()

    @property
    def request_uri(self) -> str:
        if self.invite.contact:
            return self.invite.contact
        host, port = self.invite.switch
        return f"sip:{self.invite.dialled}@{host}:{port}"

    @property
    def contact(self) -> str:
        return f"<sip:phone@{self.local[0]}:{self.local[1]}>"

    @property
    def from_value(self) -> str:
        if self.invite.from_header is not None:
            return f"{self.invite.from_header};tag={self.local_tag}"
        name = self.invite.display if self.invite.display_raw else f'"{self.invite.display}"'
        name = f"{name} " if self.invite.display else ""
        return f"{name}<sip:{self.invite.caller}@{self.local[0]}:{self.local[1]}>;tag={self.local_tag}"

    @property
    def to_value(self) -> str:
        if self.remote_to:
            return self.remote_to
        return self.invite.to_header if self.invite.to_header is not None else f"<{self.request_uri}>"

    def established(self, response: SipMessage) -> Dialogue:
        """Return the dialogue that `response` (with a To tag) sets up."""
        contact = response.header("contact")
        return replace(
            self,
            remote_to=response.header("to"),
            remote_target=uri_of(contact) if contact else self.request_uri,
            routes=tuple(reversed(response.all("record-route"))),
        )

    def next_request(self) -> Dialogue:
        return replace(self, cseq=self.cseq + 1)

    def owns(self, message: SipMessage) -> bool:
        """Tell whether a message belongs to this call."""
        return message.header("call-id") == self.call_id

    def knows_peer(self, request: SipMessage) -> bool:
        """Tell whether a request comes from the dialogue's peer."""
        return tag_of(request.header("to")) == self.local_tag


def _common(dialogue: Dialogue, method: str, branch: str, to_value: str, cseq: int) -> Headers:
    host, port = dialogue.local
    return (
        ("Via", f"SIP/2.0/UDP {host}:{port};branch={branch};rport"),
        ("Max-Forwards", "70"),
        ("From", dialogue.from_value),
        ("To", to_value),
        ("Call-ID", dialogue.call_id),
        ("CSeq", f"{cseq} {method}"),
    )


def invite_request(dialogue: Dialogue, offer: bytes) -> SipMessage:
    """Return the INVITE that opens the call with an SDP offer."""
    common = _common(dialogue, "INVITE", dialogue.branch, dialogue.to_value, dialogue.cseq)
    return SipMessage(
        start=f"INVITE {dialogue.request_uri} SIP/2.0",
        headers=(
            *common,
            ("Contact", dialogue.contact),
            ALLOW,
            ("User-Agent", "tollbridge-phone"),
            *dialogue.invite.headers,
            ("Content-Type", "application/sdp"),
        ),
        body=offer,
    )


def cancel_request(dialogue: Dialogue) -> SipMessage:
    """Return the CANCEL of the INVITE: same URI, branch and number (RFC 3261, 9.1)."""
    to_value = replace(dialogue, remote_to="").to_value
    common = _common(dialogue, "CANCEL", dialogue.branch, to_value, 1)
    return SipMessage(start=f"CANCEL {dialogue.request_uri} SIP/2.0", headers=common)


def ack_of_refusal(dialogue: Dialogue, response: SipMessage) -> SipMessage:
    """Return the ACK of a final response other than 200: part of the INVITE's transaction."""
    common = _common(dialogue, "ACK", dialogue.branch, response.header("to"), 1)
    return SipMessage(start=f"ACK {dialogue.request_uri} SIP/2.0", headers=common)


def ack_of_answer(dialogue: Dialogue, branch: str, cseq: int) -> SipMessage:
    """Return the ACK of a 200, sent again for each repeated 200."""
    return _within(dialogue, "ACK", branch, cseq)


def bye_request(dialogue: Dialogue, branch: str) -> SipMessage:
    """Return the BYE; `dialogue` already carries the BYE's number."""
    return _within(dialogue, "BYE", branch, dialogue.cseq)


def _within(dialogue: Dialogue, method: str, branch: str, cseq: int) -> SipMessage:
    common = _common(dialogue, method, branch, dialogue.to_value, cseq)
    routes = tuple(("Route", route) for route in dialogue.routes)
    return SipMessage(start=f"{method} {dialogue.remote_target} SIP/2.0", headers=(*common, *routes))


def response_to(
    request: SipMessage, status: int, reason: str, *, contact: str = "", body: bytes = b""
) -> SipMessage:
    """Return a response inside a dialogue, with an SDP answer when there is a body."""
    copied = tuple((name, value) for name, value in request.headers if name.lower() in _COPIED)
    extra: Headers = (("Contact", contact),) if contact else ()
    if body:
        extra = (*extra, ("Content-Type", "application/sdp"))
    return SipMessage(start=f"SIP/2.0 {status} {reason}", headers=(*copied, *extra), body=body)
