"""A recipe's page from the inputs of its step."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pydra_vae.reports.group import Failure
from pydra_vae.tasks.group_report import parsed

PLAIN = ("dataset", "title", "simulated")
TEXTS = ("parameters", "skipped", "failures")


def page_of(report: type, given: Mapping[str, Any], lists: Collection[str], labels: Collection[str]):
    """A report of what a step was given.

    Parameters
    ----------
    report : type
        A dataclass, such as MotorReport; only its fields are taken.
    given : mapping
        The step's inputs by name.
    lists, labels : collections of str
        Inputs that are lists of files, and lists of words; the others are files, but for JSON and plain values.
    """
    found = {}
    for name, value in given.items():
        if name not in report.__dataclass_fields__:
            continue
        if name in TEXTS:
            found[name] = parsed(name, value)
        elif name in lists:
            found[name] = tuple(Path(path) for path in value or ())
        elif name in labels:
            found[name] = tuple(value or ())
        elif name in PLAIN:
            found[name] = value
        else:
            found[name] = None if value is None else Path(value)
    return report(**found | {"failures": [Failure(**failure) for failure in found["failures"]]})
