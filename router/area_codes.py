"""Where area codes and ZIP codes lie: the tables of phonenumbers and zipcodes, of which a market carries the rows."""

from __future__ import annotations

from importlib.metadata import version

from router.data_tables import TableUnavailable, read_table

__all__ = [
    "AreaCodesUnavailable",
    "area_codes_source",
    "read_area_codes",
    "read_zip_codes",
    "zip_codes_source",
]

AreaCodesUnavailable = TableUnavailable


def area_codes_source() -> str:
    """Return the name and version of the data the table of area codes comes from."""
    return f"phonenumbers {version('phonenumbers')}"


def zip_codes_source() -> str:
    """Return the name and version of the data the table of ZIP codes comes from."""
    return f"zipcodes {version('zipcodes')}"


def read_area_codes() -> dict[str, list[str]]:
    """Return area code -> states. Blocks for half a second. Raises AreaCodesUnavailable."""
    return read_table("rules.places", "area_code_table")


def read_zip_codes() -> dict[str, str]:
    """Return ZIP code or its first three digits -> state. Blocks for a second. Raises AreaCodesUnavailable."""
    return read_table("rules.zip_codes", "zip_code_table")
