"""A step's parameters with their defaults, for sidecars and reports."""

from __future__ import annotations

from typing import Any

from pydra.utils.general import get_fields

# Set for all steps together, or no part of what a person chose.
OF_THE_RUN = ("function", "seed", "scheme", "device", "t_r", "tsnr_units", "model", "setting", "name")


def filled(step: Any, given: dict[str, Any]) -> dict[str, Any]:
    """A step's parameters with their defaults, those left out that belong to the run."""
    fields = [f for f in get_fields(step) if not f.mandatory and not _is_of_the_run(f)]
    return {f.name: given.get(f.name, f.default) for f in fields}


def _is_of_the_run(field: Any) -> bool:
    """Whether a field is a file, or set for all steps together."""
    return "File" in str(field.type) or field.name in OF_THE_RUN
