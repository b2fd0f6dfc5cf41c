"""Commands about the books."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tollbridge.cli_base import cli, json_option, pass_settings, with_engine
from tollbridge.node_config import layout_of
from tollbridge.output import print_json, say
from tollbridge.settings import Settings

if TYPE_CHECKING:
    from billing.verify_chain import ExpectedRoot

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick


class Root(click.ParamType["ExpectedRoot"]):
    """A root that was noted earlier."""

    name = "batch:root"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ExpectedRoot:
        from billing.verify_chain import ExpectedRoot, read_expected

        try:
            return value if isinstance(value, ExpectedRoot) else read_expected(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


@cli.group()
def ledger() -> None:
    """The books."""


@ledger.command()
@pass_settings
def key(settings: Settings) -> None:
    """Print this node's public key: give it to buyers and publishers, and to the other nodes."""
    from tollbridge.sealing import public_key_of_node

    say(public_key_of_node(settings, layout_of(settings)))


@ledger.command()
@click.option(
    "--expect",
    "expected",
    multiple=True,
    type=Root(),
    help="BATCH:ROOT that was printed or given out earlier; may be repeated.",
)
@click.option(
    "--roots",
    "folders",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another folder of signed roots to compare with; may be repeated.",
)
@json_option
@pass_settings
def verify(
    settings: Settings, expected: tuple[ExpectedRoot, ...], folders: tuple[Path, ...], as_json: bool
) -> None:
    """Find any change, gap or reordering in the ledger and the audit log. Exit status 1 when there is one, else 0.

    What could not be checked for want of written roots is a warning, in the JSON as well, and no reason for status 1.
    Each batch must be signed by a known key and be the one that the folder of roots holds. The last line is what
    --expect takes later: keep it where nobody of this house can change it.
    """
    from billing.verify import verify_ledger
    from tollbridge.sealing import trust_of

    trust = trust_of(settings, layout_of(settings), folders=folders, expected=expected)
    try:
        trust.sizes()
    except OSError as problem:
        raise click.ClickException(f"the signed roots cannot be read: {problem}") from problem
    result = with_engine(settings, lambda engine: verify_ledger(engine, trust), patient=True)
    if as_json:
        print_json({"holds": result.holds, "warnings": result.warnings, "verification": result})
    else:
        for finding in result.findings:
            say(f"{finding.problem}: {finding.detail}", colour="red")
        looked = f"{result.transactions} transactions in {result.batches} batches, {result.unsealed} not sealed yet"
        say(f"{'the ledger holds' if result.holds else 'THE LEDGER DOES NOT HOLD'}: {looked}")
        for warning in result.warnings:
            say(warning)
        say(f"newest roots: {' '.join(str(root) for root in result.roots) or 'none yet'}")
    sys.exit(0 if result.holds else 1)
