"""Which files of a dataset a recipe reads, told from their names alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydra_vae.bids.names import Name, parse, same_value

SPACES = {"finn": "MNI152NLin2009cAsym", "motor": "fsLR", "structural": "MNI152NLin2009cAsym"}
KINDS = {"gm": "GM", "wm": "WM", "csf": "CSF", "t1w": None}
NATIVE = ("none", "n/a", "func")
_VOLUMES = (".nii.gz", ".nii")
_SURFACES = (".dtseries.nii", ".func.gii")
_SHARED = ("dataset_description.json", "participants.tsv", "participants.json")


@dataclass(frozen=True)
class Wanted:
    """What is asked for; None is everything.

    Attributes
    ----------
    recipe : str
        finn, motor or structural.
    sessions, tasks, runs : sequence of str, optional
    space : str, optional
        ``func`` for the runs' own; by default the recipe's.
    res : str, optional
        ``none`` for the files without it.
    prefix : str
        Text of a series' name that is no entity, such as ``denoise_smooth6mm``.
    kind : str
        Of the maps that structural reads: gm, wm, csf, t1w.
    """

    recipe: str = "finn"
    sessions: Sequence[str] | None = None
    tasks: Sequence[str] | None = None
    runs: Sequence[str] | None = None
    space: str | None = None
    res: str | None = None
    prefix: str = ""
    kind: str = "gm"

    def is_needed(self, path: str) -> bool:
        """Whether a file of a derivatives folder is needed; its path is relative to that folder.

        Examples
        --------
        >>> Wanted("motor").is_needed("sub-1/func/sub-1_task-a_space-fsLR_den-91k_bold.dtseries.nii")
        True
        """
        *folders, base = PurePosixPath(path).parts
        if not folders:
            return base in _SHARED or base.endswith(("_bold.json", "_events.json", "_events.tsv"))
        if not folders[0].startswith("sub-") or len(folders) > 3:
            return False
        name = parse(base)
        if self.sessions and name.entities.get("ses", "") not in (*self.sessions, ""):
            return False
        if name.suffix in ("sessions", "scans"):
            return name.extension == ".tsv" and name.suffix == "sessions"
        return self._of_anatomy(name) if folders[-1] == "anat" else folders[-1] == "func" and self._of_runs(name)

    def is_series(self, path: str) -> bool:
        """Whether it is what the recipe analyses, and not only goes with it."""
        name = parse(PurePosixPath(path).name)
        if not self.is_needed(path):
            return False
        if self.recipe == "structural":
            return name.suffix != "mask" and name.extension in _VOLUMES
        return name.suffix == "bold" and name.extension != ".json" and "sub" in name.entities

    def _of_runs(self, name: Name) -> bool:
        if self.recipe == "structural" or not self._of_task(name) or "echo" in name.entities:
            return False
        own, json = name.entities, name.extension.endswith(".json")
        table = json or name.extension == ".tsv"
        if name.prefix not in ("", self.prefix):
            return False
        if name.suffix == "events" and table:
            return True
        if name.suffix in ("timeseries", "regressors"):
            return table and own.get("desc") == "confounds"
        if not self._in_space(name) or own.get("part"):
            return False
        if name.suffix == "bold":
            # a series that was processed further has its own sidecar
            if name.extension in (*_SURFACES, ".dtseries.json"):
                return own.get("desc") in (None, "preproc") and name.prefix == self.prefix
            if name.extension in _VOLUMES:
                return own.get("desc") == "preproc" and name.prefix == self.prefix
            return json and own.get("desc") in (None, "preproc")
        if name.suffix == "boldref":
            return self.recipe == "finn" and (json or name.extension in _VOLUMES)
        return name.suffix == "mask" and own.get("desc") == "brain"

    def _of_anatomy(self, name: Name) -> bool:
        own, image = name.entities, name.extension in (*_VOLUMES, ".json")
        if self.recipe == "finn" and self.space == "fsnative":
            mesh = name.extension == ".surf.gii" and name.suffix in ("pial", "inflated")
            return mesh and own.get("space") in (None, "fsnative")
        # the T1w's own files do not name their space
        if not (self._in_space(name) or (self.recipe == "finn" and self.space == "T1w" and "space" not in own)):
            return False
        if self.recipe == "motor":
            return name.extension == ".surf.gii" and name.suffix in ("pial", "midthickness")
        t1w = image and name.suffix == "T1w" and own.get("desc") == "preproc"
        if self.recipe == "finn":
            return t1w
        if name.suffix == "mask":
            return image and own.get("desc") == "brain"
        return (
            t1w if self.kind == "t1w" else image and name.suffix == "probseg" and own.get("label") == KINDS[self.kind]
        )

    def _of_task(self, name: Name) -> bool:
        if self.tasks and name.entities.get("task") not in self.tasks:
            return False
        run = name.entities.get("run")
        return not self.runs or run is None or any(same_value(run, wanted) for wanted in self.runs)

    def _in_space(self, name: Name) -> bool:
        space = self.space or SPACES[self.recipe]
        if name.entities.get("space") != (None if space in NATIVE else space):
            return False
        res = name.entities.get("res")
        if self.res is None:
            return True
        return res is None if self.res in NATIVE else res is not None and same_value(res, self.res)


def spaces_and_tasks(paths: Sequence[str]) -> tuple[list[str], list[str]]:
    """What there is to choose from."""
    names = [parse(PurePosixPath(path).name) for path in paths]
    series = [name for name in names if name.suffix in ("bold", "probseg", "T1w") and name.extension != ".json"]
    return (
        sorted({name.entities.get("space", "none") for name in series}),
        sorted({name.entities["task"] for name in series if "task" in name.entities}),
    )
