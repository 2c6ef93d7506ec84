"""finn's group level as a graph: what each subject brings, what is done across subjects, and the report.

Nothing of the group is needed by a subject, so a subject that is added is fitted alone, and only steps that see it are
done again.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import File
from pydra.compose import workflow

from pydra_vae.engine import graph
from pydra_vae.tasks.align import Align
from pydra_vae.tasks.diffusion_embedding import DiffusionEmbedding
from pydra_vae.tasks.encode import Encode
from pydra_vae.tasks.fit_controls import FitControls
from pydra_vae.tasks.fit_cvae import FitCvae
from pydra_vae.tasks.fit_shared import FitShared
from pydra_vae.tasks.gather_tables import GatherTables
from pydra_vae.tasks.group_statistics import GroupStatistics
from pydra_vae.tasks.halve_series import HalveSeries
from pydra_vae.tasks.identify import Identify
from pydra_vae.tasks.intersubject import IntersubjectCorrelation
from pydra_vae.tasks.join_shared import JoinShared
from pydra_vae.tasks.parcel_connectivity import ParcelConnectivity
from pydra_vae.tasks.parcel_distances import ParcelDistances
from pydra_vae.tasks.pca_scores import PcaScores
from pydra_vae.tasks.reconstruct import Reconstruct
from pydra_vae.tasks.score_mantel import ScoreMantel
from pydra_vae.tasks.score_shared import ScoreShared
from pydra_vae.tasks.shared_table import SharedTable
from pydra_vae.tasks.split_voxels import SplitVoxels
from pydra_vae.tasks.take_model import TakeModel
from pydra_vae.tasks.transfer_error import TransferError
from pydra_vae.workflows.finn_parts import EMPTY, Options, PrepareSeries, latent_dim_of

SERIES = ("scaled", "scaling", "frames", "mask", "voxels", "voxel_split")
FITTED = (
    "model", "config", "controls", "latents", "reconstruction", "pca", "gradients", "distances", "parcels",
    "pca_distances",
)  # fmt: skip
HALVES = ("first_distances", "second_distances", "first_connectivity", "second_connectivity")
FURTHER = ("other_latents", *HALVES)
BROUGHT = (*SERIES, *FITTED, *FURTHER)
# What each part of the group's analyses gives.
OUTPUTS: dict[str, tuple[str, ...]] = {
    "transfer": ("transfer",),
    "alignment": ("pairs", "nulls", "template", "template_maps"),
    "tests": ("tests",),
    "intersubject": ("isc",),
    "score": ("mantel",),
    "identification": ("identification", "identification_matrix"),
    "shared": ("shared", "shared_models", "shared_configs"),
}
LISTS = ("shared_models", "shared_configs")  # one file a kind
KINDS = ["shared_decoder", "subject_decoders", "pooled"]  # of shared models
PARTED = ("score", "latents", "held_out")  # of ScoreShared, for members and for newcomers
# The parts of an analysis; others are their own part. One that fails keeps no other from ending.
PARTS = {"statistics": ("tests", "intersubject", "score")}


@graph.define(
    outputs={**dict.fromkeys((*SERIES, *FITTED, "gradients_info"), File), **dict.fromkeys(FURTHER, File | None)}
)
def SubjectForGroup(
    bolds: list[File],
    model: File,
    config: File,
    brain_masks: list[File] | None = None,
    confounds: list[File | None] | None = None,
    confounds_json: list[File | None] | None = None,
    sidecars: list[File | None] | None = None,
    atlas: File | None = None,
    atlas_labels: File | None = None,
    mask_file: File | None = None,
    bolds_right: list[File] | None = None,
    atlas_right: File | None = None,
    surfaces: list[File] | None = None,
    mean_image: File | None = None,
    scheme: str = "random",
    seed: int = 0,
    further: list[str] = [],  # noqa: B006  (workflow inputs are copied by Pydra)
    extract: Options = EMPTY,
    normalize: Options = EMPTY,
    fit: Options = EMPTY,
    gradients: Options = EMPTY,
):
    """What one subject brings to the group: steps of its own level, found in the cache where they are still there.

    Parameters
    ----------
    bolds, brain_masks, confounds, confounds_json, sidecars, atlas, atlas_labels, mask_file, mean_image
        As in `SubjectCvae`, and so are bolds_right, atlas_right and surfaces.
    model, config : file
        The delivered model.
    scheme, seed, extract, normalize, fit
        As they were when it was fitted.
    further : list of str
        ``floor``: a fit with another seed, of the split of the voxels too, as a program run with another ``--seed``;
        ``halves``: fits of each half of the frames.
    gradients : dict
        Further parameters of DiffusionEmbedding.
    """
    data = workflow.add(
        PrepareSeries(
            bolds=bolds,
            brain_masks=brain_masks,
            confounds=confounds,
            confounds_json=confounds_json,
            sidecars=sidecars,
            atlas=atlas,
            atlas_labels=atlas_labels,
            mask_file=mask_file,
            bolds_right=bolds_right,
            atlas_right=atlas_right,
            surfaces=surfaces,
            mean_image=mean_image,
            extract=extract,
            normalize=normalize,
        )
    )
    device = {"device": fit["device"]} if "device" in fit else {}
    latent_dim = latent_dim_of(fit, config)
    place = {"scaling": data.scaling, "mask": data.mask}
    space = {**place, "voxels": data.voxels}
    series = {"scaled": data.scaled, "frames": data.frames}
    chosen = workflow.add(SplitVoxels(**space, scheme=scheme, seed=seed)).voxel_split
    controls = workflow.add(FitControls(**series, voxel_split=chosen, latent_dim=latent_dim)).controls
    taken = workflow.add(TakeModel(model=model, config=config))
    own = {"model": taken.model, "config": taken.config}
    latents = workflow.add(Encode(**own, scaled=data.scaled, **place, **device)).latents
    decoded = workflow.add(Reconstruct(**own, latents=latents, **device)).reconstruction
    pca = workflow.add(PcaScores(**series, controls=controls, latent_dim=latent_dim)).latents
    diffusion = workflow.add(
        DiffusionEmbedding(**space, **series, seed=seed, **{"n_components": latent_dim} | gradients)
    )
    between = workflow.add(ParcelDistances(latents=latents, **space))
    linear = workflow.add(ParcelDistances(latents=pca, **space), name="pca_distances")
    found: dict[str, Any] = {}

    def fitted(name: str, scaled: Any, frames: Any, voxel_split: Any = chosen, seed: int = seed) -> Any:
        """Latents of another fit of this subject."""
        split = {"voxel_split": voxel_split, "scheme": scheme, "seed": seed}
        made = workflow.add(FitCvae(scaled=scaled, frames=frames, **place, **split, **fit), name=f"{name}_fit")
        encode = Encode(model=made.model, config=made.config, scaled=scaled, **device)
        return workflow.add(encode, name=f"{name}_latents").latents

    if "floor" in further:
        # other voxels too: with a PCA beside the network, fits to the same voxels are alike from the start
        other = workflow.add(SplitVoxels(**space, scheme=scheme, seed=seed + 1), name="other_split").voxel_split
        found["other_latents"] = fitted("other_seed", data.scaled, data.frames, other, seed + 1)
    if "halves" in further:
        halves = workflow.add(HalveSeries(**series, scaling=data.scaling))
        for half, frames in (("first", halves.first_frames), ("second", halves.second_frames)):
            x = getattr(halves, half)
            one = fitted(f"{half}_half", x, frames)
            apart = workflow.add(ParcelDistances(latents=one, **space), name=f"{half}_half_distances")
            without = ParcelConnectivity(scaled=x, frames=frames, **space)
            found[f"{half}_distances"] = apart.distances
            found[f"{half}_connectivity"] = workflow.add(without, name=f"{half}_half_connectivity").connectivity
    return (
        data.scaled,
        data.scaling,
        data.frames,
        data.mask,
        data.voxels,
        chosen,
        taken.model,
        taken.config,
        controls,
        latents,
        decoded,
        pca,
        diffusion.gradients,
        between.distances,
        between.parcels,
        linear.distances,
        diffusion.info,
        *(found.get(name) for name in FURTHER),
    )


@graph.define(outputs={"model": File, "config": File, "scores": File, "pairs": File, "own_pairs": File})
def SharedModel(
    kind: str,
    labels: list[str],
    persons: list[str],
    members: list[bool],
    scaled: list[File],
    scalings: list[File],
    frames: list[File],
    masks: list[File],
    voxels: list[File],
    latents: list[File],
    shared: Options = EMPTY,
):
    """One model of several subjects: fitted on its members, joined by the others, scored and aligned on all.

    `latents` are those of the subjects' own models, which are aligned at the same places.
    """
    subject = {
        "label": labels,
        "scaled": scaled,
        "scaling": scalings,
        "frames": frames,
        "mask": masks,
        "voxels": voxels,
    }

    def those(member: bool) -> dict[str, list]:
        return {
            name: [v for v, m in zip(values, members, strict=True) if m == member] for name, values in subject.items()
        }

    inside, outside = those(True), those(False)
    lists = {f"{name}s": inside[name] for name in ("label", "scaling", "mask")}
    fitted = workflow.add(
        FitShared(
            **lists, scaled=inside["scaled"], frames=inside["frames"], voxels=inside["voxels"], kind=kind, **shared
        )
    )
    model = {"model": fitted.model, "config": fitted.config}
    device = {"device": shared["device"]} if "device" in shared else {}
    scored = ScoreShared(**model, **device).split(tuple(inside), **inside).combine(list(inside))
    first = workflow.add(scored, name="members")
    second = None
    if outside["label"]:
        training = {
            name: value for name, value in shared.items() if name not in ("latent_dim", "rank", "network", "scheme")
        }
        joined = workflow.add(JoinShared(**model, **training).split(tuple(outside), **outside).combine(list(outside)))
        each = outside | {"part": joined.part}
        scored = ScoreShared(**model, **device).split(tuple(each), **each).combine(list(each))
        second = workflow.add(scored, name="newcomers")
    order = [i for member in (True, False) for i, m in enumerate(members) if m == member]
    spaces = {"voxels": voxels, "scalings": scalings, "masks": masks, "own": latents}
    more = {} if second is None else {f"more_{name}": getattr(second, name) for name in PARTED}
    ended = workflow.add(
        AlignShared(
            labels=[labels[i] for i in order],
            persons=[persons[i] for i in order],
            **{name: getattr(first, name) for name in PARTED},
            **more,
            **{name: [files[i] for i in order] for name, files in spaces.items()},
        )
    )
    return fitted.model, fitted.config, ended.scores, ended.pairs, ended.own_pairs


@graph.define(outputs={"scores": File, "pairs": File, "own_pairs": File})
def AlignShared(
    labels: list[str],
    persons: list[str],
    score: list[File],
    latents: list[File],
    held_out: list[File],
    own: list[File],
    voxels: list[File],
    scalings: list[File],
    masks: list[File],
    more_score: list[File] | None = None,
    more_latents: list[File] | None = None,
    more_held_out: list[File] | None = None,
):
    """Members and newcomers of a shared model together: one table, one alignment, and that of their own models.

    Both alignments are of held-out places: at the others the shared model was trained to agree.
    """
    table = workflow.add(GatherTables(tables=[*score, *(more_score or [])]))
    same = {"labels": labels, "persons": persons, "voxels": voxels, "scalings": scalings, "masks": masks}
    same |= {"held_out": [*held_out, *(more_held_out or [])], "n_permutations": 0}
    aligned = workflow.add(Align(**same, latents=[*latents, *(more_latents or [])]), name="together")
    apart = workflow.add(Align(**same, latents=own), name="apart")
    return table.table, aligned.pairs, apart.pairs


@graph.define(
    outputs={name: (list[File] if name in LISTS else File) | None for names in OUTPUTS.values() for name in names}
)
def GroupScience(
    part: str,
    labels: list[str],
    persons: list[str],
    metrics: list[File],
    model: list[File],
    config: list[File],
    scaled: list[File],
    scaling: list[File],
    frames: list[File],
    mask: list[File],
    voxels: list[File],
    voxel_split: list[File],
    controls: list[File],
    latents: list[File],
    reconstruction: list[File],
    pca: list[File],
    gradients: list[File],
    distances: list[File],
    parcels: list[File],
    pca_distances: list[File],
    other_latents: list[File] | None = None,
    first_distances: list[File] | None = None,
    second_distances: list[File] | None = None,
    first_connectivity: list[File] | None = None,
    second_connectivity: list[File] | None = None,
    participants: File | None = None,
    score: str | None = None,
    members: list[bool] | None = None,
    kinds: list[str] = KINDS,
    transfer: Options = EMPTY,
    shared: Options = EMPTY,
    permutations: Options = EMPTY,
):
    """One part of the group's analyses; the outputs of the others are None.

    Parameters
    ----------
    part : str
        A key of `OUTPUTS`.
    labels, persons : list of str
        Of each recording, and whose it is.
    metrics : list of file
        Tables of SubjectMetrics.
    model, config, ... : list of file
        Outputs of `SubjectForGroup`, in the order of the labels.
    participants, score
        participants.tsv, and its column to hold against latent distances, for the part ``score``.
    members : list of bool, optional
        Who is trained on in shared models; the others join. All by default.
    kinds : list of str
        Of shared models.
    transfer, shared, permutations : dict
        Further parameters of TransferError, FitShared and of the permutation tests.
    """
    made: dict[str, Any] = {}
    spaces = {"voxels": voxels, "scalings": scaling, "masks": mask}
    whose = {"labels": labels, "persons": persons}
    if part == "transfer":
        pairs = list(product(range(len(labels)), repeat=2))
        of_source = {"model": model, "config": config, "controls": controls, "source": labels}
        of_target = {
            "scaled": scaled, "frames": frames, "scaling": scaling, "voxel_split": voxel_split, "target": labels,
        }  # fmt: skip
        each = {name: [values[i] for i, _ in pairs] for name, values in of_source.items()}
        each |= {name: [values[j] for _, j in pairs] for name, values in of_target.items()}
        errors = workflow.add(TransferError(**transfer).split(tuple(each), **each).combine(list(each)))
        made["transfer"] = workflow.add(GatherTables(tables=errors.row)).table
    elif part == "alignment":
        beside = {"other_seed": other_latents, "pca": pca, "gradients": gradients}
        aligned = workflow.add(Align(**whose, **spaces, latents=latents, **beside, **permutations))
        made = {name: getattr(aligned, name) for name in OUTPUTS["alignment"]}
    elif part == "tests":
        table = workflow.add(GatherTables(tables=metrics)).table
        made["tests"] = workflow.add(GroupStatistics(metrics=table, **permutations)).tests
    elif part == "intersubject":
        series = {"series": scaled, "reconstructions": reconstruction, "frames": frames, "controls": controls}
        made["isc"] = workflow.add(IntersubjectCorrelation(**whose, **spaces, **series)).isc
    elif part == "score":
        held = {"distances": distances, "controls": pca_distances, "parcels": parcels}
        held |= {"participants": participants, "score": score}
        made["mantel"] = workflow.add(ScoreMantel(labels=persons, **held, **permutations)).mantel
    elif part == "identification":
        halves = {"first": first_distances, "second": second_distances, "parcels": parcels}
        halves |= {"control_first": first_connectivity, "control_second": second_connectivity}
        found = workflow.add(Identify(**whose, **halves, **permutations))
        made = {"identification": found.identification, "identification_matrix": found.matrix}
    elif part == "shared":
        trained = SharedModel(
            **whose,
            **spaces,
            members=members or [True] * len(labels),
            scaled=scaled,
            frames=frames,
            latents=latents,
            shared=shared,
        )
        models = workflow.add(trained.split(kind=kinds).combine("kind"))
        table = SharedTable(
            kinds=kinds,
            scores=models.scores,
            alignments=models.pairs,
            independent=metrics,
            independent_alignments=models.own_pairs,
        )
        made = {"shared": workflow.add(table).table, "shared_models": models.model, "shared_configs": models.config}
    else:
        raise ValueError(f"part {part!r} is unknown: it must be one of {', '.join(OUTPUTS)}")
    return tuple(made.get(name) for names in OUTPUTS.values() for name in names)
