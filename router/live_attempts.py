"""Which attempts of calls are live, in SQL: the one rule by which leases and holds on wallets are kept.

What an attempt holds is kept while in doubt: it is given back when the news says that the attempt is over, never
because news is missing. A call whose end nobody tells is closed after a day (tollbridge.worker), and is over then.
"""

from __future__ import annotations

MISSING_NEWS_HOURS = 24
"""A node that has been silent for longer is gone: nobody waits for what it knows."""

_TOLD = """
    EXISTS (
        SELECT FROM calls c
        WHERE c.id = {held}.call_id AND c.state = 'in_progress'
        AND NOT EXISTS (SELECT FROM legs g WHERE g.call_id = {held}.call_id AND g.attempt = {held}.attempt)
        AND NOT EXISTS (SELECT FROM decisions d WHERE d.call_id = {held}.call_id AND d.sequence > {held}.attempt)
    )
"""

# No row tells of the call, and some node has not been heard since the attempt's time was over: it may be that node's.
_NOT_TOLD = """
    NOT EXISTS (SELECT FROM calls c WHERE c.id = {held}.call_id) AND EXISTS (
        SELECT FROM asterisk_boots b GROUP BY b.node
        HAVING max(b.last_alive_ms) < extract(epoch FROM {held}.expires_at) * 1000
            AND max(b.last_alive_ms) > extract(epoch FROM :now - make_interval(hours => {hours})) * 1000
    )
"""


def is_live(held: str) -> str:
    """Return the condition that the attempt of a row named `held` (call_id, attempt, expires_at) is live.

    An attempt is live while its call is in progress, its leg has not ended, and nobody was chosen after it: targets
    that ring together share one decision, so those beside it are no later attempt. Binds `now`.
    """
    return f"({_TOLD.format(held=held)} OR {_NOT_TOLD.format(held=held, hours=MISSING_NEWS_HOURS)})"
