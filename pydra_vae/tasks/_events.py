"""Events of a run from its files: the Human Connectome Project's EV text files, or BIDS events.tsv."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import read_table
from pydra_vae.stats.task_regressors import PAPER_EVENTS, Event

# File names of the Human Connectome Project's motor task; the cue is no movement.
EVS = {"rh": "right_hand", "lf": "left_foot", "t": "tongue", "rf": "right_foot", "lh": "left_hand"}
CUE = "cue"


def read_events(files: Sequence[Path], layout: str, subtasks: Sequence[str] | None = None) -> dict[str, list[Event]]:
    """Onset, duration (s) and amplitude of every event by sub-task.

    Parameters
    ----------
    files : sequence of paths
        One EV text file a sub-task (others, such as Sync.txt, are passed over), one or more events.tsv, or none.
    layout : {"auto", "hcp", "bids", "paper"}
        auto: by the names of the files; the paper's table where there are none is given by "paper" only.
    subtasks : sequence of str, optional
        Which sub-tasks to take, in this order; all by default.

    Raises
    ------
    ValueError
        If no sub-task is found, one that was asked for is absent, one has a name that the table of regressors needs,
        or a file cannot be read.
    """
    files = [Path(file) for file in files]
    if layout == "auto":
        layout = "bids" if any(file.suffix == ".tsv" for file in files) else "hcp"
    if layout == "paper":
        events = {name: list(times) for name, times in PAPER_EVENTS.items()}
    else:
        events = _hcp(files) if layout == "hcp" else _bids(files)
    if subtasks:
        missing = [name for name in subtasks if name not in events]
        if missing:
            raise ValueError(f"no events of {', '.join(missing)}: there are {', '.join(events) or 'none'}")
        events = {name: events[name] for name in subtasks}
    reserved = [name for name in events if name in ("frame", "time", "block") or name.startswith("raw_")]
    if reserved:
        raise ValueError(
            f"a trial type is called {reserved[0]}, which is a column of regressors.tsv: rename it in events.tsv, or "
            "name the sub-tasks to take"
        )
    if not events:
        shown = ", ".join(file.name for file in files) or "no file"
        raise ValueError(
            f"no events in {shown}: give EV files named {', '.join(f'{name}.txt' for name in EVS)}, or an events.tsv "
            "with columns onset, duration, trial_type; leave regressors out for data without events"
        )
    return events


def _hcp(files) -> dict[str, list[Event]]:
    by_name = {file.stem: file for file in files}
    return {name: _ev(by_name[stem]) for stem, name in EVS.items() if stem in by_name}


def _ev(path) -> list[Event]:
    """Rows of an EV file: onset, duration, amplitude, separated by blanks or tabs."""
    lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        rows = [tuple(float(value) for value in line) for line in lines]
    except ValueError as error:
        raise ValueError(f"{path} cannot be read as an EV file: {error}") from error
    if any(len(row) != 3 for row in rows):
        raise ValueError(f"{path} cannot be read as an EV file: each row needs onset, duration and amplitude")
    return rows


def _bids(files) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for path in (file for file in files if file.suffix == ".tsv"):
        table = read_table(path)
        missing = [name for name in ("onset", "duration", "trial_type") if name not in table]
        if missing:
            raise ValueError(f"{path} has no column {', '.join(missing)}: events need onset, duration and trial_type")
        table = table[table["trial_type"].notna()]
        for onset, duration, kind in zip(table["onset"], table["duration"].fillna(0), table["trial_type"], strict=True):
            if str(kind).lower() != CUE:
                found.setdefault(str(kind), []).append((_seconds(path, onset), _seconds(path, duration), 1.0))
    return {name: sorted(found[name]) for name in sorted(found)}


def _seconds(path, value) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = np.nan
    if not np.isfinite(seconds):
        raise ValueError(f"{path} has an onset or duration of {value!r}: seconds are needed")
    return seconds
