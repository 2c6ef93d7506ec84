"""A TI-VAE between files and arrays: what FitTiVae reads and writes, and what later steps read of a fit.

FitTiVae and the joint training of several of its calls share these, so that both read, refuse and write the same.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import write_table
from pydra_vae.tasks._fits import complete, fingerprint, of_training
from pydra_vae.tasks._io import load_array, write_json
from pydra_vae.tasks._models import save_weights
from pydra_vae.tasks._recordings import Split, load_series
from pydra_vae.tasks._region import read_vertices

# Inputs of FitTiVae that are files; all others are options, but for the device, which is no part of a result's key.
FILES = ("subject_split", "vertices", "clusters", "clusters_info")
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Prepared:
    """One call of FitTiVae, read and checked.

    Attributes
    ----------
    inputs : dict
        As the step was called.
    problem : training.tivae.TiVaeProblem
    """

    inputs: dict
    problem: object

    def fingerprint(self, device: str) -> str:
        """Which fit this is, on that kind of device, for its checkpoint."""
        files = [*self.inputs["series"], *(self.inputs[name] for name in FILES)]
        options = {name: value for name, value in self.inputs.items() if name not in (*FILES, "series")}
        return fingerprint(files, {**options, "device": device.partition(":")[0]})


def prepare(inputs: dict, device, load: Callable[[Sequence[Path]], list] | None = None) -> Prepared:
    """Read the files of one call of FitTiVae.

    Parameters
    ----------
    inputs : dict
        Every input of the step by its name.
    device : torch.device
        Decides what precision "auto" is.
    load : callable, optional
        Opens the series, e.g. once for several calls.

    Raises
    ------
    ValueError
        Files that do not belong together; the message names them.
    """
    from pydra_vae.training.tivae import CROPS, RAMPS, TiVaeLoss, TiVaeProblem, native_bfloat16, tivae_recipe

    split = Split.load(inputs["subject_split"])
    split.check("series", inputs["series"])
    config, clusters = shapes(inputs)
    if inputs["recurrent_l2"] > 0 and not inputs["temporal_decoder"]:
        raise ValueError(
            f"recurrent_l2 is {inputs['recurrent_l2']:g}, but without a temporal decoder there are no hidden-to-hidden "
            "weights for it to act on: set temporal_decoder, or leave it 0"
        )
    name, precision = inputs["recipe"], inputs["precision"]
    steps = {key: inputs[key] for key in ("max_steps", "max_epochs", "batch_size", "learning_rate")}
    problem = TiVaeProblem(
        (load or load_series)(inputs["series"]),
        split.part.tolist(),
        config,
        clusters,
        loss=TiVaeLoss(inputs["kind"], inputs["beta"], inputs["recurrent_l2"]),
        recipe=tivae_recipe(name, **steps),
        crop=inputs["crop"] or CROPS[name],
        ramp=RAMPS[name],
        initialisation=inputs["initialisation"],
        bfloat16=precision == "bfloat16" or (precision == "auto" and native_bfloat16(device)),
        seed=inputs["seed"],
        names=split.label.tolist(),
    )
    return Prepared(inputs, problem)


def shapes(inputs: dict):
    """The model's configuration, and the clusters of the vertices (None in a linear network)."""
    from pydra_vae.models.tivae import TiVaeConfig

    left, right = (len(side) for side in read_vertices(inputs["vertices"]))
    options = {
        name: inputs[name] for name in ("latent_dim", "network", "input_layer", "share_hemispheres", "temporal_decoder")
    }
    if inputs["network"] == "linear":
        return TiVaeConfig(left, right, 0, 0, **options), None
    clusters = np.array(load_array(inputs["clusters"]))
    if clusters.shape != (left + right,):
        raise ValueError(
            f"{inputs['clusters']} has shape {clusters.shape} but {inputs['vertices']} lists {left + right} vertices: "
            "give clusters and vertices of one region"
        )
    sizes = [np.bincount(half) for half in (clusters[:left], clusters[left:])]
    n_clusters, largest = max(map(len, sizes)), max(int(size.max()) for size in sizes)
    return TiVaeConfig(left, right, n_clusters, largest, **options), clusters


def finish(prepared: Prepared, model, fit, folder: Path, device) -> tuple[Path, Path, Path]:
    """Write model, configuration and history of a fit into a folder.

    Parameters
    ----------
    model, fit : TiVae, training.fit.Fit
    device : str or Slot
    """
    return (
        save_weights(folder / "model.safetensors", model),
        write_json(folder / "model.json", describe(prepared, model, fit, device)),
        write_table(folder / "history.tsv", complete(_with_weights(prepared, fit.history))),
    )


def _with_weights(prepared: Prepared, history: list[dict]) -> list[dict]:
    """The history with what each term of the training loss weighed at that step."""
    from pydra_vae.training.annealing import Annealing

    problem, rises = prepared.problem, Annealing(_ramp_steps(prepared))
    weights = [problem.loss.weights(problem.config.latent_dim, rises(row["step"])) for row in history]
    return [row | {f"weight_{k}": v for k, v in own.items()} for row, own in zip(history, weights, strict=True)]


def _ramp_steps(prepared: Prepared) -> int:
    problem = prepared.problem
    return round(problem.ramp * problem.recipe.steps(problem.parts.count("train")))


def describe(prepared: Prepared, model, fit, device) -> dict:
    """The content of model.json.

    Parameters
    ----------
    prepared : Prepared
    model : TiVae
    fit : training.fit.Fit
    device : str or Slot
        The device that was used; a GPU's model and UUID are recorded.
    """
    inputs, problem, info = prepared.inputs, prepared.problem, prepared.inputs["clusters_info"]
    counts = model.parameter_counts()
    return {
        **asdict(model.config),
        "kind": inputs["kind"],
        "beta": inputs["beta"],
        "recurrent_l2": inputs["recurrent_l2"],
        "weights_of_terms": problem.loss.weights(problem.config.latent_dim),
        "clusters": None if info is None else json.loads(Path(info).read_text(encoding="utf-8")),
        "initialisation": inputs["initialisation"],
        "precision": "bfloat16" if problem.bfloat16 else "float32",
        "recipe": asdict(problem.recipe),
        "crop": problem.crop,
        "ramp_steps": _ramp_steps(prepared),
        "n_frames": int(problem.arrays[0].shape[0]),
        "recordings": {part: problem.parts.count(part) for part in PARTS},
        "parameters": counts["total"],
        "parameters_by_part": counts,
        "weights_by_part": model.parameter_counts(biases=False),
        "note_on_44k": _note(model, counts["total"]),
        "seed": inputs["seed"],
        **of_training(fit, device, inputs["threads"]),
    }


def _note(model, total: int) -> str:
    if model.config.network == "linear":
        return f"The paper's 76 million are weights of such a network for 53³ voxels and 16 factors; here {total:,}."
    return (
        "The paper's 44k are the three mixer layers of one encoder with 64 clusters and 256 features (43,684 weights, "
        f"44,193 with biases), without input layers, recurrent part and decoder; the whole model has {total:,} here."
    )


def read_config(path: Path) -> dict:
    """The content of a TI-VAE's model.json; the error names the file."""
    from pydra_vae.models.tivae import TiVaeConfig

    try:
        made = json.loads(Path(path).read_text(encoding="utf-8"))
        missing = [f.name for f in fields(TiVaeConfig) if f.name not in made]
        missing += [name for name in ("kind", "beta", "seed", "threads", "precision") if name not in made]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not the model.json of a fitted TI-VAE: {error}") from error
    if missing:
        raise ValueError(f"{path} is not the model.json of a fitted TI-VAE: it lacks {', '.join(missing)}")
    return made


def load_model(weights: Path, made: dict):
    """The `TiVae` of a model.json with its weights, in eval mode."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from pydra_vae.models.tivae import TiVae, TiVaeConfig

    model = TiVae(TiVaeConfig(**{field.name: made[field.name] for field in fields(TiVaeConfig)}))
    try:
        model.load_state_dict(load_file(str(weights)))
    except (SafetensorError, RuntimeError) as error:
        raise ValueError(
            f"{weights} does not hold the weights that its configuration describes ({made['network']}, "
            f"{made['n_left']} + {made['n_right']} vertices, {made['latent_dim']} factors): give the model and the "
            f"JSON of one fit. {error}"
        ) from error
    return model.eval()


def check_series(made: dict, arrays: Sequence[np.ndarray], paths: Sequence[Path]):
    """Refuse recordings of another region than the model's."""
    needed = made["n_left"] + made["n_right"]
    if arrays[0].shape[1] != needed:
        raise ValueError(
            f"{paths[0]} has {arrays[0].shape[1]} vertices but the model was fitted on {needed}: "
            "prepare the series for the model's region, or fit a new model"
        )
