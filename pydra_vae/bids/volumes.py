"""Find one map a visit of each subject: tissue probabilities, T1w images or other 3-D maps in a template's space.

Sources are sMRIPrep's or fMRIPrep's derivatives (and what is named like them, XCP-D's maps), CAT12's and SPM's VBM
folders, and a table that lists images. Sessions are visits of one person. Maps of different spaces or resolutions are
never mixed: where there are several, the message asks for one. Only headers are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydra_vae.bids.files import InputError
from pydra_vae.bids.filters import Filter
from pydra_vae.bids.names import natural_key
from pydra_vae.bids.people import as_person, as_session, listing
from pydra_vae.images.grids import check_common_grid
from pydra_vae.images.headers import Header, read_header

NO_FILTERS: Mapping[str, Filter] = {}
TABLES = (".tsv", ".csv", ".txt")


@dataclass(frozen=True)
class Volume:
    """One map of one visit of one person.

    Attributes
    ----------
    label : str
        ``sub-01``, or where some person has several visits ``sub-01_ses-2``.
    person : str
        Whose it is: ``sub-01``.
    session : str
        Without ``ses-``; empty for none.
    path : Path
        3-D NIfTI image.
    sidecar : Path or None
        JSON beside it.
    brain_mask : Path or None
        The same visit's, in the same space.
    space : str
        Template; empty where nothing says.
    entities : dict of str
        As the name has them.
    header : Header or None
        As `find_volumes` read it.
    """

    label: str
    person: str
    session: str
    path: Path
    sidecar: Path | None = None
    brain_mask: Path | None = None
    space: str = ""
    entities: dict[str, str] = field(default_factory=dict, repr=False)
    header: Header | None = field(default=None, repr=False, compare=False)


Found = tuple[list[Volume], dict[str, str]]


def find_volumes(
    source: Path,
    *,
    kind: str = "auto",
    participant_label: Sequence[str] | None = None,
    session_label: Sequence[str] | None = None,
    space: str | None = None,
    res: str | None = None,
    filters: Mapping[str, str] | None = None,
    only: Mapping[str, Filter] = NO_FILTERS,
) -> Found:
    """Find the maps to analyse; one that cannot be used does not keep the others from it.

    Parameters
    ----------
    source : Path
        Folder of derivatives, of VBM results, or a table (.tsv, .csv) with a column path, image or file.
    kind : str
        gm, wm, csf (tissue probabilities), t1w, t2w; a VBM prefix such as smwp1, or cat12 for mwp1; auto takes
        grey matter, or T1w where there is none. Of no meaning for a table.
    participant_label, session_label : sequence of str, optional
        With or without ``sub-``, ``ses-``; default all.
    space, res : str, optional
        Template and resolution, needed where there are several.
    filters : mapping of str, optional
        Further entities, and ``suffix``: ``{"suffix": "boldmap", "stat": "alff"}``; ``none`` for absent. With a
        suffix, `kind` is not used. Of meaning for BIDS derivatives only.
    only : mapping of Filter
        As `filters.read_filters` gives them (``--bids-filter-file``); of meaning for BIDS derivatives only.

    Returns
    -------
    volumes : list of Volume
        In natural order of their labels.
    problems : dict of str
        Label to the reason why a map cannot be used.

    Raises
    ------
    InputError
        If the source is none of these, a subject or session is unknown, the choice is ambiguous, or nothing is left.
    """
    from pydra_vae.bids.volumes_derivatives import find_in_derivatives
    from pydra_vae.bids.volumes_table import find_in_table
    from pydra_vae.bids.volumes_vbm import find_vbm, is_vbm

    source = Path(source)
    if not source.exists():
        raise InputError(f"no images there: {source} does not exist; give a folder of derivatives or a table")
    _check_filters(source, only, kind)
    if source.is_file():
        if source.suffix not in TABLES:
            raise InputError(f"{source} is no table: give a .tsv with a column path, or the folder that holds the maps")
        found, problems = find_in_table(source, space)
    elif is_vbm(source, kind):
        found, problems = find_vbm(source, kind)
    else:
        if not any(source.glob("sub-*/")):
            raise InputError(_nothing(source))
        found, problems = find_in_derivatives(source, kind, space, res, filters or {}, only)
    found, problems = _chosen(source, found, problems, participant_label, session_label)
    found, twice = _one_a_visit(with_labels(found))
    volumes, unusable = _checked(found)
    problems = problems | twice | unusable
    if not volumes:
        raise InputError("\n".join(problems.values()) or f"{source} holds no map that was asked for")
    return volumes, problems


def _check_filters(source: Path, only: Mapping[str, Filter], kind: str) -> None:
    """Refuse filters where names have no entities."""
    from pydra_vae.bids.volumes_vbm import is_vbm

    if any(one.entities for one in only.values()) and (source.is_file() or is_vbm(source, kind)):
        what = "is a table" if source.is_file() else "holds VBM maps"
        raise InputError(
            f"--bids-filter-file: {source} {what}, whose images have no entities to choose by: leave it out, and choose"
            " with --participant-label and --session-label"
        )


def with_labels(found: Iterable[Volume]) -> list[Volume]:
    """Name maps by their person, and by the session where any person has several; in natural order."""
    found = list(found)
    visits: dict[str, set[str]] = {}
    for one in found:
        visits.setdefault(one.person, set()).add(one.session)
    several = any(len(sessions) > 1 for sessions in visits.values())
    named = [
        replace(one, label=f"{one.person}_ses-{one.session}" if several and one.session else one.person)
        for one in found
    ]
    return sorted(named, key=lambda one: natural_key(one.label))


def check_grids(volumes: Sequence[Volume], grid: Path | None = None, resolution: float | None = None) -> Path | None:
    """Check that all maps can come to one grid.

    Parameters
    ----------
    volumes : sequence of Volume
    grid : Path, optional
        Image on the wanted grid.
    resolution : float, optional
        Edge of cubic voxels, in mm.

    Returns
    -------
    grid : Path or None
        For PrepareVolume, beside the resolution: the grid that was given; the first map where grids differ and a
        resolution was given, whose box all get then; None where all lie on one.

    Raises
    ------
    InputError
        If grids differ and neither was given, naming two maps and their grids.
    """
    if grid is not None:
        return grid
    try:
        check_common_grid([volume.header or read_header(volume.path) for volume in volumes])
    except ValueError as error:
        if resolution is None:
            raise InputError(str(error)) from error
        return volumes[0].path
    return None


def find_covariates(source: Path, table: Path | None = None) -> list[Path]:
    """Find the tables of persons and visits that belong to a source of maps.

    Parameters
    ----------
    source : Path
        As for `find_volumes`.
    table : Path, optional
        Taken instead, alone.

    Returns
    -------
    tables : list of Path
        The table itself; or participants.tsv in the folder or up to two levels above it (the raw data of
        ``raw/derivatives/smriprep``), then each ``sub-*_sessions.tsv`` beside it and in the folder. Empty if none.

    Raises
    ------
    InputError
        If the table that was given is not there.
    """
    source = Path(source)
    if table is not None:
        if not Path(table).is_file():
            raise InputError(f"no such table of covariates: {table}")
        return [Path(table)]
    if source.is_file():
        return [source]
    found, folders = [], [source]
    for folder in (source, *source.absolute().parents[:2]):
        people = next((folder / name for name in _PEOPLE if (folder / name).is_file()), None)
        if people is not None:
            found, folders = [people], list(dict.fromkeys([folder, source]))
            break
    sessions: dict[str, Path] = {}
    for folder in folders:
        for path in folder.glob("sub-*/sub-*_sessions.tsv"):
            sessions.setdefault(path.name, path)
    return [*found, *(sessions[name] for name in sorted(sessions, key=natural_key))]


def _nothing(folder: Path) -> str:
    below = sorted({p.parent for pattern in ("*/sub-*/", "*/*/sub-*/") for p in folder.glob(pattern)})
    there = f" (but these hold sub-*: {', '.join(map(str, below[:3]))})" if below else ""
    return (
        f"{folder} holds neither sub-* folders nor VBM maps (mwp1*.nii){there}: give the folder of sMRIPrep's, "
        "fMRIPrep's or CAT12's results, or a table (.tsv) with a column path"
    )


_PEOPLE = ("participants.tsv", "oasis_cross-sectional.csv")


def _chosen(source: Path, found: list[Volume], problems: dict[str, str], people, sessions) -> Found:
    """Those of the persons and sessions that were asked for."""
    people = None if people is None else [as_person(p) for p in ([people] if isinstance(people, str) else people)]
    sessions = (
        None if sessions is None else [as_session(s) for s in ([sessions] if isinstance(sessions, str) else sessions)]
    )
    known = {volume.person for volume in found} | {label.partition("_")[0] for label in problems}
    unknown = [] if people is None else [person for person in people if person not in known]
    if unknown:
        raise InputError(f"{source} has no map of {listing(unknown)}; there are {listing(known)}")
    there = {volume.session for volume in found}
    absent = [] if sessions is None else [session for session in sessions if session not in there]
    if absent:
        raise InputError(
            f"{source} has no session {listing(absent)}; there are {listing(s for s in there if s) or 'no sessions'}"
        )
    kept = [v for v in found if (people is None or v.person in people) and (sessions is None or v.session in sessions)]
    left = {label: why for label, why in problems.items() if people is None or label.partition("_")[0] in people}
    return kept, left


def _one_a_visit(volumes: Sequence[Volume]) -> Found:
    """Leave out visits with several maps, naming these: which is meant, only the user knows."""
    visits: dict[str, list[Volume]] = {}
    for volume in volumes:
        visits.setdefault(volume.label, []).append(volume)
    problems = {}
    for label, several in visits.items():
        if len(several) > 1:
            keys = sorted({k for v in several for k in v.entities if len({o.entities.get(k) for o in several}) > 1})
            how = f"they differ in {', '.join(keys)}: choose with --filter {keys[0]}=…" if keys else "keep one of them"
            names = "\n".join(f"  {volume.path}" for volume in several[:6])
            problems[label] = f"{label}: {len(several)} maps of one visit; {how}\n{names}"
    return [volumes[0] for label, volumes in visits.items() if label not in problems], problems


def _checked(volumes: Sequence[Volume]) -> Found:
    """Those whose header can be read and says one volume."""
    good, problems = [], {}
    for volume in volumes:
        try:
            header = read_header(volume.path)
        except (OSError, ValueError) as error:
            problems[volume.label] = f"{volume.label}: {error}"
            continue
        if header.n_frames != 1:
            problems[volume.label] = (
                f"{volume.label}: {volume.path} has {header.n_frames} volumes, but one map a visit is needed"
            )
            continue
        good.append(replace(volume, header=header))
    return good, problems
