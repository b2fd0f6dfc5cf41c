"""Who may do what in the database: its owner brings the schema, the application reads and writes.

What is posted, sealed or noted may only be added by the application: it can neither change nor remove a row there, and
it cannot switch off the triggers that refuse it, for it owns nothing. The lists of what waits to be sealed are written
by triggers only.
"""

from __future__ import annotations

from sqlalchemy import URL, Connection, make_url, text
from sqlalchemy.exc import ProgrammingError

APPLICATION_ROLE = "tollbridge_app"
"""The role of the processes on an embedded server; elsewhere it is the user of their URL."""
_ADD_ONLY = ("ledger_", "audit_")
"""How the names of tables begin whose rows are never changed."""
_NOTED = "audit_log"
_NOTED_COLUMNS = ("user_id", "actor", "via", "action", "kind", "ref", "before", "after")
"""What the application says in a note. The number and the time are the database's: no note is from before."""
_LISTED_BY_TRIGGERS = ("unsealed_transactions", "unsealed_notes")
"""What waits to be sealed: triggers list it with the owner's rights, the sealer takes it away."""


class RoleMissing(Exception):
    """The application's role is not there and the owner may not make it."""


def application_url(owner_url: str) -> str:
    """Return the URL by which the processes of a node use an embedded server; it asks for no password."""
    url = make_url(owner_url).set(username=APPLICATION_ROLE, password=None)
    return url.render_as_string(hide_password=False)


def rights_on(table: str) -> tuple[str, ...]:
    """Return what the application may do with a table as a whole."""
    if table in ("alembic_version", _NOTED):
        return ("SELECT",)
    if table in _LISTED_BY_TRIGGERS:
        return ("SELECT", "DELETE")
    return ("SELECT", "INSERT") if table.startswith(_ADD_ONLY) else ("SELECT", "INSERT", "UPDATE", "DELETE")


def grant_rights(connection: Connection, application: URL) -> None:
    """Give the user of `application` its rights, no more and no less; make the user when missing. Repeatable.

    Raises RoleMissing when it has to be made by hand.
    """
    role = str(application.username)
    _have_role(connection, role, application.password)
    named = connection.dialect.identifier_preparer.quote
    connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {named(role)}"))
    for table in _wrongly_granted(connection, role):
        connection.execute(text(f"REVOKE ALL ON {named(table)} FROM {named(role)}"))
        connection.execute(text(f"GRANT {', '.join(rights_on(table))} ON {named(table)} TO {named(role)}"))
    columns = ", ".join(named(column) for column in _NOTED_COLUMNS)
    connection.execute(text(f"GRANT INSERT ({columns}) ON {named(_NOTED)} TO {named(role)}"))
    connection.execute(text(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {named(role)}"))


def _have_role(connection: Connection, role: str, password: object) -> None:
    if connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": role}) is not None:
        return
    with_password = "" if password is None else " PASSWORD %L"
    make = text(f"SELECT format('CREATE ROLE %I LOGIN{with_password}', VARIADIC CAST(:said AS text[]))")
    said = [role] if password is None else [role, str(password)]
    try:
        connection.exec_driver_sql(connection.execute(make, {"said": said}).scalar_one())
    except ProgrammingError as refused:
        raise RoleMissing(
            f"the database has no role {role} and its owner may not make one: CREATE ROLE {role}"
            " LOGIN PASSWORD '…', then start again"
        ) from refused


_RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")


def _wrongly_granted(connection: Connection, role: str) -> list[str]:
    """Return the tables and views on which the role has other rights than it should."""
    held = ", ".join(f"has_table_privilege(:role, c.oid, '{right}') AS {right.lower()}" for right in _RIGHTS)
    rows = connection.execute(
        text(
            f"SELECT c.relname, {held} FROM pg_class c"  # noqa: S608 (constants)
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY 1"
        ),
        {"role": role},
    ).all()
    return [
        row.relname
        for row in rows
        if {right for right in _RIGHTS if getattr(row, right.lower())} != set(rights_on(row.relname))
    ]
