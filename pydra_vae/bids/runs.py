"""One preprocessed BOLD run, and the files that fMRIPrep wrote beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydra_vae.bids.files import BidsFile, InputError
from pydra_vae.bids.names import same_value
from pydra_vae.bids.surface_runs import other_hemisphere, own_surfaces

_IMAGES = (".nii.gz", ".nii")


@dataclass(frozen=True)
class Run:
    """One preprocessed BOLD run and the files beside it.

    Attributes
    ----------
    bold : Path
        4-D image.
    mask, boldref, t1w : Path or None
        Brain mask, reference and the subject's T1w in the same space.
    confounds, confounds_json : Path or None
        fMRIPrep's table, and its description.
    events : Path or None
        Table of what happened in the run, where it lies among the derivatives.
    bold_right : Path or None
        The right hemisphere's file, where `bold` is the left one of a pair.
    surfaces : dict of tuple
        ``pial`` and ``inflated``: the subject's own left and right surface, of a run in ``fsnative``.
    sidecars : tuple of Path
        JSON files that apply, from the dataset's down to the run's own; the last one wins.
    entities : dict of str
        Of the BOLD's name, without ``desc``.
    prefix : str
        Text of its name that is no entity.
    space : str or None
        Output space; None for the run's own.
    """

    bold: Path
    entities: dict[str, str]
    prefix: str = ""
    space: str | None = None
    mask: Path | None = None
    confounds: Path | None = None
    confounds_json: Path | None = None
    sidecars: tuple[Path, ...] = ()
    boldref: Path | None = None
    t1w: Path | None = None
    events: Path | None = None
    bold_right: Path | None = None
    surfaces: dict[str, tuple[Path, Path]] = field(default_factory=dict, compare=False)
    _metadata: dict = field(default_factory=dict, repr=False, compare=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """Its image, or the two of a pair."""
        return (self.bold,) if self.bold_right is None else (self.bold, self.bold_right)

    @property
    def on_surface(self) -> bool:
        """Whether it is a dtseries or a pair of func.gii."""
        return self.bold.name.removesuffix(".gz").endswith((".dtseries.nii", ".gii"))

    @property
    def sidecar(self) -> Path | None:
        """The nearest sidecar."""
        return self.sidecars[-1] if self.sidecars else None

    def metadata(self) -> dict[str, Any]:
        """Read the sidecars, each overriding those above it (BIDS inheritance).

        Raises
        ------
        InputError
            If one is not a JSON object.
        """
        if not self._metadata:
            for path in self.sidecars:
                try:
                    self._metadata.update(json.loads(path.read_text(encoding="utf-8")))
                except (OSError, ValueError, TypeError) as error:
                    raise InputError(f"{path} cannot be read as a JSON object: {error}") from error
        return dict(self._metadata)

    @property
    def t_r(self) -> float | None:
        """RepetitionTime of the sidecars, in seconds; None where they have none."""
        value = self.metadata().get("RepetitionTime")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise InputError(f"{self.sidecar}: RepetitionTime is {value!r}, a number of seconds is needed")
        return float(value)


def with_companions(bold: BidsFile, own: Sequence[BidsFile], shared: Sequence[BidsFile]) -> Run:
    """Find what belongs to a BOLD file among its subject's files and those shared by all subjects."""
    space = bold.entities.get("space")
    in_space = {"suffix": ("mask",), "desc": "brain", "without": ("echo", "part")}
    table = {"desc": "confounds", "suffix": ("timeseries", "regressors"),
             "without": ("echo", "part", "space", "res", "den", "cohort", "hemi")}  # fmt: skip
    confounds = _companion(bold, own, **table, extension=(".tsv",))
    return Run(
        bold=bold.path,
        entities={key: value for key, value in bold.entities.items() if key not in ("desc", "hemi")},
        prefix=bold.prefix,
        space=space,
        mask=_companion(bold, own, **in_space),
        boldref=_companion(bold, own, suffix=("boldref",), desc=None, without=("echo", "part")),
        confounds=confounds,
        confounds_json=_companion(bold, own, **table, extension=(".json",)) if confounds else None,
        sidecars=tuple(_sidecars(bold, [*shared, *own])),
        t1w=_t1w(bold, own),
        events=_companion(bold, own, **table | {"desc": None, "suffix": ("events",)}, extension=(".tsv",)),
        bold_right=other_hemisphere(bold, own),
        surfaces=own_surfaces(bold, own),
    )


def _companion(
    bold: BidsFile,
    files: Sequence[BidsFile],
    suffix: tuple[str, ...],
    desc: str | None,
    without: tuple[str, ...] = (),
    extension: tuple[str, ...] = _IMAGES,
) -> Path | None:
    """The file of the same run: equal entities, but for those that it may leave out."""
    own = {key: value for key, value in bold.entities.items() if key != "desc"}
    best: tuple[tuple, BidsFile] | None = None
    for file in files:
        if file.suffix not in suffix or file.extension not in extension or file.entities.get("desc") != desc:
            continue
        theirs = {key: value for key, value in file.entities.items() if key != "desc"}
        left_out = own.keys() - theirs.keys()
        if file.prefix not in ("", bold.prefix) or left_out - set(without):
            continue
        if any(not same_value(own.get(key), value) for key, value in theirs.items()):
            continue
        rank = (file.prefix == bold.prefix, -len(left_out), -suffix.index(file.suffix), file.folder == bold.folder)
        if best is None or rank > best[0]:
            best = rank, file
    return best[1].path if best else None


def _sidecars(bold: BidsFile, files: Sequence[BidsFile]) -> list[Path]:
    """JSON files of the same suffix in this folder or one above, whose entities all agree."""
    found = [
        f
        for f in files
        if f.extension == ".json"
        and f.suffix == bold.suffix
        and f.prefix in ("", bold.prefix)
        and (bold.folder == f.folder or Path(f.folder) in Path(bold.folder).parents)
        and all(bold.entities.get(key) == value for key, value in f.entities.items())
    ]
    found.sort(key=lambda f: (len(Path(f.folder).parts), len(f.entities), bool(f.prefix)))
    return [f.path for f in found]


def _t1w(bold: BidsFile, files: Sequence[BidsFile]) -> Path | None:
    """The T1w in the BOLD's space; the one of its resolution and session where there are several."""
    space = bold.entities.get("space")
    found = [
        f
        for f in files
        if f.suffix == "T1w"
        and f.extension in _IMAGES
        and f.entities.get("desc") == "preproc"
        and space is not None
        and f.entities.get("space") == (None if space == "T1w" else space)
        and f.entities.get("ses") in (None, bold.entities.get("ses"))
    ]
    found.sort(
        key=lambda f: (
            f.entities.get("ses") != bold.entities.get("ses"),
            not same_value(f.entities.get("res"), bold.entities.get("res")),
            f.name,
        )
    )
    return found[0].path if found else None
