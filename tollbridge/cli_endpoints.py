"""Commands about the endpoints at which buyers are asked for bids."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.output import plain, print_json, say
from tollbridge.settings import Settings

if TYPE_CHECKING:
    from router.endpoint_admin import Refused, Tried

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

MAXIMUM_FILE_BYTES = 100_000
_COLOURS = {"rested": "red", "not usable": "red", "probed next": "yellow", "switched off": "yellow"}


@cli.group()
def endpoints() -> None:
    """Where buyers are asked for bids, one endpoint a target."""


@endpoints.command("list")
@json_option
@pass_settings
def endpoints_list(settings: Settings, as_json: bool) -> None:
    """List all endpoints: this minute's pings, and how well they answer."""
    from router.endpoint_admin import list_endpoints

    found = with_engine(settings, lambda engine: list_endpoints(engine, datetime.now(UTC)))
    if as_json:
        print_json(found)
        return
    for row in found:
        limit = (
            "no budget" if row["budget_per_minute"] is None else f"{row['used']}/{row['budget_per_minute']}"
        )
        say(
            f"{row['target_id']:>4}  {row['dialect']:<15}  {_state(row):<28}  {limit:>12} a minute  "
            f"{_dollars(row['cost_micros'])} each  {row['buyer']} / {row['target']}",
            colour=_COLOURS.get(row["state"]),
        )
        if row["won"]:
            say(f"      {_wins(row)}")
        for problem in row["problems"]:
            say(f"      {problem}", colour="red")
    if not found:
        say("no endpoints: make one with `tollbridge endpoints set TARGET --dialect … --url …`")


@endpoints.command("show")
@click.argument("target", type=int)
@json_option
@pass_settings
def endpoints_show(settings: Settings, target: int, as_json: bool) -> None:
    """Show the endpoint of TARGET (its number), without its secrets."""
    from router.endpoint_admin import list_endpoints

    found = with_engine(settings, lambda engine: list_endpoints(engine, datetime.now(UTC)))
    row = next((one for one in found if one["target_id"] == target), None)
    if row is None:
        raise click.ClickException(f"target {target} has no endpoint: `tollbridge endpoints list` names all")
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        shown = json.dumps(plain(value), indent=2) if isinstance(value, dict | list) and value else value
        say(f"{name}: {'' if shown is None else shown}")


@endpoints.command("set")
@click.argument("target", type=int)
@click.option("--dialect", help="tollbridge, ringba, retreaver, leadspedia_like or template.")
@click.option("--url", help="Where to ask, https only.")
@click.option(
    "--secret-file",
    type=click.File("r"),
    help="A file with the secret the buyer gave; - asks for it. Never a word of the command line, which others see.",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file with the dialect's settings, as docs/ping-post.md tells them.",
)
@click.option("--budget", type=int, help="Most pings a minute; -1 takes the budget away.")
@click.option("--cost", help="Dollars that one ping costs, e.g. 0.002.")
@click.option("--highest-bid", help="Dollars: a higher bid is invalid. 1,000 unless you say otherwise.")
@click.option(
    "--longest-minimum",
    type=int,
    help="Seconds: a bid that pays only for longer calls is invalid. At first 600.",
)
@click.option(
    "--most-refused",
    type=int,
    help="Percent of its wins that it may refuse or not answer before it rests. At first 60.",
)
@click.option(
    "--least-paid",
    type=int,
    help="Percent of what its winning bids were worth that it has to pay, or it rests. At first 25.",
)
@click.option("--expose-caller/--hide-caller", default=None, help="May losers see the caller's number?")
@click.option("--enable/--disable", default=None, help="Is it asked at all?")
@json_option
@pass_settings
def endpoints_set(settings: Settings, /, target: int, as_json: bool, **given: Any) -> None:
    """Make or change the endpoint of TARGET; what is not named stays as it is.

    \b
    Example:
      tollbridge endpoints set 7 --dialect template --url https://bids.example.com/ping \\
        --settings keystone.json --budget 600 --cost 0.002
    """
    from router.endpoint_admin import Refused, set_endpoint, without_secrets

    changes = _changes(**given)
    done = with_engine(settings, lambda engine: set_endpoint(engine, target, changes))
    if isinstance(done, Refused):
        _refuse(done, as_json, f"the endpoint of target {target} stays as it was")
    elif as_json:
        from dataclasses import asdict

        print_json(without_secrets(asdict(done)))
    else:
        say(f"saved; try it: tollbridge endpoints test {target}")


@endpoints.command("test")
@click.argument("target", type=int)
@click.option("--state", default="OH", show_default=True, help="The made-up caller's state.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="What the made-up caller answered.")
@click.option(
    "--deadline",
    "deadline_ms",
    default=2000,
    show_default=True,
    type=click.IntRange(50, 5000),
    help="How long its answer is waited for, in ms.",
)
@json_option
@pass_settings
def endpoints_test(
    settings: Settings, target: int, state: str, tags: tuple[str, ...], deadline_ms: int, as_json: bool
) -> None:
    """Ask the endpoint of TARGET for a bid on a caller who is made up; exit 1 when its answer is no good.

    The buyer sees a ping like any other, and may charge for it. No call follows, and nothing is stored.
    """
    from router.domain.auction import UNHEALTHY
    from router.endpoint_admin import MADE_UP_ANSWERS, Refused, try_endpoint

    tried = with_engine(
        settings,
        lambda engine: try_endpoint(
            engine,
            target,
            house=settings.house,
            state=state or None,
            answers=_tags(tags) or MADE_UP_ANSWERS,
            deadline_ms=deadline_ms,
        ),
    )
    if isinstance(tried, Refused):
        _refuse(tried, as_json, f"the endpoint of target {target} is not asked")
        return
    if as_json:
        print_json(tried)
    else:
        _say_tried(tried)
    if tried.outcome in UNHEALTHY:
        raise SystemExit(1)


def _say_tried(tried: Tried) -> None:
    say(tried.request)
    say("")
    say(tried.answer or "no answer")
    say("")
    verdict = tried.outcome.value
    if tried.bid_micros is not None:
        verdict += f": {_dollars(tried.bid_micros)}"
    if tried.minimum_connected_ms is not None:
        verdict += f" for calls of {tried.minimum_connected_ms / 1000:g} s"
    if tried.dial:
        verdict += f", to {tried.dial}"
    if tried.detail:
        verdict += f" ({tried.detail})"
    colour = {"accepted": "green", "refused": "yellow"}.get(tried.outcome.value, "red")
    say(f"{verdict}, after {tried.took_ms:g} ms", colour=colour)


def _refuse(refused: Refused, as_json: bool, so: str) -> None:
    if as_json:
        print_json(refused)
    else:
        for problem in refused.problems:
            say(problem, colour="red", err=True)
        say(so, err=True)
    raise SystemExit(1)


def _changes(
    *,
    dialect: str | None,
    url: str | None,
    secret_file: Any,
    settings_file: Path | None,
    budget: int | None,
    cost: str | None,
    highest_bid: str | None,
    longest_minimum: int | None,
    most_refused: int | None,
    least_paid: int | None,
    expose_caller: bool | None,
    enable: bool | None,
) -> dict[str, Any]:
    """Return what was named of an endpoint. Raises ClickException for what cannot be read."""
    named: dict[str, Any] = {
        "dialect": dialect,
        "url": url,
        "secret": None if secret_file is None else _secret(secret_file),
        "settings": None if settings_file is None else _settings(settings_file),
        "cost_micros": None if cost is None else _micros("--cost", cost),
        "highest_bid_micros": None if highest_bid is None else _micros("--highest-bid", highest_bid),
        "longest_minimum_seconds": longest_minimum,
        "most_refused_percent": most_refused,
        "least_paid_percent": least_paid,
        "expose_caller": expose_caller,
        "enabled": enable,
    }
    changes: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if budget is not None:
        changes["budget_per_minute"] = None if budget == -1 else budget
    if not changes:
        raise click.ClickException(
            "nothing is to be changed: `tollbridge endpoints set --help` says what can be"
        )
    return changes


def _secret(file: Any) -> str:
    if file.name == "<stdin>" and file.isatty():
        return str(click.prompt("Secret", hide_input=True))
    secret: str = file.read(4096).strip()
    if not secret or not secret.isprintable():
        raise click.ClickException(f"{file.name}: holds no secret of one line")
    return secret


def _settings(file: Path) -> dict[str, Any]:
    data = file.read_bytes()
    if len(data) > MAXIMUM_FILE_BYTES:
        raise click.ClickException(f"{file}: larger than {MAXIMUM_FILE_BYTES} bytes")
    try:
        value = json.loads(data)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise click.ClickException(f"{file}, {where}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{file}: not JSON: {type(error).__name__}") from None
    if not isinstance(value, dict):
        raise click.ClickException(f"{file}: must be a JSON object")
    return value


def _micros(option: str, text: str) -> int:
    from rules.money import MoneyError, parse_dollars

    try:
        return parse_dollars(text)
    except MoneyError as error:
        raise click.ClickException(f"{option}: {error}") from None


def _tags(given: tuple[str, ...]) -> dict[str, str]:
    tags = dict(one.partition("=")[::2] for one in given)
    wrong = next((one for one in given if "=" not in one or one.startswith("=")), None)
    if wrong is not None:
        raise click.ClickException(f"--tag {wrong}: is not NAME=VALUE")
    return tags


def _state(row: dict[str, Any]) -> str:
    if row["state"] == "rested":
        until = max(filter(None, (row["rested_until"], row["rested_for_wins_until"])))
        return f"rested until {until:%H:%M:%S} UTC"
    return str(row["state"])


def _wins(row: dict[str, Any]) -> str:
    hidden = "; the caller's number is not shown to it" if row["hides_caller"] else ""
    return (
        f"won {row['won']}, refused or did not answer {row['refused']}, did not pay {row['unpaid']}; paid"
        f" {_dollars(row['won_paid_micros'])} for bids worth {_dollars(row['won_worth_micros'])}{hidden}"
    )


def _dollars(micros: int) -> str:
    from rules.money import format_dollars

    return format_dollars(micros)
