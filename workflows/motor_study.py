"""One motor study while it runs: the passes, what each leaves for the next, and what is delivered.

It runs in passes, so that what fails takes nothing else with it: the region; the surface and each recording; what the
models share; each model; the comparison.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from pydra_vae.bids.dataset import check_recipe, describe_dataset
from pydra_vae.bids.derivatives import dataset_label
from pydra_vae.bids.recordings import Recording
from pydra_vae.bids.surface_files import template_surfaces
from pydra_vae.tasks.fit_surface_pca import FitSurfacePca
from pydra_vae.tasks.make_region import MakeRegion
from pydra_vae.tasks.project_reference import ProjectReference
from pydra_vae.tasks.spectral_clusters import SpectralClusters
from pydra_vae.tasks.split_subjects import SplitSubjects
from pydra_vae.tasks.write_factors import WriteFactors
from pydra_vae.workflows.motor_checks import check_enough, region_options
from pydra_vae.workflows.motor_inputs import all_parameters, chosen_grid, given_options, task_options
from pydra_vae.workflows.motor_models import IcaModel, TiVaeGrid, TiVaeModel
from pydra_vae.workflows.motor_outputs import Delivery
from pydra_vae.workflows.motor_page import info_of, shown_inputs
from pydra_vae.workflows.motor_parts import RecordingSeries, SurfaceGeometry
from pydra_vae.workflows.motor_report import ACROSS, GATHERED, NAMED, MotorComparison
from pydra_vae.workflows.motor_specs import Decomposition, Vae
from pydra_vae.workflows.passes import Passes
from pydra_vae.workflows.program import say

RECIPE = "motor"
GEOMETRY = "surface"
Models = tuple[list[Vae], list[Decomposition]]
SHOWN_ICA = ("temporal Infomax (extended), concatenated", "spatial Infomax (extended), mean")


class Study(Passes):
    """One study while it runs: what the passes leave for one another."""

    recipe = RECIPE

    def __init__(
        self,
        options: argparse.Namespace,
        console: Console,
        recordings: list[Recording],
        output: Path,
        models: Models,
    ):
        super().__init__(options, console)
        self.recordings, self.output = recordings, output
        self.given = given_options(options)
        self.fits, self.others = models
        self.grid = chosen_grid(options)
        self.files: dict[str, Any] = {}

    def run(self, report: Mapping[str, Any], problems: Mapping[str, str]) -> int:
        """All passes; returns the exit status."""
        check_recipe(self.output, RECIPE)
        self.note(problems)
        for part in (self._region, self._recordings, self._shared):
            if not part():
                return self.ended("without it there is nothing to compare")
        models = self._models()
        if self.interrupted or not models:
            return self.ended("no model is left to compare")
        self._compare(models, report)
        if not self.interrupted:
            self.console.print(f"{len(models)} model(s) delivered in {self.output}", markup=False, soft_wrap=True)
        return self.status or (1 if problems else 0)

    def _region(self) -> bool:
        chosen = region_options(self.options)
        step = MakeRegion(data=list(self.recordings[0].data), **chosen)
        made = self.run_pass("Region", {"region": step}).outputs.get("region")
        if made is None:
            return False
        self.region = json.loads(Path(made.info).read_text(encoding="utf-8"))
        self.files |= {"vertices": made.vertices, "region": made.info}
        self._surfaces()
        return True

    def _surfaces(self) -> None:
        """Surfaces for distances, for maps and to show them on."""
        sizes = (self.region["mesh_left"], self.region["mesh_right"])
        found = template_surfaces(self.region["space"], sizes)
        if self.options.surfaces:
            self.geodesic = list(self.options.surfaces)
        elif self.options.subject_surfaces:
            pairs = {r.person: r.surfaces for r in self.recordings if r.surfaces}
            self.geodesic = [path for pair in pairs.values() for path in pair]
        else:
            self.geodesic = list(found["pial"])
        self.surface, self.display = list(found["midthickness"]), list(found["inflated"])

    def _recordings(self) -> bool:
        tasks = {GEOMETRY: self._geometry()} | self._recording_tasks()
        outcome = self.run_pass("Surface, and each recording", tasks)
        made = outcome.outputs
        if outcome.interrupted or GEOMETRY not in made:
            return False
        for label in outcome.failures.keys() - {GEOMETRY}:
            say(self.console, RECIPE, f"{label} failed, see above; the other recordings go on")
        self.recordings = [recording for recording in self.recordings if recording.label in made]
        check_enough(self.recordings, self.options)
        labels = [recording.label for recording in self.recordings]
        self.series = [made[label].series for label in labels]
        expected = [made[label].regressors for label in labels]
        self.regressors = expected if any(expected) else None
        self.files["series_info"] = made[labels[0]].info
        self.files["geodesics_info"] = made[GEOMETRY].geodesics_info
        self.distances = (made[GEOMETRY].left, made[GEOMETRY].right)
        self.clusters = {"structural": made[GEOMETRY]}
        return True

    def _geometry(self) -> SurfaceGeometry:
        space = {name: self.files[name] for name in ("vertices", "region")}
        seed, paper = {"seed": self._split_seed}, self.options.paper_clusters
        literal = {"method": "paper_literal"} if paper else {}
        geodesics = self.given["geodesics"] | ({"limit": None} if paper else {})
        return SurfaceGeometry(
            **space, **seed, surfaces=self.geodesic, geodesics=geodesics, clusters=self.given["clusters"] | literal
        )

    def _recording_tasks(self) -> dict[str, Any]:
        """One `RecordingSeries` for each recording."""
        return {
            recording.label: RecordingSeries(
                vertices=self.files["vertices"],
                region=self.files["region"],
                data=list(recording.data),
                sidecar=recording.sidecar,
                confounds=recording.confounds,
                confounds_json=recording.confounds_json,
                events=self._events(recording),
                n_frames=recording.n_frames,
                t_r=recording.t_r,
                start_time=recording.start_time,
                prepare=self.given["prepare"],
                task=task_options(self.options),
            )
            for recording in self.recordings
        }

    def _events(self, recording: Recording) -> list[Path] | None:
        if self.options.paper_timing:
            return []
        return list(recording.events) or None

    def _shared(self) -> bool:
        """What the models share: split, PCA, other clusters, the reference."""
        who = {
            "labels": [recording.label for recording in self.recordings],
            "persons": [recording.person for recording in self.recordings],
        }
        split = self.run_pass("Split", {"split": SplitSubjects(**who, seed=self._split_seed)}).outputs.get("split")
        if split is None:
            return False
        self.files["subject_split"] = split.subject_split
        data = {"series": self.series, "subject_split": split.subject_split}
        most = max([model.latent_dim for model in (*self.fits, *self.grid)] + [m.n_components for m in self.others])
        n = min(max(32, most), self.region["n_left"] + self.region["n_right"])
        tasks: dict[str, Any] = {
            "PCA": FitSurfacePca(**data, regressors=self.regressors, n_components=n, seed=self._split_seed)
        }
        wanted = {model.clusters for model in (*self.fits, *self.grid)}
        common = {"vertices": self.files["vertices"], "surfaces": self.geodesic[:2], "seed": self._split_seed}
        common |= self.given["clusters"]
        if "functional" in wanted:
            tasks["functional"] = SpectralClusters(
                **common, **data, distances=list(self.distances), method="functional"
            )
        if "random" in wanted:
            tasks["random"] = SpectralClusters(**common, like=self.clusters["structural"].clusters, method="random")
        if self.options.reference:
            tasks["reference"] = ProjectReference(
                reference=list(self.options.reference),
                vertices=self.files["vertices"],
                region=self.files["region"],
                surfaces=self.surface,
                names=self.options.reference_names,
            )
        outcome = self.run_pass("What the models share", tasks)
        made = outcome.outputs
        for name, failure in outcome.failures.items():
            self.skipped[name] = f"{name} failed: {failure.message}"
        self.clusters |= {name: made[name] for name in ("functional", "random") if name in made}
        self.files["pca"] = made["PCA"].pca if "PCA" in made else None
        if "reference" in made:
            self.files |= {"reference": made["reference"].maps, "reference_names": made["reference"].names}
        return not outcome.interrupted and "PCA" in made

    def _models(self) -> dict[str, tuple[Vae | Decomposition, Any]]:
        """Fit and score every model; by label, what it is and what came of it."""
        delivery = self._delivery()
        models: dict[str, Vae | Decomposition] = {
            model.label: model
            for model in (*self.fits, *self.others)
            if not isinstance(model, Vae) or model.clusters in self.clusters
        }
        tasks = {label: self._task(model) for label, model in models.items()}
        tasks |= self._grids()
        for model in self.fits:
            if model.label not in models:
                say(self.console, RECIPE, f"no {model.label}: its {model.clusters} clusters failed, see above")

        def deliver(label: str, outputs: Any) -> None:
            if label in models:
                delivery.model(models[label], outputs)

        outcome = self.run_pass("Models", tasks, deliver)
        self.grids = [made.table for label, made in outcome.outputs.items() if label not in models]
        for label in outcome.failures:
            say(self.console, RECIPE, f"{label} failed, see above; the other models go on")
        found = {label: (models[label], outcome.outputs[label]) for label in models if label in outcome.outputs}
        self._say_parameters(found)
        return found

    def _say_parameters(self, models: Mapping[str, tuple[Vae | Decomposition, Any]]) -> None:
        """How many parameters the first fit of each network has, by part."""
        seen = set()
        for label, (model, outputs) in models.items():
            if not isinstance(model, Vae) or (network := model.options.get("network", "mixer")) in seen:
                continue
            seen.add(network)
            made = json.loads(Path(outputs.config).read_text(encoding="utf-8"))
            parts = {name: n for name, n in made["parameters_by_part"].items() if name != "total"}
            told = ", ".join(f"{name} {n:,}" for name, n in parts.items())
            self.console.print(f"{label}: {made['parameters']:,} parameters ({told})", markup=False, soft_wrap=True)
            if network == "mixer":
                self.console.print(made["note_on_44k"], markup=False, soft_wrap=True)

    def _task(self, model: Vae | Decomposition) -> TiVaeModel | IcaModel:
        given = {name: self.files.get(name) for name in ("subject_split", "vertices", "region", "pca", "reference",
                                                         "reference_names")}  # fmt: skip
        common = {**given, "series": self.series, "regressors": self.regressors, "surfaces": self.surface}
        common |= {"task": self.given["task"], "family": model.family}
        if isinstance(model, Decomposition):
            how = {"method": model.method, "independence": model.independence, "data": model.data}
            return IcaModel(
                **common, n_components=model.n_components, ica=self.given["ica"] | how, shown=model.family in SHOWN_ICA
            )
        made = self.clusters[model.clusters]
        return TiVaeModel(
            **common,
            clusters=made.clusters,
            clusters_info=info_of(made),
            latent_dim=model.latent_dim,
            beta=model.beta,
            seed=model.seed,
            fit=self.given["fit"] | model.options | {"device": self.options.device},
            rotate=self.options.rotate if self._is_main(model) else "none",
            shown=(shown := self._is_main(model) and model.seed == self.fits[0].seed),
            own_maps=self._own_maps() if shown else None,
        )

    def _own_maps(self) -> list[str] | None:
        """Recordings of the subjects whose own maps were asked for."""
        wanted = {f"sub-{label}" for label in self.options.subject_maps or ()}
        return [recording.label for recording in self.recordings if recording.person in wanted] or None

    def _is_main(self, model: Vae | Decomposition) -> bool:
        """Whether it is one of the paper's own: TI-VAE with its total correlation."""
        return isinstance(model, Vae) and model.family.startswith("TI-VAE") and model.beta > 0

    def _grids(self) -> dict[str, TiVaeGrid]:
        """One `TiVaeGrid` for each family of the grid."""
        found = {}
        for family in dict.fromkeys(model.family for model in self.grid):
            points = [model for model in self.grid if model.family == family]
            if points[0].clusters not in self.clusters:
                continue  # failed
            made = self.clusters[points[0].clusters]
            found[f"grid {family}"] = TiVaeGrid(
                series=self.series,
                **{name: self.files[name] for name in ("subject_split", "vertices", "pca")},
                clusters=made.clusters,
                clusters_info=info_of(made),
                points=[{"latent_dim": m.latent_dim, "beta": m.beta, "seed": m.seed} for m in points],
                regressors=self.regressors,
                family=family,
                fit=self.given["fit"] | points[0].options | {"device": self.options.device},
            )
        return found

    def _delivery(self) -> Delivery:
        dataset = {dataset_label(self.options.data): self.options.data}
        describe_dataset(self.output, "motor", dataset)
        return Delivery(self.output, self.options.data, self.recordings, self.region, all_parameters(self.options))

    def _compare(self, models: Mapping[str, tuple[Vae | Decomposition, Any]], report: Mapping[str, Any]) -> None:
        """Tables and report of all models; factors of those that figures show."""
        delivery = self._delivery()
        tables = {name: _paths(models, output) for name, output in (GATHERED | NAMED).items()}
        if self.grids:
            tables["sweep"] = {f"grid {n}": str(path) for n, path in enumerate(self.grids)}
        for name in ("scores", "map_scores", "subjects", "courses", "summary"):
            gathered = "comparison" if name == "summary" else name
            tables[gathered] |= {f"{k} rotated": v for k, v in _paths(models, f"rotated_{name}").items()}
        repeated = [
            (label, model, outputs)
            for label, (model, outputs) in models.items()
            if isinstance(model, Vae) and sum(_alike(model, other) for other, _ in models.values()) > 1
        ]
        shown = {label: both for label, both in models.items() if getattr(both[1], "embedding", None) is not None}
        tasks: dict[str, Any] = {
            "comparison": MotorComparison(
                subject_split=self.files["subject_split"],
                tables={name: files for name, files in tables.items() if files},
                factors={label: str(outputs.factors) for label, _, outputs in repeated},
                seeds={label: model.seed for label, model, _ in repeated},
                report=shown_inputs(self, models, shown) | dict(report),
            )
        }
        trajectories = {
            f"factors of {label}": WriteFactors(
                factors=outputs.factors,
                subject_split=self.files["subject_split"],
                t_r=self.recordings[0].t_r,
                start=self._start(self.recordings[0]),
            )
            for label, (_, outputs) in shown.items()
        }

        def deliver(label: str, outputs: Any) -> None:
            if label == "comparison":
                made = {name: getattr(outputs, name) for name in (*GATHERED, *NAMED, *ACROSS, "report", "claims")}
                delivery.tables(made | self._surface_tables())
            else:
                delivery.factors(models[label.removeprefix("factors of ")][0], Path(outputs.tables))

        self.run_pass("Comparison", tasks | trajectories, deliver)

    def _start(self, recording: Recording) -> float:
        """Time of the first frame that is kept, in seconds."""
        return self.given["prepare"].get("dummy_scans", 0) * recording.t_r

    def _surface_tables(self) -> dict[str, Any]:
        found = {name: self.files[name] for name in ("vertices", "subject_split")}
        found["clusters"] = self.clusters["structural"].quality
        if "functional" in self.clusters:
            found["functional"] = self.clusters["functional"].quality
        return found

    @property
    def _split_seed(self) -> int:
        return 42 if self.options.split_seed is None else self.options.split_seed


def _paths(models: Mapping[str, tuple[Any, Any]], output: str) -> dict[str, str]:
    """An output of every model that has it, by the model's label."""
    found = {label: getattr(outputs, output, None) for label, (_, outputs) in models.items()}
    return {label: str(path) for label, path in found.items() if path is not None}


def _alike(model: Vae, other: Any) -> bool:
    """Whether two fits differ in their seeds only."""
    return isinstance(other, Vae) and replace(other, seed=model.seed) == model
