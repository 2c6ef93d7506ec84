"""motor's participant level: recordings are prepared, and encoded with the models that the output folder holds.

Each recording's steps are those of the group level, which finds them in the work folder; so jobs of an array may
prepare a subject each. Once the group level has fitted models, the factors of new recordings are theirs, and nothing
is fitted.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydra.engine.submitter  # noqa: F401  (pydra.compose alone is a circular import)
from fileformats.generic import Directory, File
from pydra.compose import workflow
from rich.console import Console

from pydra_vae.bids.recordings import Recording, same_t_r
from pydra_vae.engine import graph
from pydra_vae.tasks.encode_factors import EncodeFactors
from pydra_vae.tasks.prepare_surface import PrepareSurface
from pydra_vae.tasks.write_factors import WriteFactors
from pydra_vae.workflows.motor_inputs import given_options
from pydra_vae.workflows.motor_outputs import Delivery, slug, targets
from pydra_vae.workflows.motor_specs import Vae
from pydra_vae.workflows.motor_study import RECIPE, Study
from pydra_vae.workflows.parameters import filled
from pydra_vae.workflows.program import say

AGAIN = "give the options of its group level, or run the group level again to fit new models"


@dataclass(frozen=True)
class Fitted:
    """A model that the group level delivered.

    Attributes
    ----------
    model : Vae
    weights, config : Path
    made : mapping
        Content of `config`.
    """

    model: Vae
    weights: Path
    config: Path
    made: Mapping[str, Any] = field(repr=False)

    def unlike(self, recording: Recording, options: argparse.Namespace) -> str | None:
        """What of the recordings, all like this one, is not as the model's were."""
        prepare = filled(PrepareSurface, given_options(options)["prepare"])
        n_frames, t_r = recording.n_frames - prepare["dummy_scans"], recording.t_r
        if n_frames != self.made["n_frames"]:
            return f"its recordings have {self.made['n_frames']} frames and these {n_frames}"
        was_t_r = self.made.get("RepetitionTime", t_r)
        if not same_t_r(was_t_r, t_r):
            return f"its recordings have a repetition time of {was_t_r:g} s and these {t_r:g} s"
        was = self.made.get("Parameters", {}).get(PrepareSurface.__name__, {})
        names = [name for name, value in was.items() if prepare.get(name, value) != value]
        if names:
            told = ", ".join(f"{name} {was[name]} (not {prepare[name]})" for name in names)
            return f"its recordings were prepared with {told}"
        return None


def fitted_models(output: Path) -> list[Fitted]:
    """The models of an output folder, in the order of their names."""
    found = []
    for weights in sorted(Path(output).glob("group_desc-*_model.safetensors")):
        config = weights.with_suffix(".json")
        try:
            made = json.loads(config.read_text(encoding="utf-8"))
            family = re.match(r"Weights of (.+) k=\d+ beta=", made["Description"])[1]
            model = Vae(family, "", made["latent_dim"], made["beta"], made["seed"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # none of ours
        if weights.name == f"group_desc-{slug(model)}_model.safetensors":
            found.append(Fitted(model, weights, config, made))
    return found


@graph.define(outputs={"tables": Directory})
def EncodedRecording(
    series: File, model: File, config: File, label: str, t_r: float, start: float = 0.0, device: str = "auto"
):
    """Factors of one recording under a fitted model, as a table.

    Parameters
    ----------
    series : file
        (T, V) array (PrepareSurface), of the model's region.
    model, config : file
        Weights and JSON of a fit.
    label : str
        The table's name.
    t_r, start : float
        Repetition time, and the first frame's time, in seconds.
    device : str
        auto, cpu, cuda, cuda:N or mps.
    """
    encoded = workflow.add(EncodeFactors(model=model, config=config, series=[series], device=device))
    written = workflow.add(WriteFactors(factors=encoded.factors, labels=[label], t_r=t_r, start=start))
    return written.tables


class Participants(Study):
    """The participant level while it runs."""

    def __init__(self, options: argparse.Namespace, console: Console, recordings: list[Recording], output: Path):
        super().__init__(options, console, recordings, output, ([], []))
        self.n_tables = 0
        self.refused: list[str] = []

    def run(self, report: Mapping[str, Any], problems: Mapping[str, str]) -> int:
        """All passes; returns the exit status."""
        models = fitted_models(self.output)
        if not self._region():
            return self.ended("without the region there is nothing to prepare")
        self._delivery()  # describes the folder
        models = self._usable(models)
        outcome = self.run_pass("Each recording", self._recording_tasks())
        for label in outcome.failures:
            say(self.console, RECIPE, f"{label} failed, see above; the other recordings go on")
        made = outcome.outputs
        if made and models and not self.interrupted and not (self.status and self.options.stop_on_first_crash):
            self._encode([recording for recording in self.recordings if recording.label in made], made, models)
        if not self.interrupted:
            self._say(len(made), len(models))
        return self.status or (1 if problems else 0)

    def _usable(self, models: list[Fitted]) -> list[Fitted]:
        """Models of this region, length and preparation; why not the others is said once, and raises the status."""
        first = self.recordings[0]
        reasons = {
            fitted.model.label: self._other_region(fitted) or fitted.unlike(first, self.options) for fitted in models
        }
        for reason in dict.fromkeys(why for why in reasons.values() if why):
            labels = [label for label, why in reasons.items() if why == reason]
            say(self.console, RECIPE, f"no factors of {', '.join(labels)} in {self.output}: {reason}; {AGAIN}")
            self.refused += labels
            self.status = max(self.status, 1)
        return [fitted for fitted in models if reasons[fitted.model.label] is None]

    def _other_region(self, fitted: Fitted) -> str | None:
        there = fitted.made["n_left"], fitted.made["n_right"]
        here = self.region["n_left"], self.region["n_right"]
        if there != here:
            return f"its region has {there[0]:,} + {there[1]:,} vertices and this one {here[0]:,} + {here[1]:,}"
        table = targets(self.output)["vertices"]
        if table.is_file() and table.read_bytes() != Path(self.files["vertices"]).read_bytes():
            return f"its region has other vertices than this one, see {table}"
        return None

    def _encode(self, recordings: list[Recording], made: Mapping[str, Any], models: list[Fitted]) -> None:
        """Encode every recording with every model, and deliver the factors."""
        pairs = {f"{one.label} {fitted.model.label}": (one, fitted) for one in recordings for fitted in models}
        tasks = {
            name: EncodedRecording(
                series=made[one.label].series,
                model=fitted.weights,
                config=fitted.config,
                label=one.label,
                t_r=one.t_r,
                start=self._start(one),
                device=self.options.device,
            )
            for name, (one, fitted) in pairs.items()
        }

        def deliver(name: str, outputs: Any) -> None:
            one, fitted = pairs[name]
            delivery = Delivery(self.output, self.options.data, [one], self.region, fitted.made.get("Parameters", {}))
            delivery.factors(fitted.model, Path(outputs.tables))
            self.n_tables += 1

        outcome = self.run_pass("Factors under the models of the group level", tasks, deliver)
        for name in outcome.failures:
            say(self.console, RECIPE, f"{name} failed, see above; the others go on")

    def _say(self, n_recordings: int, n_models: int) -> None:
        work = self.how["work_dir"]
        told = f"{n_recordings} recording(s) prepared in {work}, where the group level finds them"
        if n_models:
            told += f"; {self.n_tables} table(s) of factors delivered in {self.output}"
        self.console.print(told, markup=False, soft_wrap=True)
        if self.refused:
            say(self.console, RECIPE, f"no factors of {', '.join(self.refused)}, see the top")
