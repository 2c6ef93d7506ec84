"""Recordings in HCP's folder layout: ``100307/MNINonLinear/Results/tfMRI_MOTOR_LR/…``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pydra_vae.bids.files import InputError
from pydra_vae.bids.index import known_labels
from pydra_vae.bids.names import natural_key
from pydra_vae.bids.recordings import Found, Recording

# tfMRI_MOTOR_LR, rfMRI_REST1_RL: kind, task, its number, phase encoding.
_RUN = re.compile(r"[rt]fMRI_([A-Za-z]+)(\d*)_([A-Z]{2})\Z")
# Registered by surface features and areal features (MSMAll), the paper's; else by folding (MSMSulc).
_SERIES = ("_Atlas_MSMAll", "_Atlas", "_Atlas_MSMAll_hp2000_clean", "_Atlas_hp2000_clean")
MOTOR_EVS = ("cue", "lf", "rf", "lh", "rh", "t")
_SURFACES = ("pial_MSMAll", "midthickness_MSMAll", "pial", "midthickness")


def is_hcp(folder: Path) -> bool:
    """Whether a folder holds subjects in HCP's layout."""
    return folder.is_dir() and next(folder.glob("*/MNINonLinear/Results"), None) is not None


def find_hcp(
    folder: Path,
    *,
    task: str,
    participant_label: Sequence[str] | None = None,
    direction: str = "LR",
    run: Sequence[int] | None = None,
    surfaces: bool = False,
) -> Found:
    """Find recordings; see `find_recordings`."""
    folders = {path.parent.parent.name for path in folder.glob("*/MNINonLinear/Results")}
    subjects = {name.removeprefix("sub-"): folder / name for name in sorted(folders, key=natural_key)}
    wanted = known_labels("participant", participant_label, "sub-", subjects, folder)
    found, problems, there = [], {}, set()
    for label in wanted:
        named = [(path, _RUN.match(path.name)) for path in (subjects[label] / "MNINonLinear" / "Results").iterdir()]
        runs = [(path, *match.groups()) for path, match in named if match]
        there |= {f"{name}{number}_{way}" for _, name, number, way in runs}
        own = [r for r in runs if _is_wanted(*r[1:], task, direction, run)]
        if not own and participant_label:
            has = ", ".join(sorted(path.name for path, *_ in runs)) or "none"
            problems[f"sub-{label}"] = f"sub-{label}: no run of task {task}, direction {direction}; its runs: {has}"
        for path, name, number, way in sorted(own):
            try:
                found.append(_recording(path, label, name, number, way, surfaces))
            except InputError as error:
                problems[f"sub-{label}" + f"_dir-{way}" * (direction == "both")] = f"sub-{label}: {error}"
    if not found and not problems:
        raise InputError(
            f"{folder} holds no run of task {task}, direction {direction}; there are: "
            f"{', '.join(sorted(there)) or 'none'}. Choose with --task-id and --direction"
        )
    return found, problems


def _is_wanted(name: str, number: str, way: str, task: str, direction: str, run: Sequence[int] | None) -> bool:
    names = (name.lower(), f"{name}{number}".lower())
    return (
        task.lower() in names and (direction == "both" or way == direction) and (run is None or int(number or 1) in run)
    )


def _recording(path: Path, label: str, name: str, number: str, way: str, surfaces: bool) -> Recording:
    series = [path / f"{path.name}{kind}.dtseries.nii" for kind in _SERIES]
    there = [p for p in series if p.exists() or p.is_symlink()]
    if not there:
        raise InputError(
            f"{path} holds no {series[0].name} (nor {series[1].name}): download the run's grayordinates, or leave the "
            "subject out with --participant-label"
        )
    entities = {"sub": label, "task": name.lower(), "dir": way, "space": "fsLR"} | ({"run": number} if number else {})
    mesh = path.parent.parent / "fsaverage_LR32k"
    return Recording(
        label=f"sub-{label}",
        person=f"sub-{label}",
        data=(there[0],),
        layout="hcp",
        entities=entities,
        events=_events(path / "EVs", name),
        surfaces=_surfaces(mesh, path.parents[2].name) if surfaces else None,
    )


def _events(folder: Path, task: str) -> tuple[Path, ...]:
    """EV files; those of the motor task must be complete."""
    if not folder.is_dir():
        return ()
    if task.lower() != "motor":
        return tuple(sorted(p for p in folder.glob("*.txt") if p.stem.lower() != "sync"))
    there = [folder / f"{name}.txt" for name in MOTOR_EVS if (folder / f"{name}.txt").is_file()]
    missing = [name for name in MOTOR_EVS[1:] if folder / f"{name}.txt" not in there]
    if there and missing:
        raise InputError(
            f"{folder} lacks {', '.join(f'{name}.txt' for name in missing)}: download the run's EVs, or leave the "
            "subject out with --participant-label"
        )
    return tuple(there)


def _surfaces(folder: Path, subject: str) -> tuple[Path, Path] | None:
    """The subject's own surfaces on the 32k mesh: pial, as the paper's; else midthickness."""
    for kind in _SURFACES:
        pair = tuple(folder / f"{subject}.{hemi}.{kind}.32k_fs_LR.surf.gii" for hemi in "LR")
        if all(path.is_file() for path in pair):
            return pair
    return None
