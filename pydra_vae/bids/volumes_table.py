"""Maps listed in a table: any NIfTI images, wherever they lie."""

from __future__ import annotations

from pathlib import Path

from pydra_vae.bids.files import InputError
from pydra_vae.bids.names import parse
from pydra_vae.bids.people import (
    PERSON_COLUMNS,
    SESSION_COLUMNS,
    as_person,
    as_session,
    column_of,
    listing,
    read_text_table,
)
from pydra_vae.bids.volumes import Found, Volume

PATH_COLUMNS = ("path", "image", "file", "filename")
MASK_COLUMNS = ("brain_mask", "mask")


def find_in_table(table: Path, space: str | None = None) -> Found:
    """One map a row.

    Parameters
    ----------
    table : Path
        Columns: path, image or file (relative to the table, or absolute); participant_id (where it is absent, names
        must hold ``sub-``); perhaps session_id and brain_mask. Others are covariates.
    space : str, optional
        Only images whose names say this space; needed where names say several.

    Returns
    -------
    volumes, problems
        See `find_volumes`; rows without a path, or whose file is not there, are problems.

    Raises
    ------
    InputError
        If it has no column of paths, persons cannot be told, or spaces are several.
    """
    rows = read_text_table(table)
    paths = column_of(rows, PATH_COLUMNS)
    if paths is None:
        raise InputError(
            f"{table} has no column of images ({', '.join(PATH_COLUMNS[:3])}); its columns: {', '.join(rows)}"
        )
    people, sessions, masks = (column_of(rows, names) for names in (PERSON_COLUMNS, SESSION_COLUMNS, MASK_COLUMNS))
    found, problems = [], {}
    for number, row in enumerate(rows.to_dict("records"), start=2):  # as editors count, the header being line 1
        name = parse(Path(row[paths] or "").name)
        said = row[people] if people else name.entities.get("sub")
        if not said:
            raise InputError(
                f"{table}, line {number}: whose image is {row[paths]}? Add a column participant_id, or names with sub-"
            )
        person = as_person(said)
        session = as_session((row[sessions] or "") if sessions else name.entities.get("ses", ""))
        label = f"{person}_ses-{session}" if session else person
        path = None if row[paths] is None else _beside(table, row[paths])
        if path is None or not (path.is_file() or path.is_symlink()):
            problems[label] = f"{label}: {table}, line {number}: " + (
                "no image is given" if path is None else f"there is no file {path} (paths count from the table)"
            )
            continue
        mask = _beside(table, row[masks]) if masks and row[masks] else None
        where = name.entities.get("space", "")
        found.append(Volume("", person, session, path, None, mask, where, name.entities))
    return _of_one_space(found, space, table), problems


def _of_one_space(found: list[Volume], space: str | None, table: Path) -> list[Volume]:
    there = {volume.space for volume in found if volume.space}
    if space is None:
        if len(there) > 1:
            raise InputError(f"{table} lists images of several spaces, {listing(there)}: choose one with --space")
        return found
    kept = [volume for volume in found if volume.space == space.removeprefix("space-")]
    if not kept:
        said = listing(there) if there else "no image's name says its space: leave --space out"
        raise InputError(f"{table} lists no image of the space {space}; there is {said}")
    return kept


def _beside(table: Path, text: str) -> Path:
    path = Path(text).expanduser()
    return path if path.is_absolute() else table.parent / path
