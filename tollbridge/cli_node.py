"""Commands about this machine's node and its parts."""

from __future__ import annotations

import asyncio
import sys

import click

from tollbridge.child_environment import forget_secrets
from tollbridge.cli_base import cli, json_option, pass_settings
from tollbridge.faults import CannotRun
from tollbridge.node_config import layout_of
from tollbridge.node_state import read_state
from tollbridge.output import print_json, progress, say
from tollbridge.settings import Settings

# ruff: noqa: PLC0415  a command imports what it needs: `tollbridge --help` and small processes stay quick

PROCESSES = ("asterisk", "agi", "speech", "pings", "web", "worker")


@cli.command()
@json_option
@pass_settings
def up(settings: Settings, as_json: bool) -> None:
    """Start this node and watch over it until Ctrl-C or `tollbridge down`."""
    from tollbridge.node import run_node
    from tollbridge.run import configure_log

    forget_secrets()
    layout = layout_of(settings)
    layout.log_dir.mkdir(parents=True, exist_ok=True)
    configure_log(settings.log_level, layout.log_dir / "node.log")

    def tell(text: str) -> None:
        if as_json:
            print_json({"node": text})
        elif text == "ready":
            say(
                f"ready: SIP {settings.sip_address}:{settings.sip_port}, {_web_address(settings)}",
                colour="green",
            )
        else:
            progress(text)

    asyncio.run(run_node(settings, tell, asyncio.Event()))


@cli.command("prepare")
@pass_settings
def prepare_node(settings: Settings) -> None:
    """Migrate the database and render the prompts, as `up` does first; for processes that each run alone."""
    from tollbridge.node import prepare
    from tollbridge.run import configure_log

    forget_secrets()
    configure_log(settings.log_level)
    asyncio.run(prepare(settings, progress))


@cli.command()
@json_option
@pass_settings
def down(settings: Settings, as_json: bool) -> None:
    """Stop this node."""
    from tollbridge.node import stop_node

    stopped = stop_node(layout_of(settings))
    if as_json:
        print_json({"stopped": stopped})
    else:
        say("stopped" if stopped else "no node was running")


@cli.command()
@json_option
@pass_settings
def status(settings: Settings, as_json: bool) -> None:
    """Show what runs. Exit status 1 when no node does."""
    from tollbridge.trunk_lines import COLOURS, lines_of_node
    from web.resources.trunk_lines import line_in_words

    state = read_state(layout_of(settings))
    trunks = [] if state is None else asyncio.run(lines_of_node(settings, state))
    if as_json:
        shown = (
            {}
            if state is None
            else {"pid": state.pid, "ready": state.ready, "processes": state.processes, "trunks": trunks}
        )
        print_json({"running": state is not None, **shown})
    elif state is None:
        say(f"no node runs on {layout_of(settings).data_dir}", colour="yellow")
    else:
        say(f"node {settings.node_name}, process {state.pid}, {'ready' if state.ready else 'coming up'}")
        for name, pid in state.processes.items():
            restarts = state.restarts.get(name, 0)
            again = f", started again {restarts} times" if restarts else ""
            say(f"  {name:10} {pid or 'down'}{again}", colour="green" if pid else "red")
        for line in trunks:
            say(f"  trunk {line.trunk}: {line_in_words(line)}", colour=COLOURS.get(line.health, "yellow"))
    sys.exit(0 if state is not None else 1)


@cli.command()
@json_option
@pass_settings
def doctor(settings: Settings, as_json: bool) -> None:
    """Check every part, say what to mend, list the settings. Exit status 1 when something is broken."""
    from tollbridge.doctor import Verdict, examine
    from tollbridge.settings import settings_table

    findings = asyncio.run(examine(settings))
    table = settings_table(settings)
    if as_json:
        print_json({"findings": findings, "settings": {name: value for name, value, _ in table}})
    else:
        marks = {
            Verdict.FINE: ("ok    ", "green"),
            Verdict.NOTE: ("note  ", "yellow"),
            Verdict.BROKEN: ("BROKEN", "red"),
        }
        for finding in findings:
            mark, colour = marks[finding.verdict]
            say(f"{mark} {finding.part:22} {finding.detail}", colour=colour)
        say("\nSettings:")
        for name, value, meaning in table:
            say(f"  {name:34} {value or '(empty)':28} {meaning}")
    sys.exit(1 if any(finding.verdict is Verdict.BROKEN for finding in findings) else 0)


@cli.command()
@click.option("--once", is_flag=True, help="Stop after the sale; the last line is JSON.")
@json_option
@pass_settings
def demo(settings: Settings, once: bool, as_json: bool) -> None:
    """Start a node, put a small market into it and sell a real call."""
    from tollbridge.demo import run_demo

    forget_secrets()
    sys.exit(asyncio.run(run_demo(settings, once=once or as_json)))


@cli.group()
def speech() -> None:
    """Speech recognition."""


@speech.command("install")
@json_option
@pass_settings
def speech_install(settings: Settings, as_json: bool) -> None:
    """Fetch the small English Vosk model (41 MB, checked by digest, resumable) into the cache folder."""
    from agi.speech.install import InstallError, install_vosk_model
    from tollbridge.run import VOSK_MODEL

    destination = settings.vosk_model_dir or settings.cache_dir / VOSK_MODEL
    with click.progressbar(length=1, label="Vosk model", file=sys.stderr) as bar:

        def move(here: int, whole: int) -> None:
            bar.length = whole
            bar.update(here - bar.pos)

        try:
            folder = install_vosk_model(destination, move)
        except InstallError as problem:
            raise click.ClickException(str(problem)) from problem
    if as_json:
        print_json({"vosk_model_dir": str(folder)})
    else:
        say(f"installed: {folder} (a node started from now on uses it)")


@cli.command()
@json_option
@pass_settings
def install(settings: Settings, as_json: bool) -> None:
    """Find an Asterisk that is new enough, or fetch one into the cache folder."""
    from asterisk_conf.install import NoAsterisk, find_asterisk, install_private_root

    found = find_asterisk(settings.cache_dir)
    if isinstance(found, NoAsterisk):
        progress("fetching Asterisk from Debian")
        found = install_private_root(settings.cache_dir)
    if isinstance(found, NoAsterisk):
        raise CannotRun(found.reason)
    if as_json:
        print_json(found)
    else:
        say(f"Asterisk {found.version} at {found.binary}")


@cli.command()
@click.argument("name", type=click.Choice(PROCESSES))
@click.option("--index", default=0, show_default=True, help="Which of the speech processes.")
@pass_settings
def run(settings: Settings, name: str, index: int) -> None:
    """Run one process of a node in the foreground, as systemd or compose want it."""
    from tollbridge.run import run_process

    forget_secrets()
    run_process(name, settings, index)


def _web_address(settings: Settings) -> str:
    return f"pages http://{settings.web_address}:{settings.web_port}/"
