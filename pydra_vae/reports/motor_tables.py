"""The tables of the motor page, and the few figures that its sentences, curves and maps are drawn from.

A *family* is a kind of model as it is shown ("TI-VAE-S", "temporal Infomax (extended), concatenated"); it is fitted
with k factors, a weight β and a seed. β and the best variant of ICA are chosen on the validation part and scored on the
test part; where no validation scores are at hand, the choice is by the test part, and is said to be.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
import pandas as pd

from pydra_vae.reports.group_tables import Tables, in_order, rows

NEEDED = {
    "comparison": "model k beta seed r_test chance",
    "scores": "model k seed subtask factor r_test",
    "fits": "model k seed r2_test",
    "subjects": "model k seed label subtask r",
    "courses": "model k seed subtask frame factor_value regressor",
    "glm": "model k seed factor subtask coefficient r2",
    "sweep": "model k beta seed r_test",
    "map_scores": "model k seed subtask reading r_all r_top10 r_top5 r_top1 spread_mm",
    "consistency": "model k seed_a seed_b matched_r null",
    "clock": "check value expected",
    "stability": "restart objective similarity",
    "subject_split": "label person part",
}
OURS, BETA, PCA, ICA, CONTROL = "ti-vae", "beta-vae", "pca", "ica", "control"
STRUCTURAL, FUNCTIONAL = "TI-VAE-S", "TI-VAE-F"
CONTROLS = ("linear", "random clusters", "unshared hemispheres")
SUBTASKS = ("left_hand", "left_foot", "right_hand", "right_foot", "tongue")  # the paper's order in Figure 3
KEY = ["model", "k", "beta", "seed"]


def kind_of(model: str) -> str:
    """What kind of model a family is.

    Examples
    --------
    >>> kind_of("TI-VAE-S"), kind_of("β-VAE-F"), kind_of("spatial FastICA, mean"), kind_of("random clusters")
    ('ti-vae', 'beta-vae', 'ica', 'control')
    >>> kind_of("TI-VAE-S, rotated")
    'control'
    """
    name = str(model).lower()
    if "rotat" in name or any(name.startswith(control) for control in CONTROLS):
        return CONTROL
    if name.startswith("ti-vae"):
        return OURS
    if name.startswith(("β-vae", "beta-vae")):
        return BETA
    if name.startswith("pca"):
        return PCA
    return ICA if any(word in name for word in ("ica", "infomax", "picard")) else CONTROL


def is_temporal(model: str) -> bool:
    """Whether this is the reading of the paper's null that its words suggest: temporal Infomax.

    Examples
    --------
    >>> is_temporal("temporal Infomax (extended), concatenated"), is_temporal("spatial Infomax, mean")
    (True, False)
    """
    return kind_of(model) == ICA and "temporal" in str(model).lower()


def is_papers(model: str) -> bool:
    """Whether this is the paper's null as its words read: extended Infomax (Lee et al., 1999), independent over time.

    Examples
    --------
    >>> is_papers("temporal Infomax (extended), mean"), is_papers("temporal FastICA, mean")
    (True, False)
    """
    return is_temporal(model) and "infomax (extended)" in str(model).lower()


@dataclass(frozen=True)
class Chosen:
    """A family at one number of factors, with the β that was chosen for it.

    Attributes
    ----------
    model : str
    k : int
    beta : float
        NaN where it has none.
    r : (S,) array
        Mean |r| with the sub-tasks on the test part, one a seed.
    on : str
        Part that the choice was made on: "validation" or "test".
    """

    model: str
    k: int
    beta: float
    r: np.ndarray
    on: str

    @property
    def mean(self) -> float:
        """Over seeds."""
        return float(np.mean(self.r)) if len(self.r) else np.nan

    @property
    def sd(self) -> float:
        """Over seeds; NaN of one."""
        return float(np.std(self.r, ddof=1)) if len(self.r) > 1 else np.nan


@dataclass(frozen=True)
class Key:
    """Which fit a file of maps or an embedding belongs to.

    Attributes
    ----------
    model : str
    where : dict
        What else the label names: k, seed, beta.
    """

    model: str
    where: dict[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, label: str) -> "Key":
        """Of a label.

        Examples
        --------
        >>> Key.parse("TI-VAE-S k=8 beta=0.5 seed=0")
        Key(model='TI-VAE-S', where={'k': 8.0, 'beta': 0.5, 'seed': 0.0})
        """
        found = re.findall(r"\s(k|beta|β|seed)=([-+.\w]+)", label)
        where = {"beta" if name == "β" else name: float(value) for name, value in found if value != "n/a"}
        return cls(re.split(r"\s(?:k|beta|β|seed)=", label)[0].strip(), where)

    def rows(self, table: pd.DataFrame | None) -> pd.DataFrame:
        """The rows of a table that belong to this fit."""
        if table is None:
            return pd.DataFrame()
        return rows(rows(table, model=self.model), **{n: v for n, v in self.where.items() if n in table})


class MotorTables(Tables):
    """What the steps found, by name, and what was chosen by it.

    Parameters
    ----------
    files : reports.motor.MotorReport
    """

    def __init__(self, files):
        super().__init__(files, NEEDED)
        self.chosen = cache(self._choose)

    @cached_property
    def cortex(self):
        """The region on its surfaces (reports.cortex.Cortex); None where these are not given."""
        from pydra_vae.reports.cortex import Cortex

        return Cortex.of(self.files)

    @cached_property
    def results(self) -> pd.DataFrame:
        """One row a fit: model, k, beta, seed, r_test, r_validation (where known) and what the tables add."""
        found = [self(name) for name in ("comparison", "sweep") if self(name) is not None]
        if not found:
            return pd.DataFrame(columns=[*KEY, "r_test", "r_validation", "chance"])
        table = pd.concat(found, ignore_index=True)
        table["beta"] = pd.to_numeric(table["beta"], errors="coerce")
        table = table.drop_duplicates(KEY, ignore_index=True)  # the first: of the comparison
        table = table.assign(r_validation=pd.to_numeric(table.get("r_validation", np.nan), errors="coerce"))
        return table[np.isfinite(pd.to_numeric(table["r_test"], errors="coerce"))].reset_index(drop=True)

    @property
    def sizes(self) -> list[int]:
        """Numbers of factors, ascending."""
        return sorted({int(k) for k in self.results["k"].dropna()})

    def families(self, *kinds: str) -> list[str]:
        """Families with a score, of these kinds, in the order of the tables."""
        return [m for m in in_order(self.results["model"].dropna()) if not kinds or kind_of(m) in kinds]

    def _choose(self, model: str, k: int) -> Chosen | None:
        """A family at k factors, at the β of the best mean over seeds; None where it was not fitted.

        β = 0 is a TI-VAE without its term, the control of that term: it is chosen only where there is nothing else.
        """
        found = rows(self.results, model=model, k=k)
        if kind_of(model) == OURS and (found["beta"] > 0).any():
            found = found[found["beta"] > 0]
        if not len(found):
            return None
        on = "validation" if np.isfinite(found["r_validation"]).any() else "test"
        means = found.groupby("beta", dropna=False)[f"r_{on}"].mean()
        beta = float(means.index[int(np.nanargmax(means.to_numpy()))])
        return Chosen(model, k, beta, self.at(model, k, beta), on)

    def all_chosen(self, k: int) -> list[Chosen]:
        """Every family at k factors, the highest score first."""
        found = [c for m in self.families() if (c := self.chosen(m, k)) is not None and np.isfinite(c.mean)]
        return sorted(found, key=lambda c: -c.mean)

    def at(self, model: str, k: int, beta: float) -> np.ndarray:
        """(S,) scores of the seeds at one β."""
        found = rows(self.results, model=model, k=k)
        same = found["beta"].isna() if np.isnan(beta) else np.isclose(found["beta"], beta)
        return found.loc[same, "r_test"].to_numpy(dtype=float)

    def best(self, k: int, models: list[str]) -> Chosen | None:
        """The best of several families, chosen as β is; None where none was fitted at k factors."""
        found = [chosen for chosen in (self.chosen(model, k) for model in models) if chosen is not None]
        return max(found, key=self._rank, default=None)

    def _rank(self, chosen: Chosen) -> float:
        found = rows(self.results, model=chosen.model, k=chosen.k)
        if np.isfinite(chosen.beta):
            found = found[np.isclose(found["beta"], chosen.beta)]
        value = float(found[f"r_{chosen.on}"].mean())
        return value if np.isfinite(value) else -np.inf

    def of(self, chosen: Chosen, column: str) -> float:
        """Mean of a column over the seeds of what was chosen; NaN where it is not known."""
        found = rows(self.results, model=chosen.model, k=chosen.k)
        if np.isfinite(chosen.beta):
            found = found[np.isclose(found["beta"], chosen.beta)]
        return float(pd.to_numeric(found[column], errors="coerce").mean()) if column in found else np.nan

    def chance(self, chosen: Chosen) -> float:
        """What held-out scores reach by chance; where it is not known, what the best of k factors does."""
        held_out = self.of(chosen, "chance_held_out")
        return held_out if np.isfinite(held_out) else self.of(chosen, "chance")

    @cached_property
    def main(self) -> str:
        """The family that claims are about: with structural weight sharing, else the first TI-VAE; "" without any."""
        found = self.families(OURS)
        return STRUCTURAL if STRUCTURAL in found else next(iter(found), "")

    @cached_property
    def size(self) -> int:
        """Number of factors at which the main family scores best on the validation part; 0 without any."""
        found = [c for c in (self.chosen(self.main, k) for k in self.sizes) if c is not None] if self.main else []
        return max(found, key=self._rank).k if found else 0

    def picked(self, labels: Sequence[str], limit: int, first: Sequence[str] = ()) -> list[str]:
        """Of many fits' labels, those that a figure shows: one a family, and of families those that claims are about.

        Parameters
        ----------
        labels : sequence of str
            Such as "TI-VAE-S k=8 beta=1 seed=0".
        limit : int
            Families at most.
        first : sequence of str
            Families that come right after TI-VAE; the best temporal ICA and the best ICA by default.
        """
        families: dict[str, list[str]] = {}
        for label in labels:
            families.setdefault(Key.parse(label).model, []).append(label)
        if not first and self.size:
            ica = self.families(ICA)
            best = (self.best(self.size, models) for models in ([m for m in ica if is_temporal(m)], ica))
            first = [chosen.model for chosen in best if chosen is not None]
        elif not first:  # no scores to choose by: the first of each kind
            ica = [model for model in families if kind_of(model) == ICA]
            first = [*[m for m in ica if is_temporal(m)][:1], *[m for m in ica if not is_temporal(m)][:1]]
        ours = [model for model in families if kind_of(model) == OURS]
        return [max(families[model], key=self._fitting) for model in in_order(families, [*ours, *first])[:limit]]

    def _fitting(self, label: str) -> tuple[bool, bool, float]:
        """How near a fit is to what the claims are about: number of factors, β, the first seed."""
        key = Key.parse(label)
        chosen = self.chosen(key.model, self.size) if self.size else None
        beta = chosen is None or "beta" not in key.where or bool(np.isclose(key.where["beta"], chosen.beta))
        return key.where.get("k", self.size) == self.size, beta, -key.where.get("seed", 0.0)


def subtask_name(name: str) -> str:
    """A sub-task as readers know it.

    Examples
    --------
    >>> subtask_name("left_hand")
    'Left hand'
    """
    text = str(name).replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def subtasks_of(*tables: pd.DataFrame | None) -> list[str]:
    """Sub-tasks of some tables, the paper's first and in its order."""
    return in_order([str(s) for t in tables if t is not None for s in t["subtask"].dropna()], SUBTASKS)


def title_of(label: str) -> str:
    """A label as a title.

    Examples
    --------
    >>> title_of("TI-VAE-S k=8 beta=1 seed=0")
    'TI-VAE-S, k = 8, β = 1'
    """
    key = Key.parse(label)
    names = {"k": "k", "beta": "β"}
    return ", ".join([key.model, *(f"{names[n]} = {v:g}" for n, v in key.where.items() if n in names)])
