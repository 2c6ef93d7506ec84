"""The tables and arrays of the structural page, read when a section first needs them.

A *fit* is a row of ScoreVolumeVae. The main fit is the first row of model VAE; the others are told apart by their
setting, such as "DSSIM" or "MMD 2000".
"""

from functools import cache, cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pydra_vae.bids.tables import read_table
from pydra_vae.images.volumes import load_mask, load_volume
from pydra_vae.reports.brains import Space
from pydra_vae.reports.group_tables import Tables
from pydra_vae.reports.loaded import read_json
from pydra_vae.reports.structural_slices import Slicer

MAIN = "VAE"
NEEDED = {
    "subject_split": "label person part",
    "covariates": "label person",
    "scores": "model k r2_test",
    "trials": "r2_validation kl",
    "chosen": "r2_validation kl",
    "traversal_steps": "latent step row",
    "traversal_table": "latent variance_share",
    "correlations": "model latent with r p q",
    "draws": "source",
    "drawn_table": "source",
    "interpolation_table": "pair step row",
    "embeddings": "method dims",
    "embedding_table": "method",
    "dimension": "space twonn",
    "shells": "space radius_mean",
    "regression": "features model target metric r2",
    "regression_predictions": "label target features model observed predicted",
    "regression_importance": "features latent importance",
    "joint": "direction method r2",
    "joint_predictions": "label",
    "joint_tables": "row",
    "longitudinal_coefficients": "latent slope_per_year p",
    "longitudinal_predictions": "label person",
    "longitudinal_scores": "method mse ratio_to_carry_forward",
    "longitudinal_frozen": "latent",
    "progression_table": "age row",
    "network_courses": "component frame value",
    "network_task": "component condition r",
    "network_overlap": "model component network dice r",
    "network_best": "model network",
    "network_scores": "model k r2_test",
    "recovery": "model target r2",
}


class StructuralTables(Tables):
    """What the steps found, by name.

    Parameters
    ----------
    files : reports.structural.StructuralReport
    """

    def __init__(self, files):
        super().__init__(files, NEEDED)
        self.array = cache(self._array)

    def _load(self, name: str) -> pd.DataFrame | None:
        """A table, or the tables of a list below one another; None where none has a row."""
        given = getattr(self.files, name)
        if given is None or isinstance(given, Path | str):
            return super()._load(name)
        found = [self.checked(path, name) for path in given]
        found = [table for table in found if len(table)]
        return pd.concat(found, ignore_index=True) if found else None

    def checked(self, path: Path, name: str) -> pd.DataFrame:
        """A table that may be empty.

        Raises
        ------
        ValueError
            If a table with rows lacks a column; the message names it and the file.
        """
        table = read_table(path)
        missing = [column for column in self.needed[name].split() if column not in table]
        if len(table) and missing:
            raise ValueError(
                f"{path} has no column {', '.join(missing)} (it has {', '.join(table.columns)}): give the table that "
                f"belongs to {name}"
            )
        return table

    def _array(self, name: str) -> np.ndarray | None:
        """An array of images in memory-mapped form, or None where it was not made or has no row."""
        path = getattr(self.files, name)
        return self.images(path) if path is not None else None

    def images(self, path: Path) -> np.ndarray | None:
        """(n, V) images of a file; None of none.

        Raises
        ------
        ValueError
            If they do not have the mask's voxels.
        """
        values = np.load(path, mmap_mode="r")
        if not len(values):
            return None
        if self.space is not None and values.shape[-1] != self.n_voxels:
            raise ValueError(
                f"{path} has {values.shape[-1]} voxels but the mask {self.files.mask} {self.n_voxels}: give files of "
                "one run of the workflow"
            )
        return values

    @cached_property
    def mask(self) -> np.ndarray | None:
        """(I, J, K) voxels of the mask."""
        return None if self.files.mask is None else load_mask(Path(self.files.mask))

    @property
    def n_voxels(self) -> int:
        """Voxels of the mask; 0 where it is not known."""
        if self.mask is not None:
            return int(np.count_nonzero(self.mask))
        return int(self.json("volumes_info").get("n_voxels", 0))

    @cached_property
    def space(self) -> Space | None:
        """Where the images lie, on the mean training image."""
        return None if self.mask is None else space_of(self.files.mask, self.files.mean)

    @cached_property
    def slicer(self) -> Slicer | None:
        """What cuts the images' slices, once for the whole page."""
        return None if self.space is None else Slicer(self.space)

    @cached_property
    def network_slicer(self) -> Slicer | None:
        """What cuts the slices of networks."""
        return None if self.network_space is None else Slicer(self.network_space)

    @cached_property
    def network_space(self) -> Space | None:
        """Where the networks lie: the mask of the recording, or that of the images."""
        if self.files.network_mask is None:
            return self.space
        return space_of(self.files.network_mask, self.files.network_mean)

    @cached_property
    def mean(self) -> np.ndarray | None:
        """(V,) mean training image."""
        if self.files.mean is None or self.mask is None:
            return None
        values, _ = load_volume(Path(self.files.mean))
        return np.nan_to_num(np.asarray(values, dtype=np.float64))[self.mask]

    @cached_property
    def unit(self) -> str:
        """Of the images' values, as the colour bars say it."""
        unit = str(self.json("volumes_info").get("unit", ""))
        return {"probability": "p", "intensity": ""}.get(unit, unit)

    @cached_property
    def fits(self) -> pd.DataFrame:
        """One row a fit, the main one first, with a column `name`."""
        table = self("scores")
        if table is None:
            return pd.DataFrame(columns=["model", "setting", "k", "r2_test", "name"])
        table = table.assign(setting=text_column(table, "setting"))
        order = np.argsort((table["model"] != MAIN).to_numpy(), kind="stable")
        table = table.iloc[order].reset_index(drop=True)
        return table.assign(name=[fit_name(row) for row in table.to_dict("records")])

    @property
    def main(self) -> pd.Series | None:
        """The main fit."""
        return self.fits.iloc[0] if len(self.fits) else None

    @property
    def n_test(self) -> int:
        """Images of the test part; 0 where it is not known."""
        split = self("subject_split")
        return 0 if split is None else int((split["part"] == "test").sum())

    def of_fits(self, name: str) -> dict[str, Path]:
        """Label of a fit to its file of a list, such as histories; the main fit first."""
        return dict(zip(self.files.fit_names, getattr(self.files, name), strict=False))

    @cached_property
    def config(self) -> dict:
        """model.json of the main fit, or nothing."""
        return next((read_json(path) for path in self.files.configs), {})


def space_of(mask: Path, mean: Path | None) -> Space:
    """A mask's space, with a mean image behind its maps."""
    import nibabel as nib

    from pydra_vae.images.headers import read_header

    affine, background = read_header(Path(mask)).affine, None
    if mean is not None:
        values, header = load_volume(Path(mean))
        background = nib.Nifti1Image(np.nan_to_num(values).astype(np.float32), header.affine)
    return Space.of(load_mask(Path(mask)), affine, background)


def text_column(table: pd.DataFrame, name: str) -> pd.Series:
    """A column of words; "" where it is missing or n/a."""
    if name not in table:
        return pd.Series("", index=table.index)
    return table[name].fillna("").astype(str)


def fit_name(row: dict) -> str:
    """A fit as readers know it.

    Examples
    --------
    >>> fit_name({"model": "VAE", "setting": "MMD 2000"}), fit_name({"model": "VAE", "setting": ""})
    ('VAE MMD 2000', 'VAE')
    """
    setting = str(row.get("setting") or "")
    return f"{row['model']} {setting}" if setting else str(row["model"])


def value(row, column: str) -> float:
    """A number of a row; NaN where it is not known."""
    if row is None or column not in row:
        return np.nan
    return float(pd.to_numeric(pd.Series([row[column]]), errors="coerce").iloc[0])


def numbers(table: pd.DataFrame, column: str) -> np.ndarray:
    """A column as numbers; NaN where it is missing."""
    if column not in table:
        return np.full(len(table), np.nan)
    return pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)


def true(cell) -> bool:
    """Whether a cell of a table says yes.

    Examples
    --------
    >>> true("True"), true(1.0), true("n/a")
    (True, True, False)
    """
    return cell is True or str(cell).lower() in ("true", "1", "1.0", "yes")
