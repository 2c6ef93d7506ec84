"""One model for each point of a grid, each scored: the sweep that every recipe uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from pydra.compose import workflow

from pydra_vae.tasks.gather_tables import GatherTables

Point = dict[str, Any]


def grid(**values: Sequence[Any]) -> list[Point]:
    """Every combination of some parameters' values, the last one varying fastest.

    >>> grid(latent_dim=[2, 4], seed=[0, 1])[1]
    {'latent_dim': 2, 'seed': 1}
    """
    return [dict(zip(values, point, strict=True)) for point in product(*values.values())]


def sweep(
    fit: Callable[..., Any],
    score: Callable[..., Any],
    points: Sequence[Mapping[str, Any]],
    name: str,
    also: Sequence[str] = (),
    **same: Any,
):
    """Add to the workflow under construction one fit a point, its score, and the table of all.

    Each fit is the cached step that it would be outside the sweep: a point that was fitted before is not fitted
    again, and points that are still missing may train together in one process.

    Parameters
    ----------
    fit, score : Pydra tasks
        `fit` gives ``model`` and ``config``; `score` takes them, and gives ``score``, a table of one row.
    points : sequence of mapping
        Parameters of `fit` that differ between the models, the same names in each; ``setting`` is a name of the
        point for `score` instead.
    name : str
        Prefix of the nodes' names.
    also : sequence of str
        Further outputs of `fit` that `score` takes by the same name.
    **same
        Parameters of `fit` that all models share.

    Returns
    -------
    table : lazy file
        One row a point, in their order.
    """
    names = [key for key in points[0] if key != "setting"]
    columns = {key: [point[key] for point in points] for key in names}
    settings = [str(point.get("setting", "")) for point in points]
    fitted = workflow.add(fit(**same).split(tuple(names), **columns).combine(names), name=f"{name}_fits")
    each = {output: getattr(fitted, output) for output in ("model", "config", *also)} | {"setting": settings}
    scored = workflow.add(score().split(tuple(each), **each).combine(list(each)), name=f"{name}_scores")
    return workflow.add(GatherTables(tables=scored.score), name=f"{name}_table").table
