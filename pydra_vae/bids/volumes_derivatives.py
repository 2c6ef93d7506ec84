"""Maps in BIDS derivatives: sMRIPrep's and fMRIPrep's anatomy, and what is named like them, such as XCP-D's maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydra_vae.bids.files import BidsFile, InputError, scan
from pydra_vae.bids.filters import Filter, filter_of
from pydra_vae.bids.names import same_value
from pydra_vae.bids.people import listing
from pydra_vae.bids.volumes import Found, Volume

EXTENSIONS = (".nii.gz", ".nii")
KINDS = {
    "gm": {"suffix": "probseg", "label": "GM"},
    "wm": {"suffix": "probseg", "label": "WM"},
    "csf": {"suffix": "probseg", "label": "CSF"},
    "t1w": {"suffix": "T1w", "desc": "preproc"},
    "t2w": {"suffix": "T2w", "desc": "preproc"},
}
ABSENT = ("none", "n/a")
_NATIVE = ("", "T1w", "T2w", "anat", "orig", "func", "boldref", "individual", "native", "bold", "run")


def find_in_derivatives(
    folder: Path,
    kind: str,
    space: str | None,
    res: str | None,
    filters: Mapping[str, str],
    only: Mapping[str, Filter],
) -> Found:
    """Choose maps of one kind, space and resolution; see `find_volumes`."""
    files = [file for file in scan(folder) if "sub" in file.entities]
    images = [file for file in files if file.extension in EXTENSIONS]
    wanted = _wanted(images, kind, filters)
    chosen = [file for file in images if _matches(file, wanted)]
    if not chosen:
        raise InputError(_none(folder, images, wanted))
    chosen = filter_of(only, wanted["suffix"]).of(chosen, "map", folder)
    template = [file for file in chosen if file.entities.get("space", "") not in _NATIVE]
    if not template or (space or "template") in (*_NATIVE, *ABSENT):
        raise InputError(_native(folder, chosen, template))
    chosen = _one(template, "space", space, folder)
    chosen = _one(chosen, "res", res, folder)
    people = {file.entities["sub"] for file in files}
    missing = sorted(people - {file.entities["sub"] for file in chosen})
    what = " ".join(f"{key}={value}" for key, value in wanted.items())
    where = chosen[0].entities["space"]
    problems = {f"sub-{sub}": f"sub-{sub}: no map with {what} in the space {where}" for sub in missing}
    masks: dict[str, list[BidsFile]] = {}
    for file in images:
        if file.suffix == "mask" and file.entities.get("desc") == "brain":
            masks.setdefault(file.entities["sub"], []).append(file)
    names = {(file.folder, file.name) for file in files}
    return [_volume(file, masks.get(file.entities["sub"], []), names) for file in chosen], problems


def _wanted(images: Iterable[BidsFile], kind: str, filters: Mapping[str, str]) -> dict[str, str]:
    """What a name has to say."""
    if "suffix" in filters:
        return dict(filters)
    if kind == "auto":
        present = [file for file in images if file.entities.get("space", "") not in _NATIVE]
        kind = next((k for k in ("gm", "t1w") if any(_matches(f, KINDS[k]) for f in present)), "gm")
    if kind not in KINDS:
        raise InputError(
            f"the kind {kind!r} is not known: choose {', '.join(KINDS)}, a VBM prefix such as mwp1, or give --filter "
            "suffix=…"
        )
    return KINDS[kind] | dict(filters)


def _matches(file: BidsFile, wanted: Mapping[str, str]) -> bool:
    for key, value in wanted.items():
        found = file.suffix if key == "suffix" else file.entities.get(key)
        if not (found is None if value in ABSENT else same_value(found, value)):
            return False
    return True


def _one(files: list[BidsFile], key: str, value: str | None, folder: Path) -> list[BidsFile]:
    """Those with one value of an entity: the one asked for, or the only one there is."""
    there = {file.entities.get(key, "none") for file in files}
    if value is None:
        if len(there) > 1:
            what = "spaces" if key == "space" else "resolutions"
            raise InputError(f"{folder} holds these maps in several {what}, {listing(there)}: choose one with --{key}")
        return files
    value = value.removeprefix(f"{key}-")
    kept = [f for f in files if same_value(f.entities.get(key, "none"), "none" if value in ABSENT else value)]
    if not kept:
        raise InputError(f"{folder} holds no such map with {key}-{value}; there is {listing(there)}")
    return kept


def _volume(file: BidsFile, masks: list[BidsFile], names: set[tuple[str, str]]) -> Volume:
    sidecar = file.name.removesuffix(file.extension) + ".json"
    return Volume(
        label="",
        person=f"sub-{file.entities['sub']}",
        session=file.entities.get("ses", ""),
        path=file.path,
        sidecar=Path(file.folder, sidecar) if (file.folder, sidecar) in names else None,
        brain_mask=_mask_of(file, masks),
        space=file.entities["space"],
        entities=dict(file.entities),
    )


def _mask_of(file: BidsFile, masks: list[BidsFile]) -> Path | None:
    """The brain mask whose name says nothing but what the map's says; that which says most."""
    fitting = [
        mask
        for mask in masks
        if all(same_value(file.entities.get(k), v) for k, v in mask.entities.items() if k != "desc")
        and all(same_value(mask.entities.get(k), file.entities.get(k)) for k in ("space", "res"))
    ]
    return max(fitting, key=lambda mask: (mask.folder == file.folder, len(mask.entities))).path if fitting else None


def _none(folder: Path, images: list[BidsFile], wanted: Mapping[str, str]) -> str:
    what = ", ".join(f"{key} {value}" for key, value in wanted.items())
    kinds = {
        "_".join([*(f"{k}-{f.entities[k]}" for k in ("label", "stat", "desc") if k in f.entities), f.suffix])
        for f in images
    }
    return f"{folder} holds no map with {what}; its images: {listing(kinds) or 'none'}. Choose with --kind or --filter"


def _native(folder: Path, chosen: list[BidsFile], template: list[BidsFile]) -> str:
    if template:
        there = listing(file.entities["space"] for file in template)
        return f"maps of the subjects' own space cannot be compared voxel by voxel: choose --space {there}"
    return (
        f"the maps of {folder} lie in each subject's own space ({chosen[0].name}), where voxels do not correspond: run "
        "sMRIPrep or fMRIPrep with a template among --output-spaces, such as MNI152NLin2009cAsym:res-2"
    )
