"""Commands about the buyers' licences."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

_COLOURS = {0: "red", 7: "red", 30: "yellow"}


@cli.group()
def licences() -> None:
    """Who may originate which loan in which state."""


@licences.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Only say what is wrong with the file, and what it would change.")
@json_option
@pass_settings
def licences_import(settings: Settings, file: Path, check: bool, as_json: bool) -> None:
    """Bring in a CSV file of licences: all of it or, when one row is wrong, nothing.

    Columns: buyer, nmls_id, state, product, valid_from; and, if you like, valid_to, status, officer_name,
    officer_nmls_id.
    """
    from router.domain.licence_file import MAXIMUM_CHARACTERS
    from router.licence_import import Refused, import_licences

    try:
        with file.open("rb") as opened:
            data = opened.read(4 * MAXIMUM_CHARACTERS + 1)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror or error}") from error
    done = with_engine(settings, lambda engine: import_licences(engine, data, write=not check))
    if as_json:
        print_json(done)
    elif isinstance(done, Refused):
        for problem in done.problems:
            say(str(problem), colour="red", err=True)
        say(f"{len(done.problems)} problems; nothing was taken from {file}", err=True)
    else:
        would = "would be " if check else ""
        say(f"{done.added} {would}added, {done.changed} {would}changed, {done.unchanged} known as they are")
    if isinstance(done, Refused):
        raise SystemExit(1)


@licences.command("expiring")
@click.option(
    "--within", default=60, show_default=True, type=click.IntRange(0, 3650), help="Days from today."
)
@json_option
@pass_settings
def licences_expiring(settings: Settings, within: int, as_json: bool) -> None:
    """List the licences that end soon, most urgent first, and those that have just ended."""
    from router.licence_import import expiring_licences

    today = datetime.now(UTC).date()
    found = with_engine(settings, lambda engine: expiring_licences(engine, today, within))
    if as_json:
        print_json(found)
        return
    if not found:
        say(f"no licence ends within {within} days")
    for one in found:
        licence = one.licence
        when = "has ended" if one.days_left < 0 else f"ends in {one.days_left} days"
        who = f"{one.buyer}, NMLS {licence.nmls_id}"
        if licence.officer_nmls_id:
            who += f", {licence.officer_name} (NMLS {licence.officer_nmls_id})"
        say(
            f"{licence.valid_to}  {when:>16}  {licence.state} {licence.product}  {who}",
            colour=_COLOURS.get(one.urgency),
        )
