"""The datasets that can be fetched: where they lie, how they are listed, and what of them is needed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from pydra_vae.bids.names import natural_key
from pydra_vae.downloads.annex import annexed_files
from pydra_vae.downloads.files import FetchError, RemoteFile
from pydra_vae.downloads.http import Client
from pydra_vae.downloads.needed import Wanted, spaces_and_tasks
from pydra_vae.downloads.s3 import Bucket

OPENNEURO = re.compile(r"(ds[0-9]{6})(?:-fmriprep)?\Z")
GIN = re.compile(r"gin:([\w.-]+/[\w.-]+)\Z")
# The naturalistic-data copy of ds001338 whose smoothed, denoised runs the paper analysed.
PARANOIA, PARANOIA_PREFIX = "ljchang/Paranoia", "denoise_smooth6mm"
DIRECTIONS = ("LR", "RL")
# In the order in which the motor recipe takes them.
_HCP_SERIES = ("_Atlas_MSMAll.dtseries.nii", "_Atlas.dtseries.nii")
_HCP_SURFACES = tuple(f"{hemi}.{kind}_MSMAll.32k_fs_LR.surf.gii" for kind in ("pial", "midthickness") for hemi in "LR")
_LISTERS = 8


@dataclass(frozen=True)
class Places:
    """Addresses of the servers; `at` gives those of another one that serves the same buckets and repositories."""

    derivatives: str = "https://openneuro-derivatives.s3.amazonaws.com"
    # its name has a dot, which the certificate of the other form does not cover
    raw: str = "https://s3.amazonaws.com/openneuro.org"
    gin: str = "https://gin.g-node.org"
    hcp: str = "https://hcp-openaccess.s3.amazonaws.com"

    @classmethod
    def at(cls, url: str | None) -> Places:
        """Everything at one address, the buckets below it by their names."""
        if not url:
            return cls()
        url = url.rstrip("/")
        return cls(f"{url}/openneuro-derivatives", f"{url}/openneuro.org", url, f"{url}/hcp-openaccess")


@dataclass(frozen=True)
class Listing:
    """What is to be fetched, and who has nothing of it."""

    files: list[RemoteFile]
    problems: dict[str, str]


def openneuro(
    dataset: str, wanted: Wanted, participants: Sequence[str] | None, client: Client, places: Places
) -> Listing:
    """fMRIPrep's derivatives of an OpenNeuro dataset, with participants.tsv, events and sessions.tsv of its raw data.

    Parameters
    ----------
    dataset : str
        Such as ``ds001338``.
    wanted : Wanted
    participants : sequence of str, optional
        Labels without ``sub-``; default all.
    client : Client
    places : Places

    Returns
    -------
    listing : Listing

    Raises
    ------
    FetchError
        If there is no such dataset, no such participant, or nothing of what is wanted.
    """
    prefix = f"fmriprep/{dataset}-fmriprep/"
    bucket, raw = Bucket(places.derivatives, client), Bucket(places.raw, client)
    subjects = [name for name in bucket.folders(prefix) if name.startswith("sub-")]
    if not subjects:
        raise FetchError(
            f"{places.derivatives} holds no {prefix}: OpenNeuro preprocessed only some of its datasets, listed at "
            "https://github.com/OpenNeuroDerivatives"
        )
    subjects = _chosen(participants, subjects, dataset)
    found = _below(bucket.files(prefix, folder=True), prefix)
    for files in _side_by_side(client, bucket.files, [f"{prefix}{subject}/" for subject in subjects]):
        found += _below(files, prefix)
    listing = _listing(found, wanted, subjects, dataset)
    try:
        tables = _raw_tables(raw, dataset, wanted, subjects, listing.files)
    except FetchError as error:  # the derivatives are of use without
        problem = f"tables of the raw data (participants.tsv and the like): {error}"
        return replace(listing, problems=listing.problems | {"raw": problem})
    return replace(listing, files=[*listing.files, *tables])


def _raw_tables(raw: Bucket, dataset: str, wanted: Wanted, subjects: list[str], there: list[RemoteFile]):
    """Tables that fMRIPrep does not copy: participants, the events of runs, and for structural the visits."""
    prefixes = [f"{dataset}/participants."]
    if wanted.recipe == "structural":
        prefixes += [f"{dataset}/{subject}/{subject}_sessions." for subject in subjects]
    else:
        prefixes += [f"{dataset}/task-", *(f"{dataset}/{subject}/" for subject in subjects)]
    found = [f for files in _side_by_side(raw.client, raw.files, prefixes) for f in _below(files, f"{dataset}/")]
    known = {file.path for file in there}
    names = re.compile(r"participants\.(tsv|json)|.*_events\.(tsv|json)|.*_sessions\.tsv")
    return [
        file
        for file in found
        if names.fullmatch(PurePosixPath(file.path).name) and wanted.is_needed(file.path) and file.path not in known
    ]


def gin(repository: str, wanted: Wanted, participants: Sequence[str] | None, places: Places) -> Listing:
    """fMRIPrep's folder of a DataLad dataset on GIN, such as the naturalistic-data copy ``ljchang/Paranoia``.

    The folder ``fmriprep`` becomes the output folder itself; participants.tsv is taken from beside it.
    """
    url = f"{places.gin}/{repository}"
    everything: list[str] = []

    def keep(path: str) -> bool:
        own = _in_fmriprep(path)
        everything.append(own or "")
        return own is not None and wanted.is_needed(own)

    found = annexed_files(url, f"{url}/raw", keep)
    files = {file.path: replace(file, path=_in_fmriprep(file.path)) for file in found}
    subjects = sorted({PurePosixPath(path).parts[0] for path in everything if path.startswith("sub-")}, key=natural_key)
    if not subjects:
        raise FetchError(f"{url} holds no fmriprep/sub-*")
    subjects = _chosen(participants, subjects, repository)
    # of two tables of one name, fMRIPrep's own
    own = {file.path: file for _, file in sorted(files.items(), key=lambda item: "fmriprep/" in item[0])}
    return _listing([f for f in own.values() if _belongs(f.path, subjects)], wanted, subjects, repository, everything)


def _in_fmriprep(path: str) -> str | None:
    """Path below the folder of derivatives; None for what is neither there nor a table of participants."""
    before, folder, after = path.rpartition("fmriprep/")
    if folder and before in ("", "derivatives/"):
        return after
    return path if path in ("participants.tsv", "participants.json") else None


def hcp_motor(
    participants: Sequence[str] | None, directions: Sequence[str], surfaces: bool, client: Client, places: Places
) -> Listing:
    """Motor runs of the HCP's 1200 Subjects release, in its own layout, with their EVs.

    Parameters
    ----------
    participants : sequence of str, optional
        Such as ``100307``; default all.
    directions : sequence of str
        Of ``LR``, ``RL``.
    surfaces : bool
        The subject's own surfaces, too.
    client : Client
        Signs its requests.
    places : Places
    """
    bucket, prefix = Bucket(places.hcp, client), "HCP_1200/"
    if participants is None:
        participants = [name for name in bucket.folders(prefix) if name.isdecimal()]
    found = _side_by_side(
        client, lambda subject: _hcp_subject(bucket, prefix, subject, directions, surfaces), participants
    )
    by_subject = dict(zip(participants, found, strict=True))
    problems = {
        subject: f"{subject}: {places.hcp}/{prefix} holds no tfMRI_MOTOR_{'/'.join(directions)} of it"
        for subject, files in by_subject.items()
        if not any(file.path.endswith(_HCP_SERIES) for file in files)
    }
    if len(problems) == len(by_subject):
        raise FetchError("\n".join([*problems.values()][:5]) or f"{places.hcp}/{prefix} holds no subjects")
    files = [file for subject, files in by_subject.items() if subject not in problems for file in files]
    return Listing(_below(files, prefix), problems)


def _hcp_subject(bucket: Bucket, prefix: str, subject: str, directions: Iterable[str], surfaces: bool):
    found = []
    for direction in directions:
        run = f"tfMRI_MOTOR_{direction}"
        files = bucket.files(f"{prefix}{subject}/MNINonLinear/Results/{run}/")
        names = [f"{run}{kind}" for kind in _HCP_SERIES]
        series = [file for name in names for file in files if file.path.endswith(f"/{run}/{name}")]
        found += series[:1]
        found += [file for file in files if "/EVs/" in file.path and file.path.endswith(".txt")] if series else []
    if surfaces:
        files = bucket.files(f"{prefix}{subject}/MNINonLinear/fsaverage_LR32k/{subject}.")
        found += [file for file in files if file.path.endswith(_HCP_SURFACES)]
    return found


def _listing(
    found: list[RemoteFile], wanted: Wanted, subjects: list[str], name: str, everything: list[str] | None = None
) -> Listing:
    """Keep what is needed; a participant without a series is a problem, nobody with one is an error."""
    chosen = [file for file in found if wanted.is_needed(file.path)]
    having = {PurePosixPath(file.path).parts[0] for file in chosen if wanted.is_series(file.path)}
    if not having:
        spaces, tasks = spaces_and_tasks(everything or [file.path for file in found])
        raise FetchError(
            f"{name} has nothing of what {wanted.recipe} reads and you asked for. Spaces there: "
            f"{', '.join(spaces) or 'none'}; tasks: {', '.join(tasks) or 'none'}. Choose with --space and --task-id"
        )
    problems = {
        subject: f"{subject} has nothing of what {wanted.recipe} reads and you asked for"
        for subject in subjects
        if subject not in having
    }
    alone = [subject for subject in subjects if subject in having]
    return Listing([file for file in chosen if _belongs(file.path, alone)], problems)


def _belongs(path: str, subjects: Sequence[str]) -> bool:
    folder = PurePosixPath(path).parts[0]
    return not folder.startswith("sub-") or folder in subjects or "." in folder


def _side_by_side(client: Client, ask: Callable, items: Sequence[str]) -> list:
    """Answers in the order of the items; an interrupt ends those that are asked again and again, too."""
    with ThreadPoolExecutor(_LISTERS) as pool:
        try:
            return list(pool.map(ask, items))
        except KeyboardInterrupt:
            client.stopped.set()
            raise


def _below(files: Iterable[RemoteFile], prefix: str) -> list[RemoteFile]:
    return [replace(file, path=file.path.removeprefix(prefix)) for file in files]


def _chosen(wanted: Sequence[str] | None, there: Sequence[str], name: str) -> list[str]:
    """The participants asked for."""
    there = sorted(there, key=natural_key)
    if wanted is None:
        return there
    labels = [label.removeprefix("sub-") for label in there]
    for label in wanted:
        if label not in labels:
            near = difflib.get_close_matches(label, labels, 1)
            meant = f"; do you mean {near[0]}?" if near else ""
            shown = ", ".join(labels[:8]) + (", …" if len(labels) > 8 else "")
            raise FetchError(f"{name} has no participant {label}{meant or '.'} There are {len(labels)}: {shown}")
    return [f"sub-{label}" for label in dict.fromkeys(wanted)]
