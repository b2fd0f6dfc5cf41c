"""A node's whole Asterisk configuration as text. Pure: same values in, same files out (golden files in tests/)."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from asterisk_conf.node_config import NodeConfig

TEMPLATES_DIR = Path(__file__).parent / "templates"
SUFFIX = ".j2"
TRANSFER_SECONDS_MAXIMUM = 2 * 3600
"""How long a caller may talk to a fixed number: minutes on our own bill."""
AMI_EVENTS_UNUSED = (
    *("AGIExecEnd", "AGIExecStart", "BridgeCreate", "BridgeDestroy", "BridgeEnter", "BridgeLeave"),
    *("BridgeVideoSourceUpdate", "CEL", "DTMFBegin", "DTMFEnd", "DeviceStateChange", "DialBegin", "DialEnd"),
    *(
        "DialState",
        "HangupHandlerPop",
        "HangupHandlerPush",
        "HangupHandlerRun",
        "HangupRequest",
        "LocalBridge",
    ),
    *("MusicOnHoldStart", "MusicOnHoldStop", "NewAccountCode", "NewCallerid", "NewConnectedLine", "Newexten"),
    *("Newstate", "RTCPReceived", "RTCPSent", "Rename", "SoftHangupRequest", "UserEvent", "VarSet"),
)
"""What agi/live_calls.py does not read. Take an event out of here when something begins to."""


def render(node: NodeConfig) -> dict[str, str]:
    """Return file name -> text for everything that belongs into `node.etc_dir`.

    Raises jinja2.UndefinedError when a template names a value that is not there: a mistake of ours.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  these are configuration files; values are checked in node_config
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    context = {
        "node": node,
        "node_name": node.node_name,
        "agi_port": node.agi_port,
        "secret": node.secret,
        "sounds": node.sounds_dir.parent,
        "voicemail_dir": node.voicemail_dir,
        "clock_file": node.clock_file,
        "recordings_dir": node.recordings_dir,
        "transfer_seconds": TRANSFER_SECONDS_MAXIMUM,
        "ami_events_unused": AMI_EVENTS_UNUSED,
    }
    names = sorted(path.name for path in TEMPLATES_DIR.glob(f"*{SUFFIX}"))
    return {name.removesuffix(SUFFIX): environment.get_template(name).render(context) for name in names}
