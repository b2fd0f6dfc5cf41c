"""How the command line speaks: plain lines for people, coloured on a terminal only, or one JSON value."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import date
from enum import Enum
from typing import Any

import click


def say(text: str, *, colour: str | None = None, err: bool = False) -> None:
    """Print a line. click drops colours when the output is no terminal."""
    click.secho(text, fg=colour, err=err)


def progress(text: str) -> None:
    """Tell on stderr what is going on, so that stdout stays for results."""
    click.secho(f"· {text}", fg="cyan", err=True)


def print_json(value: Any) -> None:
    """Print one JSON value on one line."""
    click.echo(json.dumps(plain(value)))


def plain(value: Any) -> Any:
    """Turn dataclasses, times, paths and enums into JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    known = value is None or isinstance(value, str | int | float | bool)
    return value if known else value.isoformat() if isinstance(value, date) else str(value)
