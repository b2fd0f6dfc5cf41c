"""Commands about the people who may sign in."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

if TYPE_CHECKING:
    from web.audit import Actor
    from web.authority import NotAllowed
    from web.password_rules import PasswordRefusal
    from web.users.people import Belonging, Invited, LinkMade, PersonRefusal
    from web.users.queries import Person

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

PEOPLE_LISTED_MAXIMUM = 10_000
role_option = click.option(
    "--role", default="admin", show_default=True, help="admin, manager, analyst, buyer or publisher."
)
buyer_option = click.option("--buyer", default="", help="Name or id of the buyer they belong to.")
publisher_option = click.option("--publisher", default="", help="Name or id of the publisher they belong to.")
name_option = click.option("--name", default="", help="Their own name.")


@cli.group()
def user() -> None:
    """People who may sign in."""


@cli.group()
def admin() -> None:
    """The first admin."""


@admin.command("create")
@click.argument("email", required=False)
@name_option
@click.option("--password", help="Asked for when not given.")
@click.option("--generate", is_flag=True, help="Make a password and print it.")
@json_option
@pass_settings
def admin_create(
    settings: Settings, email: str | None, name: str, password: str | None, generate: bool, as_json: bool
) -> None:
    """Make an admin, who then invites everybody else on the page Users."""
    import secrets

    from web.person_fields import clean_email

    address = clean_email(email or click.prompt("E-mail address", err=True))
    if password is None:
        password = secrets.token_urlsafe(12) if generate else _asked_password()
    user_id = _add(settings, address, password, "admin", name, "", "")
    if as_json:
        made = {"user_id": user_id, "email": address, **({"password": password} if generate else {})}
        print_json(made)
        return
    say(f"{address} is an admin: sign in at {_origin(settings)}/sign-in")
    if generate:
        say(f"password: {password}")


@user.command("add")
@click.argument("email")
@click.password_option(help="Asked for when not given.")
@role_option
@buyer_option
@publisher_option
@name_option
@json_option
@pass_settings
def user_add(
    settings: Settings,
    email: str,
    password: str,
    role: str,
    buyer: str,
    publisher: str,
    name: str,
    as_json: bool,
) -> None:
    """Make a user."""
    user_id = _add(settings, email, password, role, name, buyer, publisher)
    if as_json:
        print_json({"user_id": user_id})
    else:
        say(f"{email} may sign in")


@user.command("password")
@click.argument("email")
@click.password_option(help="Asked for when not given.")
@pass_settings
def user_password(settings: Settings, email: str, password: str) -> None:
    """Give a user a new password and end all they had open: sessions, tokens, passkeys."""
    from web.auth import set_password

    refusal = with_engine(
        settings, lambda engine: set_password(engine, email, password, actor=_actor("user password"))
    )
    if refusal is not None:
        raise click.ClickException(refusal.value)
    say("changed")


@user.command("invite")
@click.argument("email")
@role_option
@buyer_option
@publisher_option
@name_option
@json_option
@pass_settings
def user_invite(
    settings: Settings, email: str, role: str, buyer: str, publisher: str, name: str, as_json: bool
) -> None:
    """Make a user who sets their own password by a link; mailed when SMTP is set up."""
    from web.users.people import Invited, invite

    async def work(engine: AsyncEngine) -> Invited:
        async with engine.connect() as connection:
            belonging = await _belonging(connection, role, buyer, publisher)
        made = await invite(
            engine,
            _actor("user invite"),
            email=email,
            name=name,
            belonging=belonging,
            now=datetime.now(UTC),
        )
        if not isinstance(made, Invited):
            raise click.ClickException(made.value)
        return made

    made = with_engine(settings, work)
    _hand_on(settings, email, made.path, "invitation", as_json, user_id=made.user_id)


@user.command("link")
@click.argument("email")
@json_option
@pass_settings
def user_link(settings: Settings, email: str, as_json: bool) -> None:
    """Make a link by which a user sets a new password, or takes their invitation."""
    from web.users.people import LinkMade, make_person_link

    async def work(engine: AsyncEngine, person: Person) -> LinkMade | PersonRefusal | NotAllowed:
        return await make_person_link(engine, _actor("user link"), person.user.user_id, datetime.now(UTC))

    made = _about(settings, email, work)
    if not isinstance(made, LinkMade):
        raise click.ClickException(made.value)
    _hand_on(settings, made.email, made.path, str(made.kind), as_json)


@user.command("disable")
@click.argument("email")
@pass_settings
def user_disable(settings: Settings, email: str) -> None:
    """Bar a user: sessions end, tokens open nothing, everything is kept."""
    from web.users.people import disable

    async def work(engine: AsyncEngine, person: Person) -> PersonRefusal | NotAllowed | None:
        return await disable(engine, _actor("user disable"), person.user.user_id, datetime.now(UTC))

    _say_done(_about(settings, email, work), "disabled")


@user.command("enable")
@click.argument("email")
@pass_settings
def user_enable(settings: Settings, email: str) -> None:
    """Let a user in again."""
    from web.users.people import enable

    async def work(engine: AsyncEngine, person: Person) -> PersonRefusal | NotAllowed | None:
        return await enable(engine, _actor("user enable"), person.user.user_id)

    _say_done(_about(settings, email, work), "enabled")


@user.command("unlink")
@click.argument("email")
@pass_settings
def user_unlink(settings: Settings, email: str) -> None:
    """Take a user back from the directory: `user password` then gives them a password."""
    from web.oidc.admission import unlink

    async def work(engine: AsyncEngine, person: Person) -> PersonRefusal | NotAllowed | None:
        return await unlink(engine, _actor("user unlink"), person.user.user_id, datetime.now(UTC))

    _say_done(_about(settings, email, work), "unlinked; `tollbridge user password` gives them a password")


@user.command("reset-factor")
@click.argument("email")
@pass_settings
def user_reset_factor(settings: Settings, email: str) -> None:
    """Let in who lost their second factor: it and all passkeys go, sessions end, and they set one up again in time."""
    from web.users.people import reset_factor

    async def work(engine: AsyncEngine, person: Person) -> PersonRefusal | NotAllowed | None:
        return await reset_factor(engine, _actor("user reset-factor"), person.user.user_id, datetime.now(UTC))

    _say_done(_about(settings, email, work), "the password alone opens until a second factor is set up again")


@user.command("list")
@json_option
@pass_settings
def user_list(settings: Settings, as_json: bool) -> None:
    """List the users."""
    from web.users.queries import read_people

    async def work(engine: AsyncEngine) -> list[Person]:
        async with engine.connect() as connection:
            return await read_people(connection, text="", role=None, after="", maximum=PEOPLE_LISTED_MAXIMUM)

    people = with_engine(settings, work)
    if as_json:
        print_json([_facts(person) for person in people])
        return
    for person in people:
        belongs = f" ({person.belongs_to})" if person.belongs_to else ""
        say(f"{person.user.email:<40} {person.user.role.value}{belongs}, {person.state}")


def _facts(person: Person) -> dict[str, Any]:
    one, seen = person.user, person.last_seen_at
    return {
        "user_id": one.user_id,
        "email": one.email,
        "name": one.name,
        "role": one.role.value,
        "buyer_id": one.buyer_id,
        "publisher_id": one.publisher_id,
        "state": person.state,
        "second_factor": person.has_second_factor,
        "passkeys": person.passkeys,
        "directory": person.of_directory,
        "last_seen_at": seen and seen.isoformat(),
    }


def _add(
    settings: Settings, email: str, password: str, role: str, name: str, buyer: str, publisher: str
) -> int:
    """Make a user who has a password; return their id. Raises ClickException that says what is wrong."""
    from web.auth import UserCreated, create_user
    from web.person_fields import UserRefusal

    async def work(engine: AsyncEngine) -> UserCreated | UserRefusal | PasswordRefusal:
        async with engine.connect() as connection:
            belonging = await _belonging(connection, role, buyer, publisher)
        return await create_user(
            engine,
            email,
            password,
            belonging.role,
            name=name,
            buyer_id=belonging.buyer_id,
            publisher_id=belonging.publisher_id,
            actor=_actor("user add"),
        )

    made = with_engine(settings, work)
    if not isinstance(made, UserCreated):
        raise click.ClickException(made.value)
    return made.user_id


async def _belonging(connection: AsyncConnection, role: str, buyer: str, publisher: str) -> Belonging:
    from web.keys import Role
    from web.person_fields import UserRefusal
    from web.users.people import Belonging
    from web.users.queries import buyer_of_name, has_buyer, has_publisher, publisher_of_name

    if role not in set(Role):
        raise click.ClickException(UserRefusal.ROLE.value)
    belonging = Belonging(
        role=Role(role),
        buyer_id=await _party(connection, "buyer", buyer, has_buyer, buyer_of_name),
        publisher_id=await _party(connection, "publisher", publisher, has_publisher, publisher_of_name),
    )
    if belonging != belonging.clean():
        raise click.ClickException("--buyer goes with --role buyer, --publisher with --role publisher")
    return belonging


async def _party(
    connection: AsyncConnection,
    what: str,
    text: str,
    has_id: Callable[[AsyncConnection, int], Awaitable[bool]],
    of_name: Callable[[AsyncConnection, str], Awaitable[int | None]],
) -> int | None:
    """Return the id of a buyer or publisher that was named, or given by its id."""
    if not text:
        return None
    found = await of_name(connection, text)
    if found is None and text.isascii() and text.isdigit() and await has_id(connection, int(text[:18])):
        found = int(text[:18])
    if found is None:
        raise click.ClickException(f"there is no {what} called {text}")
    return found


def _about(settings: Settings, email: str, work: Callable[[AsyncEngine, Person], Awaitable[Any]]) -> Any:
    """Do something about the person of an address. Raises ClickException when there is none."""
    from web.person_fields import clean_email, is_email
    from web.users.queries import read_person_by_email

    async def find_and_work(engine: AsyncEngine) -> Any:
        address = clean_email(email)
        async with engine.connect() as connection:
            person = await read_person_by_email(connection, address) if is_email(address) else None
        if person is None:
            raise click.ClickException(f"there is nobody called {email}")
        return await work(engine, person)

    return with_engine(settings, find_and_work)


def _say_done(refusal: PersonRefusal | NotAllowed | None, done: str) -> None:
    if refusal is not None:
        raise click.ClickException(refusal.value)
    say(done)


def _hand_on(settings: Settings, email: str, path: str, kind: str, as_json: bool, **more: int) -> None:
    """Print a link, the one time it is known, and mail it where that is set up."""
    import asyncio

    from tollbridge.run import mail_of
    from web.links.links import invitation_text, reset_text
    from web.mail import Mailer

    sent, config = False, mail_of(settings)
    if config is not None:
        mailer = Mailer(config)
        invited = kind == "invitation"
        text = invitation_text(mailer, path, "An admin") if invited else reset_text(mailer, path)
        subject = "An invitation to Tollbridge" if invited else "A new password for Tollbridge"
        sent = asyncio.run(mailer.send(to=email, subject=subject, text=text))
    link = _origin(settings) + path
    if as_json:
        print_json({**more, "email": email, "link": link, "sent": sent})
        return
    say(link)
    say(f"sent to {email}" if sent else f"hand it to {email} by a way that nobody else reads; it opens once")


def _origin(settings: Settings) -> str:
    return settings.web_url or f"http://{settings.web_address}:{settings.web_port}"


def _actor(command: str) -> Actor:
    from web.audit import Actor, Via

    return Actor(user=None, via=Via.COMMAND, name=f"tollbridge {command}")


def _asked_password() -> str:
    if not sys.stdin.isatty():
        raise click.ClickException("no password: give --password or --generate")
    password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password
