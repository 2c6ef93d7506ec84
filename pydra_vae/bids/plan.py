"""What a recipe will read for each subject, checked before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydra_vae.bids.files import InputError, index
from pydra_vae.bids.index import select_runs
from pydra_vae.bids.runs import Run
from pydra_vae.images.atlases import AtlasError, resolve
from pydra_vae.images.headers import Header, check_runs, check_same_grid, check_t_r, read_header


@dataclass(frozen=True)
class SubjectPlan:
    """The runs of one subject (and session), their mask's sources, and what the headers say.

    Attributes
    ----------
    label : str
        ``sub-01`` or ``sub-01_ses-a``.
    runs : list of Run
        In the order in which they are joined.
    headers : list of Header
    atlas, atlas_labels : Path or None
    mask_file : Path or None
    """

    label: str
    runs: list[Run]
    headers: list[Header]
    atlas: Path | None = None
    atlas_labels: Path | None = None
    mask_file: Path | None = None

    @property
    def n_frames(self) -> list[int]:
        """Frames of each run."""
        return [header.n_frames for header in self.headers]

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

    def count_voxels(self) -> tuple[int, str]:
        """Voxels of the mask and where they come from; reads the images."""
        from pydra_vae.images.masks import make_mask

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
    atlas: str,
    mask_file: Path | None = None,
    mean_image: Path | None = None,
    needs_confounds: bool = False,
    **filters,
) -> tuple[list[SubjectPlan], dict[str, str]]:
    """Choose every subject's runs, find the atlas in their space, and check that the runs fit together.

    Parameters
    ----------
    derivatives : Path
    atlas : str
        As `images.atlases.resolve` takes it.
    mask_file, mean_image : Path, optional
        On the grid of the runs.
    needs_confounds : bool
        Whether a run without its table of confounds is a problem.
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
    chosen, problems = select_runs(index(derivatives), derivatives=derivatives, **filters)
    if mask_file is not None and not Path(mask_file).is_file():
        raise InputError(f"--mask {mask_file}: there is no such file")
    plans, atlases = [], {}
    for label, runs in chosen.items():
        try:
            headers = check_runs([run.bold for run in runs], [run.t_r for run in runs], [run.sidecar for run in runs])
            pair = _atlas(atlases, atlas, runs[0].space, runs[0].entities.get("res"))
            plan = SubjectPlan(label, list(runs), headers, *pair, mask_file)
            check_companions(plan, mean_image, needs_confounds)
            plans.append(plan)
        except (InputError, AtlasError, ValueError, OSError) as error:
            problems[label] = f"{label}: {error}"
    return plans, problems


def check_companions(plan: SubjectPlan, mean_image: Path | None = None, needs_confounds: bool = False) -> None:
    """Check what a header or a table's length tells of the masks and confounds, before anything is computed.

    Raises
    ------
    ValueError
        Naming the file.
    """
    from pydra_vae.images.confounds import read_table  # loads pandas

    first = plan.headers[0]
    if plan.mask_file is not None:
        check_same_grid(read_header(plan.mask_file), first, "mask")
    if mean_image is not None:
        check_same_grid(read_header(mean_image), first, "mean image")
    for run, header in zip(plan.runs, plan.headers, strict=True):
        check_t_r(header, run.t_r, run.sidecar or "its sidecar")
        if plan.atlas is None and plan.mask_file is None:
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
