"""Files of a surface recording as HCP and fMRIPrep write them: CIFTI series, GIFTI pairs, event files."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from pydra_vae.images.streams import replacing, writing
from pydra_vae.simulate.motor_timing import EV_NAMES, Event

SIDES = {"L": "left", "R": "right"}
LARGEST = 32_000  # of the stored int16


def region_axis(vertices, mesh_sizes) -> nib.cifti2.BrainModelAxis:
    """Brain models of some vertices of both hemispheres, left first."""
    left, right = (
        nib.cifti2.BrainModelAxis.from_surface(part, size, name="CortexLeft" if hemi == "L" else "CortexRight")
        for hemi, part, size in zip("LR", vertices, mesh_sizes, strict=True)
    )
    return left + right


def write_dtseries(path: Path, rows: np.ndarray, axis, t_r: float) -> None:
    """Write (T, n) as a dtseries of the rows' own type, unscaled."""
    series = nib.cifti2.SeriesAxis(0, t_r, len(rows), "SECOND")
    _cifti(path, rows, (series, axis), "ConnDenseSeries")


def write_dscalar(path: Path, maps: np.ndarray, names, axis) -> None:
    """Write (k, n) named maps."""
    _cifti(path, maps.astype(np.float32), (nib.cifti2.ScalarAxis(list(names)), axis), "ConnDenseScalar")


def write_func_gii(path: Path, rows: np.ndarray, hemi: str, t_r: float) -> None:
    """Write (T, n) of one whole mesh as fMRIPrep writes `func.gii`, one array a frame."""
    meta = {"AnatomicalStructurePrimary": f"Cortex{SIDES[hemi].capitalize()}", "TimeStep": f"{t_r * 1000:g}"}
    arrays = [
        nib.gifti.GiftiDataArray(row, intent="NIFTI_INTENT_TIME_SERIES", datatype="NIFTI_TYPE_FLOAT32")
        for row in np.asarray(rows, np.float32)
    ]
    save_image(nib.gifti.GiftiImage(darrays=arrays, meta=nib.gifti.GiftiMetaData(meta)), path)


def write_label_gii(path: Path, inside: np.ndarray, name: str, hemi: str) -> None:
    """Write (n,) bool of one whole mesh as a label file with one label."""
    table = nib.gifti.GiftiLabelTable()
    for key, label, colour in ((0, "???", (0, 0, 0, 0)), (1, name, (0.27, 0.51, 0.71, 1))):
        entry = nib.gifti.GiftiLabel(key, *colour)
        entry.label = label
        table.labels.append(entry)
    array = nib.gifti.GiftiDataArray(inside.astype(np.int32), "NIFTI_INTENT_LABEL", datatype="NIFTI_TYPE_INT32")
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": f"Cortex{SIDES[hemi].capitalize()}"})
    save_image(nib.gifti.GiftiImage(darrays=[array], labeltable=table, meta=meta), path)


def write_evs(folder: Path, events: list[Event]) -> None:
    """HCP's EV files: onset, duration and amplitude of every block, one file a sub-task."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, short in EV_NAMES.items():
        lines = [f"{e.onset:g}\t{e.duration:g}\t1\n" for e in events if e.name == name]
        _text(folder / f"{short}.txt", "".join(lines))


def write_events(path: Path, events: list[Event]) -> None:
    """BIDS events, in order."""
    rows = [{"onset": e.onset, "duration": e.duration, "trial_type": e.name} for e in events]
    write_tsv(path, pd.DataFrame(rows, columns=["onset", "duration", "trial_type"]))


def write_tsv(path: Path, table: pd.DataFrame) -> None:
    _text(path, table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.6g"))


def write_json(path: Path, content: dict) -> None:
    _text(path, json.dumps(content, indent=2) + "\n")


def _cifti(path, data, axes, intent) -> None:
    image = nib.Cifti2Image(data, nib.cifti2.Cifti2Header.from_axes(axes))
    image.nifti_header.set_intent(intent)
    image.nifti_header.set_data_dtype(data.dtype)
    save_image(image, path)


def save_image(image, path: Path) -> None:
    """Write a nibabel image under its name when complete; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        image.to_filename(str(temporary))


def _text(path, text: str) -> None:
    with writing(Path(path)) as stream:
        stream.write(text.encode())
