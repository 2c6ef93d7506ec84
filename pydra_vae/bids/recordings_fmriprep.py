"""Recordings among fMRIPrep's derivatives: dense series (fsLR 91k), and pairs of GIFTI series.

Both orders of `hemi` and `space` in a name are read, since names are taken apart by their keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pydra_vae.bids.files import BidsFile, InputError, scan
from pydra_vae.bids.filters import EVERYTHING, Filter
from pydra_vae.bids.index import known_labels
from pydra_vae.bids.names import natural_key, same_value
from pydra_vae.bids.recordings import APART, Found, Recording, read_sidecar
from pydra_vae.bids.runs import with_companions

DEFAULT_SPACE = "fsLR"
_CIFTI, _GIFTI = ".dtseries.nii", (".func.gii", ".func.gii.gz")
_SIDECARS = (".json", ".dtseries.json", ".func.json")
_NATIVE = ("fsnative",)  # each subject's own mesh: vertices of two subjects are not the same place
_SURFACES = ("pial", "midthickness")


def find_fmriprep(
    folder: Path,
    *,
    task: str,
    participant_label: Sequence[str] | None = None,
    session_label: Sequence[str] | None = None,
    direction: str | None = None,
    run: Sequence[int] | None = None,
    space: str | None = None,
    den: str | None = None,
    events_dir: Path | None = None,
    surfaces: bool = False,
    only: Filter = EVERYTHING,
) -> Found:
    """Find recordings; see `find_recordings`."""
    files = scan(folder)
    subjects = {f.entities["sub"] for f in files if "sub" in f.entities}
    wanted = known_labels("participant", participant_label, "sub-", subjects, folder)
    series = [f for f in files if _is_series(f)]
    fits = [f for f in series if f.entities.get("task", "").lower() == task.lower()]
    if not fits:
        raise InputError(_no_task(folder, series, task))
    fits = only.of(fits, f"recording of task {task}", folder)
    fits = _chosen(fits, folder, session_label, direction, run, space, den)
    raw = _raw_events(folder, events_dir)
    found, problems = [], {}
    for subject in wanted:
        own = [f for f in files if f.entities.get("sub", subject) == subject]
        recordings = _of_one_person([f for f in fits if f.entities.get("sub") == subject])
        if not recordings and participant_label:
            problems[f"sub-{subject}"] = f"sub-{subject}: no recording fits; found were\n{_listing(series, subject)}"
        for key, versions in recordings.items():
            label = "_".join([f"sub-{subject}", *(f"{k}-{v}" for k, v in key if k != "task")])
            try:
                found.append(_recording(versions, own, raw, surfaces))
            except InputError as error:
                problems[label] = f"{label}: {error}"
    if not found and not problems:
        raise InputError(f"no recording of task {task} in {folder} fits; found were\n{_listing(series)}")
    return found, problems


def _is_series(file: BidsFile) -> bool:
    on_surface = file.extension == _CIFTI or (file.extension in _GIFTI and "hemi" in file.entities)
    return file.suffix == "bold" and on_surface and file.entities.get("space") not in _NATIVE


def _chosen(fits: list[BidsFile], folder, sessions, direction, run, space, den) -> list[BidsFile]:
    """Files of one session, direction, run, space and density, as asked for."""
    if sessions:
        known = {f.entities["ses"] for f in fits if "ses" in f.entities}
        sessions = known_labels("session", sessions, "ses-", known, folder)
        fits = [f for f in fits if f.entities.get("ses") in sessions]
    if direction not in (None, "both") and any(f.entities.get("dir") == direction for f in fits):
        fits = [f for f in fits if f.entities.get("dir") == direction]
    if run is not None:
        fits = [f for f in fits if f.entities.get("run", "").isdigit() and int(f.entities["run"]) in run]
    if den is not None:
        fits = [f for f in fits if f.entities.get("den") == den.removeprefix("den-")]
    spaces = {f.entities.get("space") for f in fits}
    if space is None and len(spaces) > 1 and DEFAULT_SPACE not in spaces:
        there = " | ".join(sorted(str(s) for s in spaces))
        raise InputError(f"several spaces in {folder} and none is {DEFAULT_SPACE}: choose with --space {there}")
    if space is None:
        space = DEFAULT_SPACE if DEFAULT_SPACE in spaces else next(iter(spaces), None)
    return [f for f in fits if f.entities.get("space") == (space or "").removeprefix("space-")]


def _of_one_person(files: Iterable[BidsFile]) -> dict[tuple, list[BidsFile]]:
    """Files by what tells runs apart; those of one key are hemispheres or versions of one run."""
    groups: dict[tuple, list[BidsFile]] = {}
    for file in sorted(files, key=lambda f: natural_key(f.name)):
        key = tuple((k, file.entities[k]) for k in APART if k in file.entities)
        groups.setdefault(key, []).append(file)
    return groups


def _recording(versions: list[BidsFile], own: list[BidsFile], raw: list[BidsFile], surfaces: bool) -> Recording:
    data = _one_version(versions)
    first = data[0]
    entities = {k: v for k, v in first.entities.items() if k not in ("hemi", "desc")}
    plain = replace(first, entities=entities)
    beside = with_companions(plain, own, [])
    events = beside.events or _nearest(plain, raw, "events", (".tsv",))
    return Recording(
        label=f"sub-{entities['sub']}",
        person=f"sub-{entities['sub']}",
        data=tuple(f.path for f in data),
        layout="fmriprep",
        entities=entities,
        events=(events,) if events else (),
        sidecar=_sidecar(first, own),
        confounds=beside.confounds,
        confounds_json=beside.confounds_json,
        surfaces=_surfaces(entities, own) if surfaces else None,
    )


def _one_version(files: list[BidsFile]) -> list[BidsFile]:
    """One dense series, or the left and the right GIFTI series, of the files of one run."""
    dense = [f for f in files if f.extension == _CIFTI]
    kept = dense or files
    # fMRIPrep's own have no desc and no odd text; what other programs made of them has.
    kept = [f for f in kept if not f.prefix and "desc" not in f.entities] or kept
    by_side: dict[str, list[BidsFile]] = {}
    for file in kept:
        by_side.setdefault(file.entities.get("hemi", ""), []).append(file)
    several = max(by_side.values(), key=len)
    if len(several) > 1:
        names = "\n".join(f"  {f.name}" for f in several)
        raise InputError(f"several versions of one run: choose with --den or --space, or keep one of\n{names}")
    if dense:
        return kept
    missing = [hemi for hemi in "LR" if hemi not in by_side]
    if missing:
        raise InputError(
            f"missing hemisphere: there is {kept[0].path}, but no hemi-{missing[0]} beside it; fetch it, or leave "
            "this recording out"
        )
    return [by_side["L"][0], by_side["R"][0]]


def _sidecar(series: BidsFile, own: Iterable[BidsFile]) -> Path | None:
    """The most specific JSON of the series that has RepetitionTime; else the most specific."""
    found = [
        f
        for f in own
        if f.suffix == "bold"
        and f.extension in _SIDECARS
        and f.prefix in ("", series.prefix)
        and Path(series.folder).is_relative_to(f.folder)
        and all(same_value(series.entities.get(key), value) for key, value in f.entities.items())
    ]
    found.sort(key=lambda f: (len(Path(f.folder).parts), len(f.entities)), reverse=True)
    return next((f.path for f in found if "RepetitionTime" in read_sidecar(f.path)), None)


def _nearest(series: BidsFile, files: Iterable[BidsFile], suffix: str, extensions: tuple[str, ...]) -> Path | None:
    """The most specific file of a raw tree whose entities all agree (BIDS inheritance)."""
    found = [
        f
        for f in files
        if f.suffix == suffix
        and f.extension in extensions
        and all(same_value(series.entities.get(key), value) for key, value in f.entities.items())
    ]
    return max(found, key=lambda f: len(f.entities)).path if found else None


def _raw_events(folder: Path, events_dir: Path | None) -> list[BidsFile]:
    """Tables of events in the raw data."""
    above = folder.absolute().parent
    if events_dir is None and above.name == "derivatives" and any(above.parent.glob("sub-*")):
        events_dir = above.parent
    return [] if events_dir is None else [f for f in scan(events_dir) if f.suffix == "events"]


def _surfaces(entities: dict[str, str], own: Iterable[BidsFile]) -> tuple[Path, Path] | None:
    """The subject's own surfaces on the fsLR 32k mesh: pial, as the paper's; else midthickness."""
    if entities.get("space") != DEFAULT_SPACE:
        return None
    on_mesh = [
        f
        for f in own
        if f.extension == ".surf.gii"
        and f.entities.get("space") == DEFAULT_SPACE
        and f.entities.get("den", "32k") == "32k"
        and f.entities.get("ses") in (None, entities.get("ses"))
    ]
    for kind in _SURFACES:
        pair = {f.entities.get("hemi"): f.path for f in on_mesh if f.suffix == kind}
        if {"L", "R"} <= set(pair):
            return pair["L"], pair["R"]
    return None


def _no_task(folder: Path, series: Sequence[BidsFile], task: str) -> str:
    if not series:
        return (
            f"{folder} holds no series on the cortical surface (*_bold.dtseries.nii, or *_bold.func.gii of both "
            "hemispheres on a template's mesh): run fMRIPrep with --cifti-output 91k, or with fsaverage5 among its "
            "--output-spaces"
        )
    tasks = ", ".join(sorted({f.entities.get("task", "none") for f in series}))
    return f"{folder} holds no series of task {task} on the cortical surface; its tasks: {tasks}. Choose with --task-id"


def _listing(series: Iterable[BidsFile], subject: str | None = None, most: int = 12) -> str:
    names = sorted((f.name for f in series if subject in (None, f.entities.get("sub"))), key=natural_key)
    more = [f"  … and {len(names) - most} more"] if len(names) > most else []
    return "\n".join([*(f"  {name}" for name in names[:most]), *more]) or "  no series on the cortical surface"
