"""The files of a subject's report, read when a section first needs them."""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pydra_vae.bids.sidecars import SOFTWARE, versions
from pydra_vae.bids.tables import read_table
from pydra_vae.images.geometry import Geometry, Voxels, load_geometry
from pydra_vae.images.volumes import load_volume
from pydra_vae.reports.brains import Space
from pydra_vae.reports.surface_rows import SurfaceSpace
from pydra_vae.stats.chunks import frame_weights, row_chunks
from pydra_vae.stats.fit_warnings import verdict_warnings
from pydra_vae.stats.normalise import Scaling
from pydra_vae.stats.reconstruction import emse_frame
from pydra_vae.stats.splits import TEST

# What a person should see first
ORDER = {"strong": 0, "mild": 1}
LIBRARIES = (*SOFTWARE, "nireports")


class Loaded:
    """Tables, arrays and facts of one subject.

    Parameters
    ----------
    files : reports.subject.SubjectReport
    """

    def __init__(self, files):
        self.files = files

    def check(self) -> None:
        """Raise ValueError unless the matrices, tables and the mask describe the same voxels and frames."""
        f, (n_voxels, n_frames) = self.files, self.x.shape
        found = {
            f.reconstruction: (self.reconstruction.shape, (n_voxels, n_frames)),
            f.scaling: (self.scaling.shape, (n_voxels, n_frames)),
            f.latents: (self.latents.shape[:1], (n_voxels,)),
            f.voxel_split: (self.split.shape, (n_voxels,)),
            f.frames: ((len(self.frames),), (n_frames,)),
            f.voxels: ((len(read_table(f.voxels)),), (self.scaling.kept.size,)),
            f.mask: ((len(self.geometry),), (self.scaling.kept.size,)),
        }
        for path, (shape, wanted) in found.items():
            if tuple(shape) != wanted:
                raise ValueError(
                    f"{path} has the shape {tuple(shape)} where {wanted} belongs to {f.scaled} and {f.scaling}: "
                    "give the files of one subject and one run of the workflow"
                )

    @cached_property
    def x(self) -> np.ndarray:
        """(K, T) input in scaled units."""
        return np.load(self.files.scaled, mmap_mode="r")

    @cached_property
    def reconstruction(self) -> np.ndarray:
        """(K, T) output in scaled units."""
        return np.load(self.files.reconstruction, mmap_mode="r")

    @cached_property
    def latents(self) -> np.ndarray:
        """(K, D) latents."""
        return np.asarray(np.load(self.files.latents), dtype=np.float64)

    @cached_property
    def standardised(self) -> np.ndarray:
        """(K, D) latents with mean 0 and standard deviation 1 over voxels; 0 for a dead dimension."""
        sd = self.latents.std(axis=0)
        return (self.latents - self.latents.mean(axis=0)) / np.where(sd > 0, sd, 1)

    @cached_property
    def scaling(self) -> Scaling:
        """What turned scanner units into scaled units."""
        return Scaling.load(self.files.scaling)

    @cached_property
    def frames(self) -> pd.DataFrame:
        """One row a frame: run, frame, weight, reason."""
        return read_table(self.files.frames)

    @cached_property
    def used(self) -> np.ndarray:
        """(T,) frames of weight 1."""
        return frame_weights(self.frames["weight"].to_numpy(), self.x.shape[1])

    @cached_property
    def split(self) -> np.ndarray:
        """(K,) 0 training, 1 validation, 2 test."""
        return np.load(self.files.voxel_split)

    @cached_property
    def test(self) -> np.ndarray:
        """Rows of the test voxels."""
        return np.flatnonzero(self.split == TEST)

    @cached_property
    def geometry(self) -> Geometry:
        """The mask: voxels or grayordinates."""
        return load_geometry(Path(self.files.mask))

    @cached_property
    def kept_mask(self) -> np.ndarray:
        """(I, J, K) voxels that have a row in the matrices."""
        kept = self.geometry.inside.copy()
        kept[self.geometry.inside] = self.scaling.kept
        return kept

    @cached_property
    def voxels(self) -> pd.DataFrame:
        """One row for each row of the matrices: place, parcel, name, network ("" for none)."""
        table = read_table(self.files.voxels)[self.scaling.kept].reset_index(drop=True)
        for column in ("name", "network"):
            table[column] = table[column].fillna("").astype(str)
        return table

    @cached_property
    def space(self) -> Space | SurfaceSpace:
        """Where the maps lie, and their background."""
        import nibabel as nib

        if not isinstance(self.geometry, Voxels):
            return SurfaceSpace(self.files.surfaces, self.files.folded, self.voxels)
        affine = self.geometry.header.affine
        if self.files.background is not None:
            values, header = load_volume(Path(self.files.background))
            background = nib.Nifti1Image(np.nan_to_num(values).astype(np.float32), header.affine)
        elif self.scaling.residual:
            background = None  # the mean of residuals is 0 everywhere
        else:
            mean = np.zeros(self.kept_mask.shape, dtype=np.float32)
            mean[self.kept_mask] = self._mean_bold()
            background = nib.Nifti1Image(mean, affine)
        return Space.of(self.kept_mask, affine, background)

    def map_values(self, path: Path) -> np.ndarray:
        """(K,) values of a map in the grid of the mask, or of its grayordinates."""
        self.geometry.check(Path(path), "map")
        return self.geometry.read_maps(Path(path))[self.scaling.kept, 0].astype(np.float64)

    def _mean_bold(self) -> np.ndarray:
        mean = np.empty(self.x.shape[0])
        for rows in row_chunks(*self.x.shape):
            mean[rows] = self.scaling.invert(self.x[rows], rows, with_mean=True)[:, self.used].mean(axis=1)
        return mean

    @cached_property
    def metrics(self) -> dict[str, pd.DataFrame]:
        """Split to its table of metrics, indexed by model; the delivered model's first."""
        tables = pd.concat([read_table(path) for path in self.files.metrics], ignore_index=True)
        return {split: rows.set_index("model") for split, rows in tables.groupby("split", sort=False)}

    @cached_property
    def delivered(self) -> pd.DataFrame:
        """The metrics of the delivered model and of its controls."""
        return next(iter(self.metrics.values()))

    @cached_property
    def pca(self) -> str:
        """Name of the PCA of the model's size, e.g. "pca-9 = ica-9"."""
        return next(name for name in self.delivered.index if name.startswith("pca-") and "=" in name)

    @cached_property
    def tsnr(self) -> pd.DataFrame:
        """One row a model."""
        return read_table(self.files.tsnr)

    @cached_property
    def history(self) -> pd.DataFrame | None:
        """One row a validation."""
        return None if self.files.history is None else read_table(self.files.history)

    @cached_property
    def config(self) -> dict:
        """model.json."""
        return read_json(self.files.config)

    @cached_property
    def versions(self) -> dict[str, str]:
        """Of what took part; those of the fit where it recorded them."""
        return versions(LIBRARIES) | self.config.get("versions", {})

    @cached_property
    def verdict(self) -> dict:
        """verdict.json, or nothing."""
        return read_json(self.files.verdict)

    @cached_property
    def blocked_verdict(self) -> dict:
        """verdict.json of the second fit, or nothing."""
        return read_json(self.files.blocked_verdict)

    @cached_property
    def normalization(self) -> dict:
        """normalization.json, or nothing."""
        return read_json(self.files.normalization)

    @cached_property
    def mask_info(self) -> dict:
        """What MakeMask says, or nothing."""
        return read_json(self.files.mask_info)

    @cached_property
    def run_infos(self) -> list[dict]:
        """What MaskBold says of each run; {} where it was not given."""
        given = [read_json(path) for path in self.files.run_infos]
        return given or [{} for _ in self.scaling.lengths]

    @cached_property
    def t_r(self) -> float | None:
        """Repetition time in seconds."""
        values = {info.get("repetition_time") for info in self.run_infos} - {None}
        return values.pop() if len(values) == 1 else None

    @cached_property
    def warnings(self) -> list[dict]:
        """Of all steps, the strong ones first, none twice."""
        found = verdict_warnings(self.verdict) + verdict_warnings(self.blocked_verdict, "blocked fit: ")
        for path in self.files.warnings:
            found += read_json(path)
        unique = {(w["code"], w["text"]): w for w in found}
        return sorted(unique.values(), key=lambda w: ORDER.get(w["severity"], 0))

    @cached_property
    def emse_frame(self) -> int:
        """The frame of the volume-wise error."""
        given = self.files.emse_frame
        return emse_frame(self.x.shape[1], self.used) if given is None else given


def read_json(path: Path | None):
    """What a JSON file holds; {} without a file."""
    if path is None:
        return {}
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no JSON: {error}") from error
