"""What all commands share: the root, the settings, `--json`, a way to the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine

from store.session import open_engine
from tollbridge.faults import CannotRun
from tollbridge.lines_source import DATABASE_FAULTS
from tollbridge.node_config import layout_of
from tollbridge.node_state import read_state
from tollbridge.sealing_keys import use_sealing_keys
from tollbridge.settings import PREFIX, Settings, read_settings

T = TypeVar("T")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON value on stdout, for programs.")
pass_settings = click.make_pass_decorator(Settings)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option("0.1.0", prog_name="tollbridge")
@click.pass_context
def cli(context: click.Context) -> None:
    """Tollbridge sells inbound phone calls.

    `tollbridge up` starts this machine's node and `tollbridge doctor` says what it lacks. Settings are environment
    variables that begin with TOLLBRIDGE_; doctor lists them.
    """
    try:
        context.obj = read_settings()
        use_sealing_keys(context.obj)
    except ValidationError as problem:
        wrong = "; ".join(f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in problem.errors())
        raise click.ClickException(wrong) from problem


def with_engine(
    settings: Settings, work: Callable[[AsyncEngine], Awaitable[T]], *, patient: bool = False
) -> T:
    """Do some work on this node's database; `patient` as of open_engine. Raises CannotRun when it cannot be reached."""
    state = read_state(layout_of(settings))
    url = settings.database_url or (state.database_url if state else "")
    if not url:
        raise CannotRun(
            f"no node runs here and {PREFIX}DATABASE_URL is empty: start one with `tollbridge up`"
        )

    async def inside() -> T:
        engine = open_engine(url, application_name="tollbridge-cli", pool_size=2, patient=patient)
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    try:
        return asyncio.run(inside())
    except DATABASE_FAULTS as fault:
        reason = (str(fault) or type(fault).__name__).splitlines()[0][:160]
        raise CannotRun(
            f"the database cannot be reached ({reason}): `tollbridge doctor` says more"
        ) from fault
