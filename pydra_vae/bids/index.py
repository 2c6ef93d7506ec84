"""Find the runs to analyse in an fMRIPrep derivatives folder.

What is chosen, and what is never mixed:

- only volumes with ``desc-preproc``; the space asked for, else MNI152NLin2009cAsym, else the only one;
- series on the surface (a dtseries, or the func.gii of both hemispheres) where their space is asked for, or where
  there are no volumes;
- runs of one task are joined in natural order (run 2 before run 10); tasks only on request, in the
  order given; ``dir`` and ``chunk`` tell runs apart;
- files that differ in another way (echo, res, rec, den, acq, part, text that is no entity, …) are
  versions of one another: never joined, and an error until an option chooses;
- sessions are entries of their own, ``sub-01_ses-a`` beside ``sub-01_ses-b``: fMRIPrep shares a
  subject's anatomy between sessions, not its functional runs, and so is a model fitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydra_vae.bids.files import BidsFile, InputError, index, is_preprocessed
from pydra_vae.bids.filters import EVERYTHING, Filter
from pydra_vae.bids.names import natural_key, same_value
from pydra_vae.bids.runs import Run, with_companions
from pydra_vae.bids.surface_runs import is_surface_bold, surface_runs

__all__ = ["DEFAULT_SPACE", "BidsFile", "InputError", "Run", "find_runs", "index", "select_runs"]

DEFAULT_SPACE = "MNI152NLin2009cAsym"
# Entities by which runs may differ and still be joined in time.
JOINED = ("task", "run", "dir", "chunk")
# Words for "the files without this entity", on the command line.
ABSENT = ("none", "n/a")
_NATIVE = (*ABSENT, "func", "bold", "run", "boldref")  # fMRIPrep's names of the BOLD's own space


def find_runs(derivatives: Path, **filters) -> dict[str, list[Run]]:
    """Find the runs of every subject and session.

    Parameters
    ----------
    derivatives : Path
        fMRIPrep's output folder.
    **filters
        See `select_runs`.

    Returns
    -------
    runs : dict of list of Run
        ``sub-01`` or ``sub-01_ses-a`` to its runs, in the order in which they are joined.

    Raises
    ------
    InputError
        If the folder is none, a subject is unknown, or the choice is empty or ambiguous for one.
    """
    runs, problems = select_runs(index(derivatives), derivatives=derivatives, **filters)
    if problems:
        raise InputError("\n".join(problems.values()))
    return runs


def select_runs(
    files: Iterable[BidsFile],
    *,
    derivatives: Path | str = "the derivatives",
    participant_label: Sequence[str] | None = None,
    session_label: Sequence[str] | None = None,
    task_id: Sequence[str] | None = None,
    run: Sequence[int] | None = None,
    space: str | None = None,
    res: str | None = None,
    echo: str | None = None,
    only: Filter = EVERYTHING,
    surfaces: bool = False,
    **entities: str | None,
) -> tuple[dict[str, list[Run]], dict[str, str]]:
    """Choose runs from an index; a subject for which that fails does not keep the others from it.

    Parameters
    ----------
    files : iterable of BidsFile
        From `index`.
    derivatives : Path
        For messages.
    participant_label, session_label : sequence of str, optional
        With or without ``sub-``, ``ses-``; default all.
    task_id : sequence of str, optional
        Tasks, joined in this order.
    run : sequence of int, optional
        Run numbers.
    space : str, optional
        Output space; ``func`` for the run's own.
    res, echo : str, optional
        Values of these entities; ``none`` for the files without it.
    only : Filter
        What names must have beside that (``--bids-filter-file``).
    surfaces : bool
        Whether series on the surface may be chosen.
    **entities : str, optional
        Any other entity (``rec``, ``acq``, ``den``, …), or ``prefix``.

    Returns
    -------
    runs : dict of list of Run
        By label.
    problems : dict of str
        By label, why there are no runs.

    Raises
    ------
    InputError
        If a subject or session is unknown.
    """
    files = list(files)
    subjects = _by_subject(files)
    wanted = known_labels("participant", participant_label, "sub-", subjects, derivatives)
    sessions = {
        f.entities["ses"]
        for f in files
        if "ses" in f.entities and (is_preprocessed(f) or (surfaces and is_surface_bold(f)))
    }
    wanted_sessions = known_labels("session", session_label, "ses-", sessions, derivatives)
    exact = {"res": res, "echo": echo, **entities}
    exact = {key: str(value) for key, value in exact.items() if value is not None}
    shared = [f for f in files if "sub" not in f.entities]
    runs, problems = {}, {}
    for subject in wanted:
        own = subjects[subject]
        bolds = _candidates(own, space, surfaces)
        by_session: dict[str | None, list[BidsFile]] = {}
        for file in filter(lambda file: only.allows(file.entities), bolds):
            by_session.setdefault(file.entities.get("ses"), []).append(file)
        if session_label:
            by_session = {k: v for k, v in by_session.items() if k in wanted_sessions}
        for session in sorted(by_session, key=lambda s: natural_key(s or "")) or [None]:
            label = f"sub-{subject}" + (f"_ses-{session}" if session else "")
            found = by_session.get(session, [])
            try:
                chosen = _choose(found, bolds, task_id, run, space, exact)
                runs[label] = [with_companions(file, own, shared) for file in chosen]
            except InputError as error:
                problems[label] = f"{label}: {error}"
    return runs, problems


def _candidates(own: Sequence[BidsFile], space: str | None, surfaces: bool) -> list[BidsFile]:
    """Volumes; or series on the surface, where there are only these, or only these are in the space asked for."""
    volumes = [f for f in own if is_preprocessed(f)]
    on_surface = surface_runs(own) if surfaces else []
    if not volumes or space is None:
        return volumes or on_surface
    wanted = space.removeprefix("space-")
    there = [any(f.entities.get("space") == wanted for f in found) for found in (volumes, on_surface)]
    if there == [False, True]:
        return on_surface
    return volumes if any(there) else [*volumes, *on_surface]


def _by_subject(files: Iterable[BidsFile]) -> dict[str, list[BidsFile]]:
    subjects: dict[str, list[BidsFile]] = {}
    for file in files:
        if "sub" in file.entities:
            subjects.setdefault(file.entities["sub"], []).append(file)
    return dict(sorted(subjects.items(), key=lambda item: natural_key(item[0])))


def known_labels(
    what: str, given: Sequence[str] | None, key: str, known: Iterable[str], where: Path | str
) -> list[str]:
    """The labels asked for, without their key (``sub-``), or all; InputError if one is unknown."""
    known = sorted(known, key=natural_key)
    if not given:
        return known
    labels = [str(label).removeprefix(key) for label in ([given] if isinstance(given, str) else given)]
    unknown = [label for label in labels if label not in known]
    if unknown:
        there = ", ".join(known[:20]) + (f", … ({len(known)} in all)" if len(known) > 20 else "")
        raise InputError(f"unknown {what}: {', '.join(unknown)}; {where} has {there or 'none'}")
    return list(dict.fromkeys(labels))


def _choose(
    files: Sequence[BidsFile],
    all_files: Sequence[BidsFile],
    tasks: Sequence[str] | None,
    numbers: Sequence[int] | None,
    space: str | None,
    exact: dict[str, str],
) -> list[BidsFile]:
    """One session's runs in order; `all_files` are listed where nothing fits."""
    tasks = [tasks] if isinstance(tasks, str) else list(dict.fromkeys(tasks or ()))
    tasks = [task.removeprefix("task-") for task in tasks]
    fits = [f for f in files if not tasks or f.entities.get("task") in tasks]
    fits = [f for f in fits if not numbers or _number(f) in numbers]
    fits = [f for f in fits if all(_matches(f, key, value) for key, value in exact.items())]
    fits = _in_space(fits, space)
    if not fits:
        raise InputError(f"no run fits; found were\n{_listing(all_files)}")
    for what, asked, got in (
        ("task", tasks, {f.entities.get("task") for f in fits}),
        ("run", numbers or (), {_number(f) for f in fits}),
    ):
        missing = [str(value) for value in asked if value not in got]
        if missing:
            raise InputError(f"no {what}-{', '.join(missing)} fits; found were\n{_listing(all_files)}")
    _check_unambiguous(fits, tasks)
    order = {task: position for position, task in enumerate(tasks)}
    return sorted(fits, key=lambda f: (order.get(f.entities.get("task"), 0), _position(f)))


def _number(file: BidsFile) -> int | None:
    run = file.entities.get("run", "")
    return int(run) if run.isdigit() else None


def _position(file: BidsFile) -> list:
    return [natural_key(file.entities.get(key, "")) for key in ("run", "dir", "chunk")]


def _value(file: BidsFile, key: str) -> str | None:
    return (file.prefix or None) if key == "prefix" else file.entities.get(key)


def _matches(file: BidsFile, key: str, wanted: str) -> bool:
    value = _value(file, key)
    return value is None if wanted.lower() in ABSENT else same_value(value, wanted.removeprefix(f"{key}-"))


def _in_space(files: Sequence[BidsFile], space: str | None) -> list[BidsFile]:
    if space is not None:
        wanted = None if space.lower() in _NATIVE else space.removeprefix("space-")
        return [f for f in files if f.entities.get("space") == wanted]
    spaces = {f.entities.get("space") for f in files}
    if DEFAULT_SPACE not in spaces and len(spaces) > 1:
        raise InputError(f"several spaces and none is {DEFAULT_SPACE}: choose with --space {_values(spaces, 'func')}")
    chosen = DEFAULT_SPACE if DEFAULT_SPACE in spaces else next(iter(spaces), None)
    fits = [f for f in files if f.entities.get("space") == chosen]
    left = sorted({_run_name(f) for f in files} - {_run_name(f) for f in fits})
    if left:
        others = {f.entities.get("space") for f in files if _run_name(f) in left}
        raise InputError(
            f"{', '.join(left)} is not there in {chosen or 'its own space'}, only in {_values(others, 'func')}: "
            "runs of one subject are joined in one space; choose with --space, --task-id or --run"
        )
    return fits


def run_name(entities: Mapping[str, str]) -> str:
    """What tells a run from the others of its subject: ``task-rest_run-1``."""
    return "_".join(f"{key}-{entities[key]}" for key in JOINED if key in entities)


def _run_name(file: BidsFile) -> str:
    return run_name(file.entities)


def _values(values: Iterable[str | None], absent: str = "none", between: str = " | ") -> str:
    return between.join(sorted((v or absent for v in values), key=natural_key))


def _check_unambiguous(files: Sequence[BidsFile], tasks: Sequence[str]) -> None:
    """Raise InputError where files are versions of one another, or tasks were not asked for."""
    keys = dict.fromkeys(["prefix", *(key for f in files for key in f.entities)])
    for key in keys:
        values = {_value(f, key) for f in files}
        if len(values) == 1 or key in JOINED[1:]:
            continue
        if key != "task":
            raise InputError(
                f"files differ in {key}, and such are never joined: choose with --{key} {_values(values)}\n"
                f"{_listing(files)}"
            )
        if not tasks:
            raise InputError(
                f"several tasks: choose with --task-id {_values(values, between=' ')} "
                "(those given are joined in time, in that order)"
            )
    names: dict[str, BidsFile] = {}
    for file in files:
        other = names.setdefault(_run_name(file), file)
        if other is not file:
            raise InputError(f"two files for one run, remove one: {other.path}, {file.path}")


def _listing(files: Sequence[BidsFile], most: int = 12) -> str:
    lines = [f"  {file.name}" for file in sorted(files, key=lambda f: natural_key(f.name))]
    more = [f"  … and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join([*lines[:most], *more]) or "  no *_desc-preproc_bold.nii.gz"
