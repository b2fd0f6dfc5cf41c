"""What common carriers publish about where their calls come from: a beginning for a trunk's form. Pure.

Carriers change their networks; each note says where theirs stands. Nothing here is a secret. A comment names the
document that a value was compared with, in November 2026; what no document of the carrier's said is not filled in.
"""

from __future__ import annotations

from collections.abc import Mapping

from web.resources.resource import Preset

PRESETS: Mapping[str, Preset] = {
    # Twilio, "IP Addresses for Elastic SIP Trunking Services": all regions' ranges are to be let in, for calls may come
    # from any of them. The two of North America as in Google's "BYOC IP allow list" for Twilio; the steps by which
    # minutes are billed stand in neither.
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
            "its signalling networks of Virginia and Oregon are filled in. It asks to let in those of all its regions:"
            " add them from its page IP Addresses for Elastic SIP Trunking Services. Check with it by which steps"
            " minutes are billed. There, set the trunk's origination address to sip: and this node's address."
        ),
    ),
    # Telnyx, "SIP Info" (sip.telnyx.com) and "Failover and retries": both addresses of the United States;
    # "IP Whitelisting": UDP port 5060.
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
    # No document of VoIP.ms's was to be had.
    "voipms": Preset(
        label="VoIP.ms",
        values={"name": "voipms", "carrier_name": "VoIP.ms"},
        note=(
            "check with it: nothing of it is filled in. It is registered with by a sub-account's user name and"
            " password; the registrar is sip: and the server its portal names for your numbers."
        ),
    ),
    # Flowroute, "Set Up IP-based Authentication for Outbound Calls" names this point of presence, "How many
    # simultaneous SIP registrations are allowed?" that calls go to every registered device, "Service Guide - Technical
    # Specifications" digest authentication. None says what the user name is, or from which addresses calls come.
    "flowroute": Preset(
        label="Flowroute",
        values={
            "name": "flowroute",
            "carrier_name": "Flowroute",
            "registrar_uri": "sip:us-west-or.sip.flowroute.com",
        },
        note=(
            "it is registered with at its point in Oregon. Check with it: user name and password are those of the"
            " SIP credentials, under Interconnection in its manager. Every node that registers is rung at once: with"
            " several nodes let it send calls to their address instead."
        ),
    ),
    # Bandwidth, "Inbound SIP URI" and its neighbours: no list of signalling addresses for trunks.
    "bandwidth": Preset(
        label="Bandwidth",
        values={"name": "bandwidth", "carrier_name": "Bandwidth"},
        note=(
            "check with it: its addresses go by account. Take them from its dashboard, and give it this node's"
            " address there."
        ),
    ),
}
