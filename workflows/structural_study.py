"""One structural study while it runs: the passes, what each leaves for the next, and what is delivered.

It runs in passes, so that what fails takes nothing else with it: each image; what the models share; each model; the
search; each analysis of the main model; the page.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pydra_vae.bids.dataset import check_recipe, describe_dataset
from pydra_vae.bids.plan import labels_beside
from pydra_vae.bids.volumes import Volume
from pydra_vae.tasks.covariates import Covariates
from pydra_vae.tasks.prepare_volume import PrepareVolume
from pydra_vae.tasks.recover_factors import RecoverFactors
from pydra_vae.tasks.write_latents import WriteLatents
from pydra_vae.workflows.program import say
from pydra_vae.workflows.structural_analyses import (
    Explained,
    Joint,
    LinearLatents,
    Longitudinal,
    Reconstructions,
    Regression,
    SecondModality,
)
from pydra_vae.workflows.structural_bold import BoldRuns
from pydra_vae.workflows.structural_checks import Plan, check_enough
from pydra_vae.workflows.structural_inputs import (
    NETWORKS_DIM,
    NETWORKS_STEPS,
    all_parameters,
    chosen_fits,
    given_options,
    seed_of,
    split_seed_of,
)
from pydra_vae.workflows.structural_models import VolumeModel
from pydra_vae.workflows.structural_networks import Networks
from pydra_vae.workflows.structural_outputs import Delivery, datasets_read
from pydra_vae.workflows.structural_page import StructuralPage, page_inputs, page_labels, page_tables
from pydra_vae.workflows.structural_parts import VolumeData
from pydra_vae.workflows.structural_search import (
    axes_of,
)
from pydra_vae.workflows.structural_specs import FAMILY, VolumeFit
from pydra_vae.workflows.structural_trials import SEARCHED_BY_DEFAULT, Trials

RECIPE = "structural"
DATA, COVARIATES, SECOND, LINEAR = "data", "covariates", "second modality", "PCA"


class Study(Trials):
    """One study while it runs: what the passes leave for one another.

    Attributes
    ----------
    found : Plan
    fits : list of VolumeFit
        The main one first.
    data, covariates, second, linear : outputs of the shared passes
    sizes : list of int
        Components of each of the linear latents.
    models : dict of str to outputs
        Of `VolumeModel`, by the fit's setting.
    analyses : dict of str to outputs
        By the analysis' label.
    """

    recipe = RECIPE

    def __init__(
        self,
        options: argparse.Namespace,
        console: Console,
        found: Plan,
        output: Path,
        networks: Sequence[BoldRuns] = (),
        truth: Path | None = None,
    ):
        super().__init__(options, console)
        self.found, self.output, self.truth = found, output, truth
        self.networks = {f"networks {runs.label}": runs for runs in networks}
        self.given = given_options(options)
        self.seed = seed_of(options)
        self.fits = chosen_fits(options)
        self.skipped |= found.skipped
        self.models: dict[str, Any] = {}
        self.analyses: dict[str, Any] = {}
        self.searched: dict[str, Path] = {}
        self.second: Any = None
        self.linear: Any = None
        self.sizes: list[int] = []

    def run(self, report: Mapping[str, Any]) -> int:
        """All passes; returns the exit status."""
        check_recipe(self.output, RECIPE)
        self.note(self.found.problems)
        for part in (self._images, self._shared, self.search, self._models) if self.found.volumes else ():
            if not part():
                return self.ended("without it there is nothing to analyse")
        self._analyses()
        if self.interrupted:
            return self.status
        self._page(report)
        if not self.interrupted:
            n = len(self.analyses)
            said = (
                f"{len(self.models)} model(s) and {n} {'analysis' if n == 1 else 'analyses'} delivered in {self.output}"
            )
            self.console.print(said, markup=False, soft_wrap=True)
        return self.status or (1 if self.found.problems else 0)

    def _images(self) -> bool:
        """Bring every image to the common grid."""
        tasks = {volume.label: self._prepared(volume) for volume in self.found.volumes}
        second = {
            f"{label} (second modality)": self._prepared(volume, fit_to_options=False)
            for label, volume in zip(self.found.second_labels, self.found.second, strict=True)
        }
        outcome = self.run_pass("Images", tasks | second)
        if outcome.interrupted:
            return False
        made = outcome.outputs
        for label in outcome.failures:
            say(self.console, RECIPE, f"{label} failed, see above; the other images go on")
        self.found.volumes = [volume for volume in self.found.volumes if volume.label in made]
        check_enough([volume.person for volume in self.found.volumes], self.options)
        self.labels = [volume.label for volume in self.found.volumes]
        self.prepared = [made[label].volume for label in self.labels]
        self.prepared_second = {
            label: made[key].volume for label in self.labels if (key := f"{label} (second modality)") in made
        }
        return True

    def _prepared(self, volume: Volume, fit_to_options: bool = True) -> PrepareVolume:
        own = self.found.grid if fit_to_options else self.found.second_grid
        grid = {"grid": own, "resolution": self.options.resolution} if fit_to_options or own else {}
        how = self.given["prepare"] if fit_to_options else {}
        mask = volume.brain_mask if how.get("normalization", "none") != "none" else None
        return PrepareVolume(image=volume.path, brain_mask=mask, **grid, **how)

    def _shared(self) -> bool:
        """What the models share: split, mask, matrix, PCA, tables, the second modality."""
        volumes = self.found.volumes
        persons = [volume.person for volume in volumes]
        data = VolumeData(
            volumes=self.prepared,
            labels=self.labels,
            persons=persons,
            brain_masks=self._brain_masks(),
            mask_file=self.options.mask,
            atlas=self.options.atlas,
            atlas_labels=labels_beside(self.options.atlas) if self.options.atlas else None,
            n_components=2 * self._most_latents(),
            split_seed=split_seed_of(self.options),
            mask=self.given["mask"],
        )
        table = Covariates(
            tables=self.found.tables,
            labels=self.labels,
            persons=persons,
            sessions=[volume.session for volume in volumes],
        )
        made = self.run_pass("What the models share", {DATA: data, COVARIATES: table}).outputs
        if DATA not in made or COVARIATES not in made:
            return False
        self.data, self.covariates = made[DATA], made[COVARIATES]
        self._delivery().shared(self.data, self.covariates)
        for note in json.loads(Path(self.covariates.info).read_text(encoding="utf-8"))["notes"]:
            say(self.console, RECIPE, f"covariates: {note}", "yellow")
        if self.prepared_second:
            step = SecondModality(
                volumes=list(self.prepared_second.values()),
                labels=list(self.prepared_second),
                wanted=self.labels,
                volume_split=self.data.volume_split,
            )
            self.second = self.run_pass("Second modality", {SECOND: step}).outputs.get(SECOND)
            if self.second is not None:
                self._delivery().second(self.second.mask, self.found.second)
        return not self.interrupted

    def _most_latents(self) -> int:
        """Of any fit, also of those that a search may ask for."""
        sizes = [fit.options["latent_dim"] for fit in self.fits]
        if self.options.search and "latent-dim" in (self.options.search_over or SEARCHED_BY_DEFAULT):
            (axis,) = axes_of(["latent-dim"])
            sizes += [*axis.values, int(axis.high or 0)]
        return max(sizes)

    def _brain_masks(self) -> list[Path] | None:
        masks = [volume.brain_mask for volume in self.found.volumes]
        return masks if all(masks) else None

    def _models(self) -> bool:
        """Fit and score every model; PCA's latents beside them."""
        delivery = self._delivery()
        fits = {fit.label: fit for fit in self.fits}
        k = self.main.options["latent_dim"]
        there = json.loads(Path(self.data.pca_info).read_text(encoding="utf-8"))["n_components"]
        self.sizes = list(dict.fromkeys(min(n, there) for n in (k, 2 * k)))  # few images have few components
        linear = LinearLatents(volumes=self.data.volumes, pca=self.data.pca, sizes=self.sizes)

        def deliver(label: str, outputs: Any) -> None:
            if label in fits:
                delivery.model(fits[label], outputs)

        tasks = {label: self.model(fit) for label, fit in fits.items()} | {LINEAR: linear}
        outcome = self.run_pass("Models", tasks, deliver)
        for label in outcome.failures:
            say(self.console, RECIPE, f"{label} failed, see above; the other models go on")
        self.models = {fit.setting: outcome.outputs[label] for label, fit in fits.items() if label in outcome.outputs}
        self.linear = outcome.outputs.get(LINEAR)
        self._say_verdicts({fit.label: self.models[fit.setting] for fit in self.fits if fit.setting in self.models})
        return not outcome.interrupted and self.main.setting in self.models

    def model(self, fit: VolumeFit) -> VolumeModel:
        """The workflow of a fit."""
        return VolumeModel(
            volumes=self.data.volumes,
            volume_split=self.data.volume_split,
            mask=self.data.mask,
            pca=self.data.pca,
            family=FAMILY,
            setting=fit.setting,
            seed=self.seed,
            fit=fit.options | {"device": self.options.device},
        )

    def _analyses(self) -> None:
        """Every analysis of the main model, and every subject's networks, each on its own."""
        delivery = self._delivery()
        tasks = self._tasks() if self.models else {}
        tasks |= {label: self._networks_of(runs) for label, runs in self.networks.items()}

        def deliver(label: str, outputs: Any) -> None:
            if label in self.networks:
                runs = self.networks[label]
                delivery.networks(runs.entities, runs.bolds, outputs, runs.background)
            else:
                delivery.analysis(label, outputs, self.main)

        outcome = self.run_pass("Analyses", tasks, deliver)
        for label, failure in outcome.failures.items():
            self.skipped[label] = f"{label} failed: {failure.message}"
            say(self.console, RECIPE, f"{label} failed, see above; the other analyses go on")
        self.analyses = outcome.outputs
        self._say_verdicts({label: made for label, made in self.analyses.items() if label in self.networks})

    def _say_verdicts(self, models: Mapping[str, Any]) -> None:
        """Which models' latents are not to be trusted, why, and what to try."""
        for label, outputs in models.items():
            verdict = json.loads(Path(outputs.verdict).read_text(encoding="utf-8"))
            if verdict["over_regularised"]:  # what has collapsed is that too
                what = "has collapsed" if verdict["collapsed"] else "is over-regularised"
                reasons = "; ".join(verdict["reasons"])
                say(self.console, RECIPE, f"{label} {what}: {reasons}. What to try: {verdict['advice']}", "yellow")

    def _networks_of(self, runs: BoldRuns) -> Networks:
        given = self.given["fit"]
        shared = ("network", "width", "learning_rate", "batch_size", "threads", "precision")
        fit = {name: given[name] for name in shared if name in given} | {"device": self.options.device}
        return Networks(
            **runs.inputs,
            reference=self.options.networks_atlas,
            reference_labels=runs.labels,
            latent_dim=self.options.networks_dim or NETWORKS_DIM,
            seed=self.seed,
            extract=self.given["extract"],
            fit=fit | ({"max_steps": steps} if (steps := self.options.networks_steps) else NETWORKS_STEPS),
        )

    def _tasks(self) -> dict[str, Any]:
        main, asked, tasks = self.models[self.main.setting], self.found.analyses, {}
        device = {"device": self.options.device}
        network = {"model": main.model, "config": main.config}
        data = {"volumes": self.data.volumes, "volume_split": self.data.volume_split}
        table = {"covariates": self.covariates.covariates}
        space = {"mask": self.data.mask, "pca": self.data.pca}
        k = self.main.options["latent_dim"]
        tasks["latents"] = WriteLatents(
            latents=main.latents, log_variance=main.log_variance, volume_split=self.data.volume_split
        )
        if self.linear is not None:
            tasks["components"] = WriteLatents(
                latents=self.linear.scores[-1], volume_split=self.data.volume_split, name="component"
            )
        if self.options.reconstructions:
            tasks["reconstructions"] = Reconstructions(**network, **device, latents=main.latents, mask=self.data.mask)
        if "explained" in asked:
            tasks["explained"] = Explained(
                **network, **data, **table, **space, **device, latents=main.latents, log_variance=main.log_variance,
                regions=self.data.regions, latent_dim=k, seed=self.seed,
                **{name: self.given[name] for name in ("traverse", "draw", "interpolate", "embed")},
            )  # fmt: skip
        if "regression" in asked and self.linear is not None:
            for target in self.found.targets:
                tasks[f"regression of {target}"] = Regression(
                    **table, volume_split=self.data.volume_split, target=target, seed=self.seed,
                    features=[main.latents, *self.linear.scores], names=[FAMILY, *(f"PCA-{n}" for n in self.sizes)],
                    confounds=self.options.confounds, regression=self.given["regression"],
                )  # fmt: skip
        if "joint" in asked:
            second = {} if self.second is None else {"second": self.second.volumes, "second_mask": self.second.mask}
            tasks["joint"] = Joint(
                **network, **data, **table, **space, **second, scores=self.options.scores or [], truth=self.truth,
                seed=self.seed, joint=self.given["joint"] | device,
            )  # fmt: skip
        if "longitudinal" in asked:
            followed = {"time": self.found.time} | self.given["longitudinal"]
            tasks["longitudinal"] = Longitudinal(
                **network, **data, **table, **space, **device, latents=main.latents, time=followed.pop("time"),
                seed=self.seed, visits=followed,
            )  # fmt: skip
        if self.truth is not None:
            linear = (
                {}
                if self.linear is None
                else {f"PCA-{n}": s for n, s in zip(self.sizes, self.linear.scores, strict=True)}
            )
            features = {fit: outputs.latents for fit, outputs in self.models.items()} | linear
            tasks["recovery"] = RecoverFactors(
                features=list(features.values()), names=list(features), targets=self.truth, seed=self.seed,
                volume_split=self.data.volume_split,
            )  # fmt: skip
        return tasks

    def _delivery(self) -> Delivery:
        persons = [path for path in self.found.tables if path.name == "participants.tsv"]
        datasets = datasets_read([self.options.data, self.options.bold, self.options.second_data, *persons])
        describe_dataset(self.output, "structural", datasets)
        given = all_parameters(self.options)
        bolds = [path for runs in self.networks.values() for path in runs.bolds]
        return Delivery(self.output, datasets, self.found.volumes, given, self.found.tables, bolds)

    def _page(self, report: Mapping[str, Any]) -> None:
        """Tables of all models, and the report."""
        delivery = self._delivery()
        parts = {"tables": page_tables(self), "labels": page_labels(self)}
        task = StructuralPage(**parts, report=page_inputs(self) | dict(report))
        self.run_pass("Report", {"report": task}, lambda _, made: delivery.page(made, self.searched.get("trials")))
