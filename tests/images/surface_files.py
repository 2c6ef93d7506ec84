"""Small files on the cortical surface, of true layout, written for a test."""

import gzip

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, Cifti2Header, LabelAxis, SeriesAxis

MESH = 40  # vertices of a small hemisphere
WALL = (3, 4, 5)  # of which these are medial wall
CORTEX = np.setdiff1d(np.arange(MESH), WALL)


def axis(left=CORTEX, right=CORTEX, mesh=MESH, volume=6):
    """Brain models of both cortices, and `volume` voxels of the thalamus behind them."""
    sides = [(left, "CortexLeft"), (right, "CortexRight")]
    models = [BrainModelAxis.from_surface(np.asarray(v), mesh, name) for v, name in sides if v is not None]
    if volume:
        mask = np.arange(8).reshape(2, 2, 2) < volume
        models.append(BrainModelAxis.from_mask(mask, name="thalamus_left", affine=np.eye(4)))
    return sum(models[1:], start=models[0])


def write_dtseries(path, data, models=None, t_r=0.72, dtype=np.float32, unit="SECOND", scaled=False):
    """(T, n) grayordinates; gzipped if the name says so, integers with a scale if asked for."""
    models = axis() if models is None else models
    header = Cifti2Header.from_axes((SeriesAxis(0, t_r, len(data), unit), models))
    image = nib.Cifti2Image(data if scaled else np.asarray(data, dtype), header)
    image.nifti_header.set_intent("ConnDenseSeries")
    image.nifti_header.set_data_dtype(dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = path.with_name(path.name.removesuffix(".gz"))
    image.to_filename(str(plain))
    if plain != path:
        path.write_bytes(gzip.compress(plain.read_bytes()))
    return path


def write_dlabel(path, keys, tables, names, models):
    """(maps, n) keys; tables are {key: name} a map."""
    labels = [{key: (name, (0, 0, 0, 1)) for key, name in table.items()} for table in tables]
    header = Cifti2Header.from_axes((LabelAxis(names, labels), models))
    image = nib.Cifti2Image(np.asarray(keys, np.float32), header)
    image.nifti_header.set_intent("ConnDenseLabel")
    image.to_filename(str(path))
    return path


def write_func(path, data, hemi, t_r=0.72, single=False, meta=None, unit=1000):
    """(T, n) of one hemisphere: an array a frame, or one of vertices × frames."""
    side = {"L": "CortexLeft", "R": "CortexRight"}.get(hemi)
    meta = {"TimeStep": f"{t_r * unit:g}"} if meta is None and t_r else meta or {}
    meta |= {"AnatomicalStructurePrimary": side} if side else {}
    rows = [np.asarray(data.T)] if single else data
    arrays = [
        nib.gifti.GiftiDataArray(np.asarray(row, np.float32), "NIFTI_INTENT_TIME_SERIES", "NIFTI_TYPE_FLOAT32")
        for row in rows
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.gifti.GiftiImage(darrays=arrays, meta=nib.gifti.GiftiMetaData(meta)), path)
    return path


def write_label(path, keys, table, hemi="L"):
    """A label.gii of one map."""
    labels = nib.gifti.GiftiLabelTable()
    for key, name in table.items():
        label = nib.gifti.GiftiLabel(key, 0, 0, 0, 1)
        label.label = name
        labels.labels.append(label)
    array = nib.gifti.GiftiDataArray(np.asarray(keys, np.int32), "NIFTI_INTENT_LABEL", datatype="NIFTI_TYPE_INT32")
    nib.save(nib.gifti.GiftiImage(darrays=[array], labeltable=labels), path)
    return path


def write_shape(path, values):
    """A mask of one hemisphere."""
    array = nib.gifti.GiftiDataArray(np.asarray(values, np.float32), "NIFTI_INTENT_SHAPE", "NIFTI_TYPE_FLOAT32")
    nib.save(nib.gifti.GiftiImage(darrays=[array]), path)
    return path


def write_annot(path, index, names):
    """FreeSurfer's annotation: position of each vertex's name, -1 for none."""
    table = np.array([[10 * i + 1, 2, 3, 0] for i in range(len(names))])
    nib.freesurfer.write_annot(path, np.asarray(index), table, names, fill_ctab=True)
    return path
