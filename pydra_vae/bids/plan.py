"""What a recipe will read for each subject, checked before anything is computed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydra_vae.bids.files import InputError, index
from pydra_vae.bids.index import run_name, select_runs
from pydra_vae.bids.runs import Run, with_companions
from pydra_vae.bids.surface_plan import check_surface_companions, plan_surface
from pydra_vae.images.atlases import DEFAULT_ATLAS, AtlasError, find_labels, home, resolve
from pydra_vae.images.headers import MIN_FRAMES, Header, check_runs, check_same_grid, check_t_r, read_header
from pydra_vae.images.surface_headers import SurfaceHeader
from pydra_vae.images.surface_masks import why_no_atlas


@dataclass(frozen=True)
class SubjectPlan:
    """The runs of one subject (and session), their mask's sources, and what the headers say.

    Attributes
    ----------
    label : str
        ``sub-01`` or ``sub-01_ses-a``.
    runs : list of Run
        In the order in which they are joined.
    headers : list of Header or SurfaceHeader
    atlas, atlas_labels : Path or None
    mask_file : Path or None
    atlas_right : Path or None
        The right hemisphere's file of an atlas on the surface.
    surfaces, inflated : tuple of Path
        Left and right surface of runs on the surface: for places, and for pictures; none for volumes.
    """

    label: str
    runs: list[Run]
    headers: list[Header | SurfaceHeader]
    atlas: Path | None = None
    atlas_labels: Path | None = None
    mask_file: Path | None = None
    atlas_right: Path | None = None
    surfaces: tuple[Path, ...] = ()
    inflated: tuple[Path, ...] = ()

    @property
    def on_surface(self) -> bool:
        """Whether its runs are grayordinates."""
        return bool(self.surfaces)

    @property
    def default_atlas(self) -> str:
        """The name under which an atlas that nobody named is found again; ``none`` where there was none."""
        return "none" if self.on_surface and self.atlas is None else DEFAULT_ATLAS

    @property
    def atlas_in_words(self) -> str:
        """Which atlas its runs on the surface have, or why they have none; what is at hand differs by machine."""
        if self.atlas is not None:
            return f"atlas: {self.atlas}"
        why = why_no_atlas(self.headers[0].mesh_sizes)
        return f"no atlas, every grayordinate is a row: {why} (--atlas FILE for another)"

    @property
    def person(self) -> str:
        """Whose runs they are: ``sub-01``, whatever the session or the run."""
        return f"sub-{self.runs[0].entities['sub']}"

    @property
    def n_frames(self) -> list[int]:
        """Frames of each run."""
        return [header.n_frames for header in self.headers]

    @property
    def can_be_halved(self) -> bool:
        """Whether half of the frames are enough for a fit."""
        return sum(self.n_frames) >= 2 * MIN_FRAMES

    @property
    def t_r(self) -> float | None:
        """Repetition time, in seconds."""
        return self.runs[0].t_r or self.headers[0].t_r

    @property
    def background(self) -> tuple[Path | None, str]:
        """What maps are shown on, and what it is: the T1w in that space, else the boldref, else the mean BOLD."""
        first = self.runs[0]
        if first.t1w:
            return first.t1w, "T1w image"
        return first.boldref, "BOLD reference" if first.boldref else "mean BOLD"

    @property
    def boldref(self) -> Path | None:
        """The BOLD reference, where it lies on the runs' grid."""
        path = self.runs[0].boldref
        if path is None:
            return None
        try:
            check_same_grid(read_header(path), self.headers[0])
        except (ValueError, OSError):
            return None
        return path

    def count_voxels(self) -> tuple[int, str]:
        """Voxels of the mask and where they come from; reads the images."""
        from pydra_vae.images.masks import make_mask
        from pydra_vae.images.surface_masks import make_surface_mask

        if self.on_surface:
            atlas = [path for path in (self.atlas, self.atlas_right) if path]
            found = make_surface_mask([run.files for run in self.runs], self.surfaces, atlas, self.mask_file)
            return found.info["n_voxels"], found.info["mask_from"]
        made = make_mask(
            [run.bold for run in self.runs],
            [run.mask for run in self.runs if run.mask],
            self.atlas,
            self.atlas_labels,
            self.mask_file,
        )
        return made.info["n_voxels"], made.info["mask_from"]


def plan_subjects(
    derivatives: Path,
    *,
    atlas: str | None,
    mask_file: Path | None = None,
    mean_image: Path | None = None,
    needs_confounds: bool = False,
    smoothing_fwhm: float | None = None,
    split_runs: bool = False,
    **filters,
) -> tuple[list[SubjectPlan], dict[str, str]]:
    """Choose every subject's runs, find the atlas in their space, and check that the runs fit together.

    Parameters
    ----------
    derivatives : Path
    atlas : str or None
        As `images.atlases.resolve` and `images.surface_masks.resolve_surface_atlas` take it; None: the default.
    mask_file, mean_image : Path, optional
        On the grid of the runs.
    needs_confounds : bool
        Whether a run without its table of confounds is a problem.
    smoothing_fwhm : float, optional
        In mm; refused for runs on the surface.
    split_runs : bool
        Each run on its own, as ``sub-01_task-rest_run-1``, instead of all runs of a subject joined.
    **filters
        As `bids.index.select_runs` takes them.

    Returns
    -------
    plans : list of SubjectPlan
    problems : dict of str
        By label, why there is no plan.

    Raises
    ------
    InputError
        If nothing at all can be read.
    """
    files = index(derivatives, surfaces=True)
    chosen, problems = select_runs(files, derivatives=derivatives, surfaces=True, **filters)
    if mask_file is not None and not Path(mask_file).is_file():
        raise InputError(f"--mask {mask_file}: there is no such file")
    if split_runs:
        chosen = {f"{label}_{run_name(run.entities)}": [run] for label, runs in chosen.items() for run in runs}
    plans, atlases = [], {}
    for label, runs in chosen.items():
        try:
            plan = _checked(label, list(runs), atlases, atlas, mask_file)
            check_companions(plan, mean_image, needs_confounds, smoothing_fwhm)
            plans.append(plan)
        except (InputError, AtlasError, ValueError, OSError) as error:
            problems[label] = f"{label}: {error}"
    return plans, problems


def labels_beside(dseg: Path) -> Path:
    """The table of names beside a label image.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        return find_labels(dseg)
    except AtlasError as error:
        raise InputError(str(error)) from error


def plan_again(
    derivatives: Path, records: Mapping[str, Mapping[str, Any]], output: Path | None = None
) -> tuple[list[SubjectPlan], dict[str, str]]:
    """Find the runs on which models were fitted, from what was recorded beside them.

    Parameters
    ----------
    derivatives : Path
        The folder that was read then; it may have moved.
    records : mapping
        By label, the content of the delivered model.json.
    output : Path, optional
        Where these lie, for files of the output itself.

    Returns
    -------
    plans : list of SubjectPlan
    problems : dict of str
        By label, what is missing.
    """
    files = index(derivatives, surfaces=True)
    by_place = {Path(os.path.relpath(file.path, derivatives)).as_posix(): file for file in files}
    shared = [file for file in files if "sub" not in file.entities]
    plans, problems, atlases = [], {}, {}
    for label, record in records.items():
        try:
            atlas_name = record["Parameters"]["atlas"]
            places = [unquote(uri.split(":", 2)[2]) for uri in record["Sources"] if uri.startswith("bids:")]
            places = [place for place in places if re.search(r"_bold\.(nii|dtseries\.nii|func\.gii)(\.gz)?$", place)]
            places = [place for place in places if "_hemi-R_" not in place]  # found again by its left one
            missing = [place for place in places if place not in by_place]
            if missing or not places:
                raise InputError(
                    f"{', '.join(missing) or 'its runs'} of its model not found in {derivatives}: give the derivatives "
                    "that its participant level read"
                )
            bolds = [by_place[place] for place in places]
            own = [file for file in files if file.entities.get("sub") == bolds[0].entities["sub"]]
            runs = [with_companions(bold, own, shared) for bold in bolds]
            atlas, mask = (recorded_file(record, name, derivatives, output) for name in ("atlas", "mask"))
            plans.append(_checked(label, runs, atlases, str(atlas or atlas_name), mask))
        except (AtlasError, ValueError, OSError) as error:
            problems[label] = f"{label}: {error}"
        except KeyError as error:
            problems[label] = f"{label}: its model.json lacks {error}: run its participant level again"
    return plans, problems


def recorded_file(record: Mapping[str, Any], name: str, derivatives: Path, output: Path | None = None) -> Path | None:
    """Where a file that a parameter names is now: among the sources, which know it by its place in the derivatives.

    Examples
    --------
    >>> record = {"Parameters": {"mask": "/old/a/mask.nii"}, "Sources": ["bids:old:a/mask.nii"]}
    >>> recorded_file(record, "mask", Path("/new")).as_posix()
    '/new/a/mask.nii'
    >>> recorded_file({"Parameters": {"mask": "bids::mask%201.nii"}}, "mask", Path("/in"), Path("/out")).as_posix()
    '/out/mask 1.nii'
    """
    given = record["Parameters"].get(name)
    if not given:
        return None
    roots = {"templateflow": home()} | ({"": output} if output else {})
    for source in [given] if str(given).startswith("bids:") else record["Sources"]:
        _, dataset, place = source.split(":", 2) if source.startswith("bids:") else ("", "", source)
        path = Path(unquote(place.removeprefix("file://")))
        if path.name == Path(given).name or source == given:
            return Path(roots.get(dataset, derivatives)) / path
    return Path(given)


def _checked(label: str, runs: list[Run], atlases: dict, atlas: str | None, mask_file: Path | None) -> SubjectPlan:
    """A plan whose runs fit together, with its atlas."""
    if runs[0].on_surface:
        return SubjectPlan(label, runs, **plan_surface(runs, atlas, mask_file))
    headers = check_runs([run.bold for run in runs], [run.t_r for run in runs], [run.sidecar for run in runs])
    pair = _atlas(atlases, atlas or DEFAULT_ATLAS, runs[0].space, runs[0].entities.get("res"))
    return SubjectPlan(label, runs, headers, *pair, mask_file)


def check_companions(
    plan: SubjectPlan,
    mean_image: Path | None = None,
    needs_confounds: bool = False,
    smoothing_fwhm: float | None = None,
) -> None:
    """Check what a header or a table's length tells of the masks and confounds, before anything is computed.

    Raises
    ------
    ValueError
        Naming the file.
    """
    from pydra_vae.images.confounds import read_table  # loads pandas

    first = plan.headers[0]
    if plan.on_surface:
        check_surface_companions(first, plan.mask_file, mean_image, smoothing_fwhm)
    elif plan.mask_file is not None:
        check_same_grid(read_header(plan.mask_file), first, "mask")
    if mean_image is not None and not plan.on_surface:
        check_same_grid(read_header(mean_image), first, "mean image")
    for run, header in zip(plan.runs, plan.headers, strict=True):
        check_t_r(header, run.t_r, run.sidecar or "its sidecar")
        if plan.atlas is None and plan.mask_file is None and not plan.on_surface:
            if run.mask is None:
                raise InputError(
                    f"there is no brain mask (*_desc-brain_mask.nii.gz) for {run.bold}: give --mask FILE, or an --atlas"
                )
            check_same_grid(read_header(run.mask), first, "mask")
        if run.confounds is not None:
            read_table(run.confounds, header.n_frames)
        elif needs_confounds:
            raise InputError(
                f"there is no confounds table for {run.bold}, which --confounds and the thresholds need: put its "
                "*_desc-confounds_timeseries.tsv (or _regressors.tsv) beside it, or leave these options out"
            )


def _atlas(known: dict, *query: str | None) -> tuple[Path, Path] | tuple[None, None]:
    """`resolve`, asked once for each space: a network that does not answer is waited for once."""
    if query not in known:
        try:
            known[query] = resolve(*query)
        except AtlasError as error:
            known[query] = error
    if isinstance(known[query], AtlasError):
        raise known[query]
    return known[query]
