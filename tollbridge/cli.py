"""The command line. Each command is small; what it does lives beside it."""

from __future__ import annotations

import sys

import click

from tollbridge import (
    cli_callers,
    cli_calls,
    cli_decisions,
    cli_disputes,
    cli_endpoints,
    cli_flow,
    cli_flow_run,
    cli_invoices,
    cli_ledger,
    cli_licences,
    cli_node,
    cli_person,
    cli_prompts,
    cli_reconcile,
    cli_reports,
    cli_requests,
    cli_rtb,
    cli_secrets,
    cli_terms,
    cli_users,
    cli_wallet,
)
from tollbridge.cli_base import cli
from tollbridge.faults import CannotRun
from tollbridge.settings import PREFIX

__all__ = [
    "cli",
    "cli_callers",
    "cli_calls",
    "cli_decisions",
    "cli_disputes",
    "cli_endpoints",
    "cli_flow",
    "cli_flow_run",
    "cli_invoices",
    "cli_ledger",
    "cli_licences",
    "cli_node",
    "cli_person",
    "cli_prompts",
    "cli_reconcile",
    "cli_reports",
    "cli_requests",
    "cli_rtb",
    "cli_secrets",
    "cli_terms",
    "cli_users",
    "cli_wallet",
    "main",
]


def main() -> None:
    """Run the command line; a fault of the outside is one sentence and exit status 1."""
    try:
        cli(prog_name="tollbridge")
    except CannotRun as fault:
        click.secho(f"tollbridge: {fault}", fg="red", err=True)
        sys.exit(1)
    except OSError as fault:
        if fault.filename is None:
            raise
        advice = f"give this user the right to it and room on its disk, or set {PREFIX}DATA_DIR"
        click.secho(f"tollbridge: {fault.filename}: {fault.strerror}: {advice}", fg="red", err=True)
        sys.exit(1)
