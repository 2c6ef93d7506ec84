"""The search of a structural study: its trials, and the choice among them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydra_vae.bids.tables import read_table
from pydra_vae.workflows.passes import Passes
from pydra_vae.workflows.structural_models import Choice, VolumeModel
from pydra_vae.workflows.structural_search import (
    VolumeGrid,
    axes_of,
    grid_points,
    objectives_of,
    search,
    setting_of_point,
)
from pydra_vae.workflows.structural_specs import VolumeFit, fits_of
from pydra_vae.workflows.sweep import Point

SEARCHED_BY_DEFAULT, TRIALS = ["latent-dim", "beta"], 20


class Trials(Passes):
    """A study that may search for its main fit.

    Attributes
    ----------
    data : outputs of VolumeData
    fits : list of VolumeFit
        The main one first.
    searched : dict of str to Path
        Tables of the search: trials, chosen.
    seed : int
    """

    data: Any
    fits: list[VolumeFit]
    searched: dict[str, Path]
    seed: int

    @property
    def main(self) -> VolumeFit:
        """The fit that is analysed."""
        return self.fits[0]

    @property
    def n_trials(self) -> int:
        """How many models a search will fit."""
        if self.options.search == "grid":
            return len(grid_points(self.options.search_over or SEARCHED_BY_DEFAULT))
        return (self.options.trials or TRIALS) if self.options.search else 0

    def model(self, fit: VolumeFit) -> VolumeModel:
        """The workflow of a fit."""
        raise NotImplementedError

    def search(self) -> bool:
        """Fit the trials of a search and choose one of them; the main fit becomes the chosen one if that was asked."""
        if self.options.search is None:
            return True
        names = self.options.search_over or SEARCHED_BY_DEFAULT
        points = {point["setting"]: point for point in grid_points(names)}
        tables = self._grid(list(points.values())) if self.options.search == "grid" else self._trials(names, points)
        if self.interrupted or not tables:
            return False
        choice = self.run_pass("Choice", {"choice": Choice(tables=tables)}).outputs.get("choice")
        if choice is None:
            return False
        self.searched = {"trials": Path(choice.table), "chosen": Path(choice.chosen)}
        row = read_table(self.searched["chosen"]).iloc[0]
        self.console.print(f"search: {row['sentence']}", markup=False, soft_wrap=True)
        if self.options.use_best:
            best = {name: value for name, value in points[row["setting"]].items() if name != "setting"}
            self.fits = fits_of(self._searched_fit(names) | best, self.options.compare or ["losses"])
        return True

    def _grid(self, points: list[Point]) -> list[Path]:
        data = {name: getattr(self.data, name) for name in ("volumes", "volume_split", "mask", "pca")}
        fit = self._searched_fit(points[0]) | {"device": self.options.device}
        made = self.run_pass("Search", {"grid": VolumeGrid(**data, points=points, seed=self.seed, fit=fit)}).outputs
        return [made["grid"].table] if "grid" in made else []

    def _searched_fit(self, varied: Collection[str]) -> dict[str, Any]:
        """The main fit, whose steps must not cut short the epochs that a search varies."""
        epochs = {"epochs", "max_epochs"}.intersection(varied)
        return self.main.options | ({"max_steps": None} if epochs else {})

    def _trials(self, names: Sequence[str], known: dict[str, Point]) -> list[Path]:
        """Rounds of optuna; points that come up are added to those known."""
        tables: list[Path] = []

        def run_points(points: list[Point]) -> list[Mapping[str, Any] | None] | None:
            fits = [VolumeFit(setting_of_point(point), self._searched_fit(names) | point) for point in points]
            known.update({fit.setting: point for fit, point in zip(fits, points, strict=True)})
            outcome = self.run_pass("Search", {f"trial {fit.setting}": self.model(fit) for fit in fits})
            made = [outcome.outputs.get(f"trial {fit.setting}") for fit in fits]
            tables.extend(Path(outputs.score) for outputs in made if outputs is not None)
            if outcome.interrupted:
                return None
            return [None if outputs is None else read_table(outputs.score).iloc[0].to_dict() for outputs in made]

        first = [{axis.parameter: self.main.options[axis.parameter] for axis in axes_of(names)}]
        if any(value is None for point in first for value in point.values()):
            first = []  # such as epochs, which the recipe leaves to its steps
        n_trials = self.options.trials or TRIALS
        search(run_points, names, n_trials, first=first, seed=self.seed, objectives=objectives_of(names))
        return tables
