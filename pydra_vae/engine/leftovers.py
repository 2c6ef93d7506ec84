"""What killed runs left in a work folder's ``remote/``, told from what jobs of a cluster still need."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydra_vae.engine import locks
from pydra_vae.engine.errors import EngineError
from pydra_vae.engine.parcel import Box, boxes, is_orphan
from pydra_vae.engine.slurm import SlurmWorker


@dataclass(frozen=True)
class Left:
    """One submission's notes.

    Attributes
    ----------
    box : Box
    checksums : list of str
        Of the jobs whose records name it.
    whose : str
        In words: the job, or the process that made it.
    needed : bool or None
        Whether a job or a run may still ask for it; None where that cannot be told from here.
    """

    box: Box
    checksums: list[str]
    whose: str
    needed: bool | None


def look(work_dir: Path) -> list[Left]:
    """All submissions of which there are notes; nothing is changed."""
    return asyncio.run(_look(Path(work_dir)))


async def _look(work_dir: Path) -> list[Left]:
    there = boxes(work_dir)
    slurm = _slurm() if any(record.get("worker") == "slurm" for _, record, _ in there) else None
    return [Left(box, names, _whose(record), await _is_needed(record, box, slurm)) for box, record, names in there]


async def _is_needed(record: dict, box: Box, slurm: SlurmWorker | None) -> bool | None:
    here = record.get("host") == locks.own_host()
    if here and not is_orphan(record):
        return True
    if record.get("worker") == "slurm":
        return await slurm.lives(record, box.claimed()) if slurm else None
    return False if here else None  # Dask drops what a dead run has asked for


def _slurm() -> SlurmWorker | None:
    try:
        return SlurmWorker()
    except EngineError:
        return None


def _whose(record: dict) -> str:
    if "job" in record:
        return f"Slurm job {record['job']}"
    return f"the run of process {record['pid']} on {record['host']}" if "pid" in record else "a run that left no name"


def remove(left: Sequence[Left]):
    """Delete notes."""
    for one in left:
        one.box.forget(one.checksums)
