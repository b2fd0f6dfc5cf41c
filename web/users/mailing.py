"""Links on their way to people: by mail where that is set up."""

from __future__ import annotations

from aiohttp import web

from web.links.links import LinkKind, invitation_text, reset_text
from web.mail import MAILER
from web.users.people import LinkMade


async def send_link(app: web.Application, made: LinkMade, *, by: str) -> bool | None:
    """Mail a link. None: no mail is set up; False: the server did not take it."""
    if MAILER not in app:
        return None
    mailer = app[MAILER]
    if made.kind is LinkKind.INVITATION:
        subject, text = "An invitation to Tollbridge", invitation_text(mailer, made.path, by)
    else:
        subject, text = "A new password for Tollbridge", reset_text(mailer, made.path)
    return await mailer.send(to=made.email, subject=subject, text=text)
