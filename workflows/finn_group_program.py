"""finn's group level as a program: what it reads from OUTPUT and the derivatives, runs, and delivers."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from pydra_vae.bids.files import InputError
from pydra_vae.bids.names import parse
from pydra_vae.bids.plan import SubjectPlan, plan_again, recorded_file
from pydra_vae.engine.runner import Outcome, run
from pydra_vae.options.finn import chosen_analyses
from pydra_vae.options.parser import step_options
from pydra_vae.workflows.finn_group import BROUGHT, KINDS, OUTPUTS, PARTS, GroupScience, SubjectForGroup
from pydra_vae.workflows.finn_group_inputs import (
    METRICS,
    NATIVE,
    NEEDED,
    OF_PERSONS,
    as_fitted,
    chosen_subjects,
    find_subjects,
    image,
    read_json,
    record_of,
    some_of,
    warnings_of,
)
from pydra_vae.workflows.finn_group_outputs import deliver_group, shared_target, targets
from pydra_vae.workflows.finn_group_report import GATHERED, SHOWN, GroupCvae
from pydra_vae.workflows.finn_inputs import check_choices, of_the_dataset
from pydra_vae.workflows.finn_outputs import ANALYSIS_FILES, plan_files
from pydra_vae.workflows.needs import finn_group_needs
from pydra_vae.workflows.program import running, say, within_memory
from pydra_vae.workflows.repeat import Repeat


def run_group(
    derivatives: Path,
    output: Path,
    options: argparse.Namespace,
    console: Console,
    repeat: Repeat | None = None,
    **report: Any,
) -> int:
    """Analyse the group and write its tables and report into the output folder; returns the exit status."""
    if not output.is_dir():
        raise InputError(f"{output} does not exist: run the participant level into it first")
    tables, problems = find_subjects(output)
    if options.participant_label:
        tables, problems = chosen_subjects(options.participant_label, tables, problems, output)
    for problem in problems.values():
        say(console, "finn", problem)
    if not tables:
        return 2
    group = Group(derivatives, output, tables, options, console)
    if options.dry_run:
        for label, path in tables.items():
            print(f"{label}: reads {path}")
        group.subjects(problems)  # says whose runs are not there
        made = group.expected()
        kinds = (options.shared_kinds or KINDS) if "shared_models" in made else []
        there = targets(output, group.on_surface)
        print("\n".join(f"writes {target}" for name, target in there.items() if name in made))
        print("\n".join(f"writes {shared_target(output, kind)}" for kind in kinds), end="\n" if kinds else "")
        print("nothing was run (--dry-run)")
        return 1 if problems else 0
    if repeat is not None:
        repeat.write(output)
    cost = finn_group_needs(group.sizes())
    if cost is not None:
        within_memory(options, cost, console, "finn")
    how = running(options, console)
    across: dict[str, Any] = {}
    outcomes: list[Outcome] = []
    tasks = group.subjects(problems)
    if tasks:
        console.print("What each subject brings (found in the work folder where it is still there)", style="bold")
        brought = run(tasks, **how, stop_on_first_crash=options.stop_on_first_crash)
        outcomes.append(brought)
        problems |= {label: f"{label}: {failure.message}" for label, failure in brought.failures.items()}
        parts = group.parts(brought.outputs)
        if parts and not brought.interrupted:
            console.print("Across subjects", style="bold")
            outcomes.append(run(parts, **how, stop_on_first_crash=options.stop_on_first_crash))
            across = group.found(outcomes[-1])
    if not any(outcome.interrupted for outcome in outcomes):
        task = group.task(across, problems, report)
        kinds = options.shared_kinds or KINDS

        def deliver(_: str, outputs: Any) -> None:
            deliver_group(outputs, across, output, list(tables.values()), kinds)

        outcomes.append(run({"group": task}, **how, on_done=deliver))
        if not outcomes[-1].exit_code:
            console.print(f"group of {len(tables)}: {output / 'index.html'}", markup=False)
    return max(outcome.exit_code for outcome in outcomes) or (1 if problems else 0)


class Group:
    """What the group level knows before it runs: who is there, what was fitted on what, what was asked for."""

    def __init__(
        self, derivatives: Path, output: Path, tables: dict[str, Path], options: argparse.Namespace, console: Console
    ):
        self.derivatives, self.output, self.tables = derivatives, output, tables
        self.options, self.console = options, console
        self.records = {label: record_of(path) for label, path in tables.items()}
        self.persons = {label: label.split("_")[0] for label in tables}
        self.skipped: dict[str, str] = {}
        self.backgrounds: dict[str, tuple[Path | None, str]] = {}
        self.infos: dict[str, Path] = {}
        self.analyses = self._possible(chosen_analyses(options.analyses, "group"))
        check_choices(options, self.analyses, list(dict.fromkeys(self.persons.values())), self.participants, output)

    def sizes(self) -> list[tuple[Path, int]]:
        """Of each subject, its table of voxels and its frames."""
        return [
            (Path(f"{self._stem(label)}{NEEDED['split']}"), made.get("n_frames", 0))
            for label, made in self.records.items()
        ]

    def _possible(self, analyses: list[str]) -> list[str]:
        """Those that these subjects allow; `skipped` then says why not the others."""
        n_persons = len(set(self.persons.values()))
        if len(self.tables) < 2:
            self.skipped |= dict.fromkeys(analyses, "two subjects are needed, and there is one")
        elif n_persons > 1 and (native := self._native()):
            reason = (
                f"{some_of(native)} lie in a space of their own, where the same voxel is another place in each "
                "brain: run the participant level with --space MNI152NLin2009cAsym (or another template)"
            )
            if self.options.analyses and analyses:
                raise InputError(f"--analyses {' '.join(analyses)}: {reason}")
            self.skipped |= dict.fromkeys(analyses, reason)
        elif n_persons == 1:
            self.skipped |= {name: "all recordings are of one person" for name in OF_PERSONS if name in analyses}
        elif "identification" in analyses and not self._can_refit():
            self.skipped["identification"] = "the models were given (--model), so no half can be fitted like them"
        self._say_skipped()
        return [name for name in analyses if name not in self.skipped]

    @property
    def on_surface(self) -> bool:
        """Whether rows are grayordinates, as the first subject's mask says."""
        return self._mask(next(iter(self.tables))).name.endswith(".dscalar.nii")

    @property
    def participants(self) -> Path:
        """The table of scores."""
        return self.options.participants or self.derivatives / "participants.tsv"

    def _say_skipped(self) -> None:
        for reason in dict.fromkeys(self.skipped.values()):
            names = ", ".join(name for name, why in self.skipped.items() if why == reason)
            say(self.console, "finn", f"no {names}: {reason}", "yellow")

    def _native(self) -> list[str]:
        """Persons whose results are not in a template's space."""
        names = {label: parse(path.name).entities.get("space") for label, path in self.tables.items()}
        return list(dict.fromkeys(self.persons[label] for label, space in names.items() if space in NATIVE))

    def _can_refit(self) -> bool:
        return all("FitCvae" in record.get("Parameters", {}) for record in self.records.values())

    @property
    def further(self) -> list[str]:
        """Fits of each subject beside its own."""
        wanted = {"alignment": "floor", "identification": "halves"}
        return [fit for name, fit in wanted.items() if name in self.analyses and self._can_refit()]

    def subjects(self, problems: dict[str, str]) -> dict[str, Any]:
        """One `SubjectForGroup` each, where an analysis needs their series; problems are added."""
        if not self.analyses:
            return {}
        plans, missing = plan_again(self.derivatives, self.records, self.output)
        problems |= missing
        for problem in missing.values():
            say(self.console, "finn", problem)
        self.backgrounds = {plan.label: plan.background for plan in plans}
        if "identification" in self.analyses and not all(plan.can_be_halved for plan in plans):
            self.analyses.remove("identification")
            self.skipped["identification"] = "half of the frames are too few for a fit"
            self._say_skipped()
        return {plan.label: SubjectForGroup(**self._inputs(plan)) for plan in plans}

    def _inputs(self, plan: SubjectPlan) -> dict[str, Any]:
        """A subject's files and the parameters that its fit had."""
        made, stem = self.records[plan.label], self._stem(plan.label)
        parameters = made["Parameters"]
        files = plan_files(plan)
        t_r = files.pop("t_r")
        timing = {} if t_r is None else {"t_r": t_r}
        scheme = parameters["split"]
        return {
            **{name: files[name] for name in files if name not in ("label", "background", "inflated")},
            "model": Path(f"{stem}{NEEDED['model']}"),
            "config": Path(f"{stem}{NEEDED['configuration']}"),
            "mean_image": recorded_file(made, "mean_image", self.derivatives, self.output),
            "scheme": "random" if scheme == "both" else scheme,
            "seed": parameters["seed"],
            "further": self.further,
            "extract": parameters["MaskBold"] | timing,
            "normalize": parameters["Normalize"] | {"tsnr_units": parameters["Tsnr"]["units"]},
            "fit": parameters.get("FitCvae", {"latent_dim": made["latent_dim"]}) | {"device": self.options.device},
            "gradients": self._gradients(plan.label),
        }

    def _gradients(self, label: str) -> dict[str, Any]:
        """Parameters of the diffusion embedding: those given here, else those of the subject's own."""
        beside = Path(f"{self._stem(label)}_{ANALYSIS_FILES['gradient_maps'].removesuffix('.nii.gz')}.json")
        recorded = read_json(beside)["Parameters"].get("analysis", {}).get("gradients", {}) if beside.is_file() else {}
        return {name: value for name, value in recorded.items() if name != "n_components"} | step_options(
            self.options
        ).get("gradients", {})

    def parts(self, brought: Mapping[str, Any]) -> dict[str, GroupScience]:
        """One `GroupScience` for each part of the analyses, over what the subjects brought."""
        if len(brought) < 2:
            self.skipped |= dict.fromkeys(self.analyses, "two subjects are needed, see the failures above")
            return {}
        there = {self.persons[label].removeprefix("sub-") for label in brought}
        lost = sorted(set(self.options.shared_training_labels or ()) - there)
        if lost and "shared" in self.analyses:
            self.analyses.remove("shared")
            self.skipped["shared"] = f"{', '.join(lost)} of its training subjects failed, see above"
            self._say_skipped()
        self.infos = {label: made.gradients_info for label, made in brought.items()}
        inputs = self._science(brought)
        return {part: GroupScience(part=part, **inputs) for part in self._parts()}

    def _parts(self) -> list[str]:
        parts = [part for name in self.analyses for part in PARTS.get(name, (name,))]
        return [part for part in parts if part != "score" or self.options.score is not None]

    def expected(self) -> set[str]:
        """Names of the outputs that a run would give."""
        found = {name for name in GATHERED if any(self._table(label, name).is_file() for label in self.tables)}
        if "sweep" in found:
            found |= {"choice", "curve"}
        return {"table", "index", *found, *(name for part in self._parts() for name in OUTPUTS[part])}

    def found(self, outcome: Outcome) -> dict[str, Any]:
        """What came of the parts, by name; `skipped` says what failed."""
        for part, failure in outcome.failures.items():
            name = next((name for name, parts in PARTS.items() if part in parts), part)
            why = f"{part} failed: {failure.message}"
            self.skipped[name] = f"{self.skipped[name]}; {why}" if name in self.skipped else why
        return {
            name: path
            for part, outputs in outcome.outputs.items()
            for name in OUTPUTS[part]
            if (path := getattr(outputs, name)) is not None
        }

    def task(self, across: Mapping[str, Any], problems: Mapping[str, str], report: dict[str, Any]) -> GroupCvae:
        """The group's tables and report."""
        found = {
            name: {label: str(path) for label in self.tables if (path := self._table(label, name)).is_file()}
            for name in GATHERED
        }
        shown = {
            "links": json.dumps({label: f"{label}.html" for label in self.tables if self._page(label)}),
            "warnings": json.dumps({label: warnings_of(path) for label, path in self.tables.items()}),
            "failures": json.dumps([{"label": n, "step": "", "message": text} for n, text in problems.items()]),
            "skipped": json.dumps(self.skipped),
            "linear_skip": "pca" if any(made["linear_skip"] == "pca" for made in self.records.values()) else "none",
        }
        return GroupCvae(
            metrics=list(self.tables.values()),
            tables={name: files for name, files in found.items() if files},
            across={name: str(path) for name, path in across.items() if name in SHOWN},
            report=shown | self._example() | self._dataset() | report,
        )

    def _dataset(self) -> dict[str, Any]:
        """Its name, and whether a program made it."""
        said = of_the_dataset(self.derivatives)
        return {name: said[name] for name in ("dataset", "simulated")}

    def _science(self, brought: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs of `GroupScience`."""
        given = step_options(self.options)
        labels = [label for label in self.tables if label in brought]
        members = self.options.shared_training_labels or self._trained_on(labels)
        files = {name: [getattr(brought[label], name) for label in labels] for name in BROUGHT}
        files = {name: None if None in paths else paths for name, paths in files.items()}
        return {
            **files,
            "metrics": [self.tables[label] for label in labels],
            "labels": labels,
            "persons": [self.persons[label] for label in labels],
            "participants": self.participants if self.options.score else None,
            "score": self.options.score,
            "members": [self.persons[n].removeprefix("sub-") in members for n in labels] if members else None,
            "transfer": given.get("transfer", {}),
            "shared": as_fitted(self.records[labels[0]]) | given.get("shared", {}) | {"device": self.options.device},
            "permutations": given.get("permutations", {}),
            "kinds": self.options.shared_kinds or KINDS,
        }

    def _trained_on(self, labels: list[str]) -> list[str] | None:
        """Whom the shared models that are here were trained on: others join them, until another list is given."""
        for path in self.output.glob("group_desc-*_model.json"):
            trained = [self.persons.get(label, "").removeprefix("sub-") for label in read_json(path)["labels"]]
            if set(trained) < {self.persons[label].removeprefix("sub-") for label in labels}:
                return trained
        return None

    def _example(self) -> dict[str, Any]:
        """Maps and matrices of the first subject that has them."""
        names = ("gradient_maps", "matrices", "matrix_parcels")
        for label, stem in ((label, self._stem(label)) for label in self.tables):
            gradients, matrices, parcels = (self._table(label, name) for name in names)
            if gradients.is_file():
                background, name = self.backgrounds.get(label, (None, ""))
                shown = {"gradients": gradients, "matrices": matrices, "parcels": parcels, "background": background}
                shown |= {"latents": image(stem, "_desc-cvae_latents.nii.gz"), "mask": self._mask(label)}
                shown |= {"scaling": Path(f"{stem}{NEEDED['normalisation']}")}
                shown |= {"gradients_info": self.infos.get(label), "frequency_unit": self._frequency_unit(label)}
                return {"example": label, "background_name": name} | shown
        return {"mask": self._mask(next(iter(self.tables)))}

    def _frequency_unit(self, label: str) -> str:
        """Of the spectra: Hz, where the repetition time was known."""
        beside = self._table(label, "samples").with_suffix(".json")
        known = beside.is_file() and read_json(beside)["Parameters"].get("analysis", {}).get("t_r")
        return "Hz" if known else ""

    def _stem(self, label: str) -> str:
        return str(self.tables[label]).removesuffix(METRICS)

    def _table(self, label: str, name: str) -> Path:
        return image(self._stem(label), f"_{ANALYSIS_FILES[name]}")

    def _mask(self, label: str) -> Path:
        return image(self._stem(label), NEEDED["mask"])

    def _page(self, label: str) -> bool:
        return (self.output / f"{label}.html").is_file()
