"""Publishers: who show our numbers and are paid for calls."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from store.tables import publishers
from web.api.operation import Body
from web.keys import EDITORS, HOUSE
from web.publisher_keys.queries import glance
from web.resources.fields import Kind, Shown
from web.resources.resource import Related, Resource
from web.resources.texts import Name, Zone


class PublisherForm(Body):
    """A publisher. `time_zone` is the one in which its caps are counted."""

    name: Annotated[Name, Shown(label="Name")]
    time_zone: Annotated[
        Zone,
        Shown(label="Time zone", kind=Kind.ZONE, help="Caps of a publisher begin anew at midnight there."),
    ] = "America/New_York"
    enabled: Annotated[
        bool,
        Shown(label="Calls are taken", kind=Kind.YES_NO, help="Off: calls to its numbers meet no buyer."),
    ] = Field(default=True)


PUBLISHERS = Resource(
    name="publishers",
    one="publisher",
    many="publishers",
    table=publishers,
    form=PublisherForm,
    columns=("name", "time_zone", "enabled"),
    about="Who show tracking numbers and earn a payout for calls that convert.",
    empty="Add the first publisher, then give it a tracking number.",
    readers=HOUSE,
    editors=EDITORS,
    related=(
        Related(label="Tracking numbers", address="/numbers?publisher_id={id}"),
        Related(label="Keys for pings", address="/publishers/{id}/keys"),
    ),
    more=glance,
    more_template="publisher_keys/publisher.html",
    can_delete=True,
)
