"""Signing out of the directory too, when that is where somebody signed in."""

from __future__ import annotations

from aiohttp import web

from web.keys import ENGINE, USER
from web.oidc import queries
from web.oidc.directory import DIRECTORY
from web.oidc.failures import Failure
from web.oidc.question import end_session_address
from web.pages import render


async def signed_out_page(request: web.Request) -> web.Response | None:
    """Return what somebody of the directory sees after signing out: it leads to the provider, which signs them out too.

    None: they are not of the directory.
    """
    directory, user = request.app[DIRECTORY], request[USER]
    if directory is None:
        return None
    async with request.app[ENGINE].connect() as connection:
        if not await queries.is_of_directory(connection, user.user_id):
            return None
        sealed = await queries.read_id_token(connection, user.user_id)
    metadata = await directory.provider.metadata()
    address = None
    if not isinstance(metadata, Failure):
        id_token = None if sealed is None else directory.vault.open(user.user_id, sealed)
        address = end_session_address(metadata, directory.config, id_token)
    del request[USER]
    return render(request, "oidc/signed_out.html", name=directory.config.name, address=address)
