"""One VAE of brain volumes as a workflow: fitted, every image encoded, judged and scored beside its controls."""

from __future__ import annotations

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.choose_model import ChooseModel
from pydra_vae.tasks.encode_volumes import EncodeVolumes
from pydra_vae.tasks.fit_volume_vae import FitVolumeVae
from pydra_vae.tasks.gather_tables import GatherTables
from pydra_vae.tasks.score_volume_vae import ScoreVolumeVae
from pydra_vae.tasks.write_volumes import WriteVolumes
from pydra_vae.workflows.finn_parts import EMPTY, Options

FITTED = (
    "model", "config", "history", "latents", "log_variance", "score", "verdict", "examples", "examples_table",
    "examples_image",
)  # fmt: skip


@graph.define(outputs=dict.fromkeys(FITTED, File))
def VolumeModel(
    volumes: File,
    volume_split: File,
    mask: File,
    pca: File,
    family: str = "VAE",
    setting: str = "",
    seed: int = 0,
    fit: Options = EMPTY,
):
    """Fit one VAE, encode every image, judge and score it beside PCA of one and two times its size.

    Parameters
    ----------
    volumes, volume_split, mask, pca : file
        Those of `VolumeData`.
    family, setting, seed
        What the tables call the model, and the seed of its weights and batches.
    fit : dict
        Further parameters of FitVolumeVae.
    """
    device = {"device": fit["device"]} if "device" in fit else {}
    data = {"volumes": volumes, "volume_split": volume_split, "mask": mask}
    fitted = workflow.add(FitVolumeVae(**data, seed=seed, **fit))
    network = {"model": fitted.model, "config": fitted.config}
    encoded = workflow.add(EncodeVolumes(**network, **device, volumes=volumes, mask=mask))
    scored = workflow.add(
        ScoreVolumeVae(
            **network, **data, **device, pca=pca, history=fitted.history, name=family, setting=setting, seed=seed
        )
    )
    shown = workflow.add(WriteVolumes(values=scored.examples, mask=mask))
    return (
        fitted.model,
        fitted.config,
        fitted.history,
        encoded.latents,
        encoded.log_variance,
        scored.score,
        scored.verdict,
        scored.examples,
        scored.examples_table,
        shown.image,
    )


@graph.define(outputs={"chosen": File, "table": File})
def Choice(tables: list[File]):
    """Put the scores of all trials under one another and choose one by the stated rule.

    Parameters
    ----------
    tables : list of file
        Rows of ScoreVolumeVae.
    """
    trials = workflow.add(GatherTables(tables=tables)).table
    found = workflow.add(ChooseModel(trials=trials))
    return found.chosen, found.table
