"""The search for a model: which parameters vary, over a grid or by optuna, each trial the cached fit that it is alone.

`VolumeGrid` fits every point of a grid through `sweep`. `search` asks optuna's tree-structured Parzen estimator
(Bergstra et al. 2011; for two objectives Ozaki et al. 2022) for one round of points after another and has them fitted
by whatever it is given. It stores nothing: with the same seed it asks for the same points in the same order, and all
that were fitted before are found in the cache, so an interrupted search goes on where it stopped, and more trials add
to those that there are. For that a round's size never depends on the number of processes or of trials.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import floor, isfinite, log10
from pathlib import Path
from typing import Any

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File

from pydra_vae.bids.tables import read_table
from pydra_vae.engine import graph
from pydra_vae.tasks.fit_volume_vae import FitVolumeVae
from pydra_vae.tasks.score_volume_vae import ScoreVolumeVae
from pydra_vae.workflows.finn_parts import EMPTY, Options
from pydra_vae.workflows.sweep import Point, grid, sweep

Row = Mapping[str, Any]
ROUND = 4  # points asked for at a time: what is known of one round shapes the next
STARTUP = 8  # points before the sampler has enough to learn from
DIGITS = 3  # significant ones of a suggested number: nobody wants β 12.48213
# Reconstruct well with little information: the trade-off whose front the search is to find.
OBJECTIVES: dict[str, str] = {"r2_validation": "maximize", "kl": "minimize"}
INFORMATION = ("latent-dim", "beta", "mmd-weight")  # names of what decides how much the latents may hold
UNHEALTHY = ("collapsed", "over_regularised")


@dataclass(frozen=True)
class Axis:
    """One parameter of FitVolumeVae that a search varies.

    Attributes
    ----------
    parameter, symbol : str
        Its name, and what tables call it.
    values : tuple
        Of a grid.
    low, high : float, optional
        Limits of optuna's search, on a logarithmic scale; without them it chooses among the values.
    """

    parameter: str
    symbol: str
    values: tuple[Any, ...]
    low: float | None = None
    high: float | None = None

    @property
    def whole(self) -> bool:
        """Whether the parameter is a whole number."""
        return isinstance(self.values[0], int)


AXES: dict[str, Axis] = {
    "latent-dim": Axis("latent_dim", "k", (4, 8, 12, 16, 24), 4, 32),
    "beta": Axis("beta", "β", (1.0, 10.0, 30.0, 100.0), 0.5, 300.0),
    "mmd-weight": Axis("mmd_weight", "λ", (300.0, 1000.0, 3000.0, 10000.0), 100.0, 30000.0),
    "learning-rate": Axis("learning_rate", "learning rate", (1e-3, 4e-3, 8e-3), 5e-4, 2e-2),
    "batch-size": Axis("batch_size", "batch", (16, 32, 64)),
    "width": Axis("width", "width", (4, 8, 16)),
    "epochs": Axis("max_epochs", "epochs", (25, 50, 100), 20, 200),
}


def axes_of(names: Sequence[str]) -> list[Axis]:
    """The axes of some names; ValueError where one is not known.

    >>> [axis.parameter for axis in axes_of(["latent-dim", "epochs"])]
    ['latent_dim', 'max_epochs']
    """
    unknown = [name for name in names if name not in AXES]
    if unknown or not names:
        raise ValueError(f"a search over {', '.join(unknown) or 'nothing'}: choose among {', '.join(AXES)}")
    return [AXES[name] for name in dict.fromkeys(names)]


def objectives_of(names: Sequence[str]) -> dict[str, str]:
    """What a search over some names optimises: where trials differ only in their training, a small KL is no aim.

    >>> objectives_of(["learning-rate", "epochs"])
    {'r2_validation': 'maximize'}
    """
    return {name: way for name, way in OBJECTIVES.items() if name != "kl" or set(INFORMATION).intersection(names)}


def grid_points(names: Sequence[str]) -> list[Point]:
    """Every combination of the axes' values, each with its setting's name, as `sweep` takes them.

    >>> grid_points(["batch-size"])[0]
    {'batch_size': 16, 'setting': 'batch 16'}
    """
    points = grid(**{axis.parameter: axis.values for axis in axes_of(names)})
    return [point | {"setting": setting_of_point(point)} for point in points]


def setting_of_point(point: Point) -> str:
    """What tables call a trial.

    >>> setting_of_point({"latent_dim": 12, "beta": 10.0})
    'k 12, β 10'
    """
    symbols = {axis.parameter: axis.symbol for axis in AXES.values()}
    return ", ".join(f"{symbols.get(name, name)} {value:g}" for name, value in point.items())


@graph.define(outputs={"table": File})
def VolumeGrid(
    volumes: File,
    volume_split: File,
    mask: File,
    pca: File,
    points: list[Point],
    family: str = "VAE",
    seed: int = 0,
    fit: Options = EMPTY,
):
    """One VAE for each point of a grid, and one table of their scores.

    Parameters
    ----------
    volumes, volume_split, mask, pca : file
        Those of `VolumeData`.
    points : list of dict
        Parameters of FitVolumeVae, the same names in each, and each one's ``setting`` (`grid_points`).
    family : str
        What the table calls the models.
    seed : int
        Of every fit.
    fit : dict
        Further parameters of FitVolumeVae.
    """
    data = {"volumes": volumes, "volume_split": volume_split, "mask": mask}
    device = {"device": fit["device"]} if "device" in fit else {}
    score = partial(ScoreVolumeVae, **data, **device, pca=pca, name=family, seed=seed)
    shared = {key: value for key, value in fit.items() if key not in points[0]}
    return sweep(FitVolumeVae, score, points, "grid", **data, seed=seed, **shared, also=("history",))


@dataclass(frozen=True)
class Trial:
    """One point of a search and what came of it.

    Attributes
    ----------
    point : dict
        Parameters of FitVolumeVae that vary.
    row : mapping or None
        Of ScoreVolumeVae; None where the fit failed.
    """

    point: Point
    row: Row | None

    @property
    def setting(self) -> str:
        """What tables call it."""
        return setting_of_point(self.point)


def row_of(score: Path) -> Row:
    """The only row of ScoreVolumeVae's table."""
    (row,) = read_table(score).to_dict("records")
    return row


def search(
    run_points: Callable[[list[Point]], Sequence[Row | None] | None],
    names: Sequence[str],
    n_trials: int = 20,
    *,
    first: Sequence[Point] = (),
    seed: int = 0,
    objectives: Mapping[str, str] = OBJECTIVES,
) -> list[Trial]:
    """Search by optuna, a round of points after another.

    Parameters
    ----------
    run_points : callable
        Fits and scores points, none of them twice in a search; gives a row of scores for each (None: it failed), or
        None where the search shall end, as after an interrupt.
    names : sequence of str
        What varies, of `AXES`.
    n_trials : int
        Points to ask for; those asked for twice are fitted once, so fewer trials may come back.
    first : sequence of dict
        Points to begin with, such as the recipe's own; what is missing or None in them is suggested.
    seed : int
        Of the sampler.
    objectives : mapping
        Columns of the rows, each to maximize or minimize. Collapsed and over-regularised trials count as infeasible,
        so that the search does not follow the KL to 0.

    Returns
    -------
    list of Trial
        Different points, in the order in which they were first asked for.
    """
    axes, study = axes_of(names), _study(seed, objectives)
    for point in first:
        own = {axis.parameter: point.get(axis.parameter) for axis in axes}
        study.enqueue_trial({name: value for name, value in own.items() if value is not None})
    known: dict[str, Trial] = {}
    for start in range(0, n_trials, ROUND):
        asked = [study.ask() for _ in range(min(ROUND, n_trials - start))]
        points = [_suggested(trial, axes) for trial in asked]
        new = {setting_of_point(p): p for p in points if setting_of_point(p) not in known}
        rows = run_points(list(new.values())) if new else []
        if rows is None:
            break
        known |= {name: Trial(p, row) for (name, p), row in zip(new.items(), rows, strict=True)}
        for trial, point in zip(asked, points, strict=True):
            _tell(study, trial, known[setting_of_point(point)].row, objectives)
    return list(known.values())


def _study(seed: int, objectives: Mapping[str, str]):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP)
    return optuna.create_study(directions=list(objectives.values()), sampler=sampler)


def _suggested(trial, axes: Sequence[Axis]) -> Point:
    """The sampler's next point, rounded: its name, its key and its value are then the same."""
    point: Point = {}
    for axis in axes:
        if axis.low is None or axis.high is None:
            point[axis.parameter] = trial.suggest_categorical(axis.parameter, list(axis.values))
        elif axis.whole:
            point[axis.parameter] = trial.suggest_int(axis.parameter, int(axis.low), int(axis.high), log=True)
        else:
            point[axis.parameter] = _rounded(trial.suggest_float(axis.parameter, axis.low, axis.high, log=True))
    return point


def _rounded(value: float) -> float:
    """Three significant digits.

    >>> _rounded(12.48213), _rounded(0.00213549)
    (12.5, 0.00214)
    """
    return round(value, DIGITS - 1 - floor(log10(abs(value)))) if value else 0.0


def _tell(study, trial, row: Row | None, objectives: Mapping[str, str]) -> None:
    import optuna

    values = [] if row is None else [float(row[name]) for name in objectives]
    if row is None or not all(map(isfinite, values)):
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    trial.set_constraint("unhealthy", float(any(str(row.get(name)) == "True" for name in UNHEALTHY)))
    study.tell(trial, values)
