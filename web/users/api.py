"""People who may sign in, for machines: what an admin does on the page Users."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from web import ends
from web.api.cursor import read_cursor, write_cursor
from web.api.operation import (
    Answered,
    Asked,
    Body,
    FieldProblem,
    Operation,
    Page,
    Problem,
    Query,
    changed_meanwhile,
    conflict,
    forbidden,
    not_found,
    refused,
)
from web.authority import NotAllowed
from web.keys import Role
from web.links.links import LinkKind
from web.person_fields import EMAIL_LENGTH_MAXIMUM, NAME_LENGTH_MAXIMUM, UserRefusal
from web.users import people, queries
from web.users.mailing import send_link
from web.users.people import Belonging, Invited, LinkMade, PersonRefusal
from web.visitors import origin_of

PAGE_LENGTH = 50
_ADMIN = frozenset({Role.ADMIN})
_RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]
_Name = Annotated[str, Field(max_length=NAME_LENGTH_MAXIMUM)]
_FIELDS = {
    UserRefusal.EMAIL: "email",
    UserRefusal.EMAIL_TAKEN: "email",
    UserRefusal.NAME: "name",
    UserRefusal.ROLE: "role",
    PersonRefusal.NAME: "name",
    PersonRefusal.BUYER_NEEDED: "buyer_id",
    PersonRefusal.PUBLISHER_NEEDED: "publisher_id",
}


class UserItem(BaseModel):
    """Somebody who may sign in."""

    id: int
    email: str
    name: str
    role: Role
    buyer_id: int | None
    publisher_id: int | None
    state: str = Field(description="active, invited or disabled")
    second_factor: bool
    passkeys: int
    created_at: datetime
    last_seen_at: datetime | None


class UserQuery(Query):
    q: str = Field(
        default="", max_length=100, description="Only people whose name or address contains this text"
    )
    role: Role | None = None
    cursor: str | None = Field(default=None, max_length=400, description="`next` of the page before")
    limit: int = Field(default=PAGE_LENGTH, ge=1, le=200)


class UserChange(Body):
    """Who somebody is. A buyer's person needs `buyer_id`, a publisher's `publisher_id`."""

    name: _Name = ""
    role: Role
    buyer_id: _RowId | None = None
    publisher_id: _RowId | None = None

    @property
    def belonging(self) -> Belonging:
        return Belonging(role=self.role, buyer_id=self.buyer_id, publisher_id=self.publisher_id)


class Invitation(UserChange):
    email: str = Field(min_length=3, max_length=EMAIL_LENGTH_MAXIMUM)


class LinkItem(BaseModel):
    """A link by which somebody sets a password: its one showing."""

    user_id: int
    kind: str = Field(description="invitation or reset")
    link: str
    sent: bool = Field(description="Whether it was mailed too")


class Ended(BaseModel):
    """What had been open."""

    ended: int = Field(description="How many sessions there were")
    tokens: int
    passkeys: int


def item_of(person: queries.Person) -> UserItem:
    one = person.user
    return UserItem(
        id=one.user_id,
        email=one.email,
        name=one.name,
        role=one.role,
        buyer_id=one.buyer_id,
        publisher_id=one.publisher_id,
        state=person.state,
        second_factor=person.has_second_factor,
        passkeys=person.passkeys,
        created_at=person.created_at,
        last_seen_at=person.last_seen_at,
    )


async def list_users(asked: Asked) -> Answered | Problem:
    query: UserQuery = asked.query
    after = ""
    if query.cursor is not None:
        found = read_cursor(query.cursor, (str,))
        if found is None:
            return refused(FieldProblem(field="cursor", problem="this is no cursor of this list"))
        after = str(found[0])
    async with asked.engine.connect() as connection:
        rows = await queries.read_people(
            connection,
            text=query.q.replace("\x00", ""),
            role=query.role,
            after=after,
            maximum=query.limit + 1,
        )
    page = rows[: query.limit]
    following = write_cursor([page[-1].user.email]) if len(rows) > query.limit else None
    return Answered(content=Page[UserItem](items=[item_of(one) for one in page], next=following))


async def get_user(asked: Asked) -> Answered | Problem:
    async with asked.engine.connect() as connection:
        person = await queries.read_person(connection, asked.path["id"])
    if person is None:
        return not_found("user")
    return Answered(
        content=item_of(person), etag=asked.etags.name(people.KIND, asked.path["id"], people.state_of(person))
    )


async def invite_user(asked: Asked) -> Answered | Problem:
    body: Invitation = asked.body
    made = await people.invite(
        asked.engine,
        asked.actor,
        email=body.email,
        name=body.name,
        belonging=body.belonging,
        now=asked.now,
    )
    if not isinstance(made, Invited):
        return problem_of(made)
    made_link = LinkMade(path=made.path, kind=LinkKind.INVITATION, email=body.email.strip().lower())
    return Answered(content=await _handed_on(asked, made.user_id, made_link))


async def change_user(asked: Asked) -> Answered | Problem:
    body: UserChange = asked.body
    refusal = await people.change_person(
        asked.engine,
        asked.actor,
        asked.path["id"],
        name=body.name,
        belonging=body.belonging,
        seen=asked.unchanged(people.KIND, asked.path["id"]),
        now=asked.now,
    )
    return problem_of(refusal) if refusal is not None else await get_user(asked)


async def link_user(asked: Asked) -> Answered | Problem:
    made = await people.make_person_link(asked.engine, asked.actor, asked.path["id"], asked.now)
    if not isinstance(made, LinkMade):
        return problem_of(made)
    return Answered(content=await _handed_on(asked, asked.path["id"], made))


async def disable_user(asked: Asked) -> Answered | Problem:
    refusal = await people.disable(asked.engine, asked.actor, asked.path["id"], asked.now)
    return problem_of(refusal) if refusal is not None else await get_user(asked)


async def enable_user(asked: Asked) -> Answered | Problem:
    refusal = await people.enable(asked.engine, asked.actor, asked.path["id"])
    return problem_of(refusal) if refusal is not None else await get_user(asked)


async def end_user_sessions(asked: Asked) -> Answered | Problem:
    ended = await people.sign_out_everywhere(asked.engine, asked.actor, asked.path["id"], asked.now)
    if not isinstance(ended, ends.Ended):
        return problem_of(ended)
    return Answered(content=Ended(ended=ended.sessions, tokens=ended.tokens, passkeys=ended.passkeys))


async def remove_user_factor(asked: Asked) -> Answered | Problem:
    refusal = await people.take_factor(asked.engine, asked.actor, asked.path["id"], asked.now)
    return problem_of(refusal) if refusal is not None else await get_user(asked)


def problem_of(refusal: UserRefusal | PersonRefusal | NotAllowed) -> Problem:
    """Return a refusal as the API says it."""
    if isinstance(refusal, NotAllowed):
        return forbidden(refusal)
    if refusal is PersonRefusal.NOT_FOUND:
        return not_found("user")
    if refusal is PersonRefusal.CHANGED:
        return changed_meanwhile("user")
    if refusal in (
        PersonRefusal.LAST_ADMIN,
        PersonRefusal.DISABLED,
        PersonRefusal.NO_FACTOR,
        PersonRefusal.DIRECTORY,
        PersonRefusal.LOCAL,
    ):
        return conflict(refusal.value)
    return refused(FieldProblem(field=_FIELDS.get(refusal, ""), problem=refusal.value))


async def _handed_on(asked: Asked, user_id: int, made: LinkMade) -> LinkItem:
    sent = await send_link(asked.request.app, made, by=asked.user.email)
    return LinkItem(
        user_id=user_id, kind=str(made.kind), link=origin_of(asked.request) + made.path, sent=bool(sent)
    )


def _act(path: str, name: str, summary: str, handler: Any, answer: Any, *, shown_once: str = "") -> Operation:
    return Operation(
        method="POST",
        path=f"/users/{{id}}/{path}",
        name=name,
        summary=summary,
        tag="users",
        roles=_ADMIN,
        handler=handler,
        answer=answer,
        shown_once=shown_once,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/users",
        name="list_users",
        summary="List the people who may sign in",
        tag="users",
        roles=_ADMIN,
        handler=list_users,
        query=UserQuery,
        answer=Page[UserItem],
        problems=frozenset({422}),
    ),
    Operation(
        method="POST",
        path="/users",
        name="invite_user",
        summary="Invite somebody; the link is in this answer and nowhere else",
        tag="users",
        roles=_ADMIN,
        handler=invite_user,
        body=Invitation,
        answer=LinkItem,
        shown_once="the person is there (GET /users?q=…): make their link with POST /users/{id}/link",
        status=201,
    ),
    Operation(
        method="GET",
        path="/users/{id}",
        name="get_user",
        summary="Read one person; the ETag is for changes",
        tag="users",
        roles=_ADMIN,
        handler=get_user,
        answer=UserItem,
    ),
    Operation(
        method="PUT",
        path="/users/{id}",
        name="change_user",
        summary="Change a person's name and role",
        tag="users",
        roles=_ADMIN,
        handler=change_user,
        body=UserChange,
        answer=UserItem,
        takes_etag=True,
        problems=frozenset({409}),
    ),
    _act(
        "link",
        "link_user",
        "Make a link to set a password, in this answer alone",
        link_user,
        LinkItem,
        shown_once="ask again with a new key: a newer link closes the one that nobody knows",
    ),
    _act(
        "disable", "disable_user", "Bar a person: sessions end, tokens open nothing", disable_user, UserItem
    ),
    _act("enable", "enable_user", "Let a person in again", enable_user, UserItem),
    _act(
        "end-sessions",
        "end_user_sessions",
        "Sign a person out everywhere: sessions, tokens, passkeys",
        end_user_sessions,
        Ended,
    ),
    _act(
        "remove-second-factor",
        "remove_user_second_factor",
        "Take away the second factor of somebody who has lost it",
        remove_user_factor,
        UserItem,
    ),
)
