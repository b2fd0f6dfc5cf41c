"""Whose fault a database error is: the data's (it would fail again) or the outside's (wait, then try again)."""

from __future__ import annotations

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

# https://www.postgresql.org/docs/current/errcodes-appendix.html: data exception, integrity constraint, syntax or
# unknown name, program limit, feature not supported, raised by one of our functions.
_DATA_CLASSES = frozenset({"22", "23", "42", "54", "0A", "P0"})
OUTSIDE_ERRORS = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What the database can raise at a caller when it is down, slow or restarting."""


def is_fault_of_data(error: BaseException) -> bool:
    """Return whether the same statement with the same values would fail again on a healthy server."""
    if isinstance(error, DBAPIError):
        return not error.connection_invalidated and _data_class(error.orig)
    if isinstance(error, StatementError):
        # A value that could not even be put into the statement.
        return True
    return not isinstance(error, OUTSIDE_ERRORS)


def is_deadlock(error: BaseException) -> bool:
    """Return whether PostgreSQL stopped a transaction because two waited for each other."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) == "40P01"


def is_lock_timeout(error: DBAPIError) -> bool:
    """Return whether PostgreSQL gave up waiting for a lock, by its time-out or because two waited for each other."""
    return getattr(error.orig, "sqlstate", None) == "55P03" or is_deadlock(error)


def _data_class(error: BaseException | None) -> bool:
    while error is not None:
        # asyncpg refuses a value it cannot encode before it sends anything.
        if isinstance(error, asyncpg.DataError):
            return True
        state = getattr(error, "sqlstate", None)
        if isinstance(state, str):
            return state[:2] in _DATA_CLASSES
        error = error.__cause__
    return False
