"""Every operation of the API, on one screen."""

from __future__ import annotations

from collections.abc import Sequence

from web.account import api as account
from web.api.operation import Operation
from web.audit_log import api as audit_log
from web.buyer import api as buyer
from web.calls import api as calls
from web.directory_groups import api as directory_groups
from web.flows import api as flows
from web.home import api as home
from web.licences import api as licences
from web.live import api as live
from web.money import api as money
from web.money import bid_limits, disputes_api, sales, wallets_api
from web.ping_tests import api as ping_tests
from web.plans import api as plans
from web.portal import api as portal
from web.portal import invoice_files
from web.prompts import api as prompts
from web.publisher_keys import api as publisher_keys
from web.reports import api as reports
from web.reports import views_api as report_views
from web.resources import api as resources
from web.resources import presets_api as presets
from web.sale_keys import api as sale_keys
from web.softphone import api as softphone
from web.suppressions import api as suppressions
from web.terms import api as terms
from web.test_calls import api as test_calls
from web.users import api as users

OPERATIONS: Sequence[Operation] = (
    *suppressions.OPERATIONS,
    *ping_tests.OPERATIONS,
    *test_calls.OPERATIONS,
    *licences.OPERATIONS,
    *home.OPERATIONS,
    *live.OPERATIONS,
    *calls.OPERATIONS,
    *reports.OPERATIONS,
    *report_views.OPERATIONS,
    *money.OPERATIONS,
    *disputes_api.OPERATIONS,
    *wallets_api.OPERATIONS,
    *bid_limits.OPERATIONS,
    *sales.OPERATIONS,
    *sale_keys.OPERATIONS,
    *portal.OPERATIONS,
    *invoice_files.OPERATIONS,
    *buyer.OPERATIONS,
    *resources.OPERATIONS,
    *presets.OPERATIONS,
    *plans.OPERATIONS,
    *publisher_keys.OPERATIONS,
    *terms.OPERATIONS,
    *flows.OPERATIONS,
    *prompts.OPERATIONS,
    *softphone.OPERATIONS,
    *users.OPERATIONS,
    *directory_groups.OPERATIONS,
    *account.OPERATIONS,
    *audit_log.OPERATIONS,
)

TAGS = frozenset(operation.tag for operation in OPERATIONS)
SCOPES = tuple(sorted({operation.scope for operation in OPERATIONS}))
