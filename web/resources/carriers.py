"""What common carriers publish about where their calls come from: a beginning for a trunk's form. Pure.

Carriers change their networks; each note says where theirs stands. Nothing here is a secret.
"""

from __future__ import annotations

from collections.abc import Mapping

from web.resources.resource import Preset

PRESETS: Mapping[str, Preset] = {
    "twilio": Preset(
        label="Twilio",
        values={
            "name": "twilio",
            "carrier_name": "Twilio",
            "addresses": ["54.172.60.0/30", "54.244.51.0/30"],
            "cost_increment_seconds": 60,
            "cost_minimum_seconds": 60,
            "outbound_increment_seconds": 60,
            "outbound_minimum_seconds": 60,
        },
        note=(
            "its signalling networks of Virginia and Oregon are filled in; other regions stand in its console under"
            " Networking Info. There, set the trunk's origination address to sip: and this node's address."
        ),
    ),
    "telnyx": Preset(
        label="Telnyx",
        values={
            "name": "telnyx",
            "carrier_name": "Telnyx",
            "addresses": ["192.76.120.10", "64.16.250.10"],
        },
        note=(
            "its two addresses for the United States are filled in; other regions stand on sip.telnyx.com. There, make"
            " a connection by IP address with this node's address."
        ),
    ),
    "voipms": Preset(
        label="VoIP.ms",
        values={
            "name": "voipms",
            "carrier_name": "VoIP.ms",
            "registrar_uri": "sip:atlanta1.voip.ms",
        },
        note=(
            "it is registered with: user name and password are those of a sub-account made there. Change atlanta1 to"
            " the server nearest to you."
        ),
    ),
    "flowroute": Preset(
        label="Flowroute",
        values={
            "name": "flowroute",
            "carrier_name": "Flowroute",
            "registrar_uri": "sip:us-west-or.sip.flowroute.com",
        },
        note=(
            "it is registered with at its point in Oregon: user name is the tech prefix, the password that of the SIP"
            " credentials, both under Interconnection in its manager."
        ),
    ),
    "bandwidth": Preset(
        label="Bandwidth",
        values={"name": "bandwidth", "carrier_name": "Bandwidth"},
        note="its addresses go by account: take them from its dashboard, and give it this node's address there.",
    ),
}
