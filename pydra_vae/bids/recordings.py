"""Find recordings on the cortical surface, in HCP's folders or in fMRIPrep's derivatives.

A recording is one run of one subject. Unlike volumes, which are joined in time per subject, each is
taken for itself; all recordings of an analysis must have one length, repetition time and mesh. Only
headers are read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydra_vae.bids.files import InputError
from pydra_vae.bids.filters import EVERYTHING, Filter
from pydra_vae.bids.names import natural_key
from pydra_vae.images.headers import T_R_TOLERANCE, check_t_r
from pydra_vae.images.surface_headers import read_surface_header
from pydra_vae.images.surfaces import SurfaceError

# Entities by which a subject's recordings may be told apart, in the order of BIDS.
APART = ("ses", "task", "acq", "dir", "run", "chunk")


@dataclass(frozen=True)
class Recording:
    """One run of one subject on the cortical surface.

    Attributes
    ----------
    label : str
        ``sub-100307``, or with what tells a subject's recordings apart: ``sub-01_run-2``.
    person : str
        Whose it is: ``sub-100307``.
    data : tuple of Path
        One CIFTI series, or the GIFTI series of the left and the right hemisphere.
    layout : str
        ``hcp`` or ``fmriprep``.
    entities : dict of str
        sub, task, space, and dir, run, ses, … where there are.
    events : tuple of Path
        HCP's EV files, or one events.tsv; empty where there are none.
    sidecar : Path or None
        The nearest JSON file with RepetitionTime.
    confounds, confounds_json : Path or None
        fMRIPrep's table, and its description.
    surfaces : tuple of Path or None
        The subject's own left and right surface on the data's mesh.
    t_r : float or None
        Repetition time in seconds, on which header and sidecar agree.
    start_time : float
        Seconds into the run that the first frame shows: the sidecar's StartTime, where slices were aligned in time
        (fMRIPrep: to the middle of the frame); else 0.
    n_frames : int
    mesh_sizes : tuple of int
        Vertices of the left and the right mesh.
    """

    label: str
    person: str
    data: tuple[Path, ...]
    layout: str
    entities: dict[str, str] = field(repr=False)
    events: tuple[Path, ...] = ()
    sidecar: Path | None = None
    confounds: Path | None = None
    confounds_json: Path | None = None
    surfaces: tuple[Path, Path] | None = None
    t_r: float | None = None
    start_time: float = 0.0
    n_frames: int = 0
    mesh_sizes: tuple[int, int] = (0, 0)


Found = tuple[list[Recording], dict[str, str]]


def find_recordings(
    folder: Path,
    *,
    task: str = "motor",
    participant_label: Sequence[str] | None = None,
    session_label: Sequence[str] | None = None,
    direction: str | None = None,
    run: Sequence[int] | None = None,
    space: str | None = None,
    den: str | None = None,
    events_dir: Path | None = None,
    t_r: float | None = None,
    surfaces: bool = False,
    only: Filter = EVERYTHING,
) -> Found:
    """Find the recordings of a task; one that cannot be used does not keep the others from it.

    Subjects without any recording of the task are left out silently, unless they are asked for.

    Parameters
    ----------
    folder : Path
        HCP's folder of subjects (``100307/MNINonLinear/Results``), or fMRIPrep's output.
    task : str
        ``motor``, ``rest``, ``REST1``, …, in any case.
    participant_label, session_label : sequence of str, optional
        With or without ``sub-``, ``ses-``; default all.
    direction : str, optional
        Phase encoding: ``LR``, ``RL``, ``both``. For HCP, LR is the default, of which the paper's
        timing is; elsewhere it chooses only where names have such a direction.
    run : sequence of int, optional
        Run numbers; default all.
    space, den : str, optional
        Space and density, where there are several; the default is fsLR.
    events_dir : Path, optional
        BIDS folder of the raw data, for events.tsv that do not lie among the derivatives; default the
        folder above ``derivatives``, if that is where these are.
    t_r : float, optional
        Repetition time in seconds, for recordings of which neither header nor sidecar has it.
    surfaces : bool
        Look for the subjects' own surfaces too.
    only : Filter
        What names must have beside that (``--bids-filter-file``); in HCP's layout, what its names say as entities:
        sub, task, dir, run.

    Returns
    -------
    recordings : list of Recording
        In natural order of their labels.
    problems : dict of str
        Label to the reason why a recording cannot be used.

    Raises
    ------
    InputError
        If the folder is neither, a subject is unknown, or it holds no recording of the task.
    """
    from pydra_vae.bids.recordings_fmriprep import find_fmriprep
    from pydra_vae.bids.recordings_hcp import find_hcp, is_hcp

    folder = Path(folder)
    numbers = None if run is None else [int(n) for n in ([run] if isinstance(run, int | str) else run)]
    chosen = {"task": task.removeprefix("task-"), "participant_label": participant_label, "run": numbers}
    if is_hcp(folder):
        found, problems = find_hcp(folder, direction=direction or "LR", surfaces=surfaces, **chosen)
        found = _allowed(found, only, folder)
    else:
        found, problems = find_fmriprep(
            folder, session_label=session_label, direction=direction, space=space, den=den,
            events_dir=events_dir, surfaces=surfaces, only=only, **chosen,
        )  # fmt: skip
    named = with_labels(found)
    checked, unusable = check_headers(named, t_r)
    recordings, unlike = check_alike(checked)
    return recordings, problems | unusable | unlike


def _allowed(found: Sequence[Recording], only: Filter, folder: Path) -> list[Recording]:
    allowed = [recording for recording in found if only.allows(recording.entities)]
    if found and not allowed:
        there = ", ".join(f"{key}={value}" for key, value in found[0].entities.items())
        raise InputError(f"--bids-filter-file allows no recording in {folder}; the first of {len(found)} has {there}")
    return allowed


def with_labels(found: Iterable[Recording]) -> list[Recording]:
    """Name recordings by their subject, and by what tells any subject's recordings apart; sorted."""
    found = list(found)
    values: dict[tuple[str, str], set] = {}
    for recording in found:
        for key in APART:
            values.setdefault((recording.person, key), set()).add(recording.entities.get(key))
    several = {key for (_, key), seen in values.items() if len(seen) > 1}
    named = [
        replace(
            one,
            label="_".join(
                [one.person, *(f"{key}-{one.entities[key]}" for key in APART if key in several and key in one.entities)]
            ),
        )
        for one in found
    ]
    return sorted(named, key=lambda one: natural_key(one.label))


def check_headers(recordings: Iterable[Recording], t_r: float | None = None) -> Found:
    """Read each header: frames, meshes, and the repetition time on which it and the sidecar agree."""
    good, problems = [], {}
    for recording in recordings:
        try:
            header = read_surface_header(recording.data)
            said, source = _repetition_time(recording.sidecar), recording.sidecar
            if said is None:
                said, source = t_r, "--repetition-time"
            if said is None and header.t_r is None:
                raise InputError(
                    f"no repetition time: the header of {header.path} has none and no sidecar gives RepetitionTime; "
                    "write one into its .json, or give --repetition-time"
                )
            agreed = check_t_r(header, said, source)
            start = _start_time(recording.sidecar, agreed)
        except (SurfaceError, InputError, OSError, ValueError) as error:
            problems[recording.label] = f"{recording.label}: {error}"
            continue
        found = {"t_r": agreed, "start_time": start, "n_frames": header.n_frames, "mesh_sizes": header.mesh_sizes}
        good.append(replace(recording, **found))
    return good, problems


def check_alike(recordings: Sequence[Recording]) -> Found:
    """Keep the recordings that agree with most in mesh, length and repetition time."""
    problems: dict[str, str] = {}
    usual_t_r = _most([recording.t_r for recording in recordings])
    properties = (
        ("mesh", "vertices", lambda r: " + ".join(f"{n:,}" for n in r.mesh_sizes)),
        ("length", "frames", lambda r: str(r.n_frames)),
        ("repetition time", "s", lambda r: f"{usual_t_r if same_t_r(r.t_r, usual_t_r) else r.t_r:g}"),
    )
    for what, unit, value in properties:
        seen = [value(recording) for recording in recordings]
        usual = _most(seen)
        for recording, own in zip(recordings, seen, strict=True):
            if own != usual:
                problems[recording.label] = (
                    f"{recording.label}: {recording.data[0]} has {own} {unit}, but {seen.count(usual)} of "
                    f"{len(seen)} recordings have {usual}: all recordings of an analysis need one {what}; leave this "
                    "one out with --participant-label or --run, or give it again in the same form"
                )
        recordings = [r for r, own in zip(recordings, seen, strict=True) if own == usual]
    return list(recordings), problems


def read_sidecar(path: Path) -> dict[str, Any]:
    """A JSON object; InputError names the file if it is none."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a JSON object: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} cannot be read as a JSON object: it holds a {type(content).__name__}")
    return content


def _repetition_time(sidecar: Path | None) -> float | None:
    value = None if sidecar is None else read_sidecar(sidecar).get("RepetitionTime")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise InputError(f"{sidecar}: RepetitionTime is {value!r}, a number of seconds is needed")
    return float(value)


def _start_time(sidecar: Path | None, t_r: float) -> float:
    value = 0.0 if sidecar is None else read_sidecar(sidecar).get("StartTime") or 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < t_r:
        raise InputError(f"{sidecar}: StartTime is {value!r}, but a frame lasts from 0 to {t_r:g} s")
    return float(value)


def same_t_r(one: float, other: float) -> bool:
    """Whether repetition times are the same but for what a header's rounding may do."""
    return abs(one - other) <= T_R_TOLERANCE * other


def _most(values: Sequence):
    """The most frequent value, the first of equals."""
    return Counter(values).most_common(1)[0][0] if values else None
