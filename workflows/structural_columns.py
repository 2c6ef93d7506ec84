"""What the columns of structural's delivered tables hold, for their sidecars."""

from __future__ import annotations

COLUMNS: dict[str, dict[str, str]] = {}


def described(name: str) -> dict[str, dict[str, str]]:
    """The columns of one delivered table, as BIDS describes them."""
    return {column: {"Description": text} for column, text in COLUMNS.get(name, {}).items()}
