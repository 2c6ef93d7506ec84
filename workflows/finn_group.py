"""finn's group level: one table and an index of all subjects, from the output folder alone."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from fileformats.generic import File
from pydra.compose import workflow
from rich.console import Console

from pydra_vae.bids.derivatives import deliver
from pydra_vae.bids.files import InputError
from pydra_vae.bids.names import natural_key, parse
from pydra_vae.bids.sidecars import sidecar
from pydra_vae.engine.runner import run
from pydra_vae.tasks.group_metrics import GroupMetrics
from pydra_vae.tasks.report import GroupReport

# What each subject must have for the group: fitted once, read here.
NEEDED = {
    "model": "_desc-cvae_model.safetensors",
    "configuration": "_desc-cvae_model.json",
    "split": "_desc-cvae_voxels.tsv",
    "mask": "_desc-cvae_mask.nii.gz",
    "normalisation": "_desc-cvae_scaling.safetensors",
}
METRICS = "_desc-cvae_metrics.tsv"
COLUMNS = {"participant_id", "model", "split"}


@workflow.define(outputs={"table": File, "index": File})
def GroupCvae(metrics: list[File], report: dict[str, Any] = {}):  # noqa: B006
    """One table and one index of all subjects.

    Parameters
    ----------
    metrics : list of file
        Tables of SubjectMetrics.
    report : dict
        Further parameters of GroupReport.
    """
    table = workflow.add(GroupMetrics(metrics=metrics))
    page = workflow.add(GroupReport(metrics=metrics, **report))
    return table.table, page.index


def find_subjects(output: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Every subject's table of metrics in an output folder, and what is missing for others.

    Returns
    -------
    tables : dict of Path
        By label; only complete subjects.
    problems : dict of str
    """
    needed = {"metrics": METRICS, **NEEDED}
    there = [(path, end) for end in needed.values() for path in output.glob(f"sub-*/**/*{end}")]
    stems = {path.with_name(path.name.removesuffix(end)) for path, end in there}
    found = [stem.with_name(stem.name + METRICS) for stem in sorted(stems, key=lambda stem: natural_key(stem.name))]
    tables: dict[str, Path] = {}
    problems: dict[str, str] = {}
    for path in found:
        entities = parse(path.name).entities
        label = f"sub-{entities['sub']}" + (f"_ses-{entities['ses']}" if "ses" in entities else "")
        stem = path.name.removesuffix(METRICS)
        missing = [f"{what} ({stem}{end})" for what, end in needed.items() if not path.with_name(stem + end).is_file()]
        if missing:
            problems[label] = (
                f"{label}: missing in {path.parent}: {', '.join(missing)}; run its participant level again"
            )
        elif not _is_table(path):
            problems[label] = (
                f"{label}: {path} is no table of metrics, which has the columns {', '.join(sorted(COLUMNS))}: "
                "delete it and run its participant level again"
            )
        elif label in tables:
            problems[label] = (
                f"{label}: two results, {tables[label].name} and {path.name}: give each analysis an OUTPUT of its own"
            )
        else:
            tables[label] = path
    if not found:
        raise InputError(f"{output} holds no sub-*/**/*{METRICS}: run the participant level into it first")
    return {label: path for label, path in tables.items() if label not in problems}, problems


def run_group(
    output: Path, work: Path, n_procs: int, options: argparse.Namespace, console: Console, **report: Any
) -> int:
    """Write the group's table and index into the output folder; returns the exit status."""
    if not output.is_dir():
        raise InputError(f"{output} does not exist: run the participant level into it first")
    tables, problems = find_subjects(output)
    if options.participant_label:
        tables, problems = _chosen(options.participant_label, tables, problems, output)
    for problem in problems.values():
        console.print(f"finn: {problem}", style="red", markup=False, soft_wrap=True)
    if not tables:
        return 2
    targets = {"table": output / "group_desc-cvae_metrics.tsv", "index": output / "index.html"}
    if options.dry_run:
        for label, path in tables.items():
            print(f"{label}: reads {path}")
        print("\n".join(f"writes {target}" for target in targets.values()))
        return 0

    def done(_: str, outputs: Any) -> None:
        beside = sidecar("Measures of every subject's CVAE and of its controls", tables.values(), {"": output})
        deliver(Path(outputs.table), targets["table"], beside)
        deliver(Path(outputs.index), targets["index"])

    pages = {label: f"{label}.html" for label in tables if (output / f"{label}.html").is_file()}
    failures = [{"label": label, "step": "", "message": problem} for label, problem in problems.items()]
    shown = {
        "links": json.dumps(pages),
        "warnings": json.dumps({label: _warnings(path) for label, path in tables.items()}),
        "failures": json.dumps(failures),
    }
    outcome = run(
        {"group": GroupCvae(metrics=list(tables.values()), report=shown | report)},
        work_dir=work,
        n_procs=n_procs,
        on_done=done,
        break_locks=options.break_locks,
        verbose=options.verbose,
        console=console,
    )
    if not outcome.exit_code:
        console.print(f"group of {len(tables)}: {targets['index']}", markup=False)
    return outcome.exit_code or (1 if problems else 0)


def _chosen(labels: list[str], tables: dict, problems: dict, output: Path) -> tuple[dict, dict]:
    """Only the participants that were asked for."""
    wanted = [f"sub-{label}" for label in labels]
    there = {label.split("_")[0] for label in (*tables, *problems)}
    unknown = [subject for subject in wanted if subject not in there]
    if unknown:
        raise InputError(f"{output} has no results of {', '.join(unknown)}; it has {', '.join(sorted(there))}")
    return tuple(
        {label: value for label, value in found.items() if label.split("_")[0] in wanted}
        for found in (tables, problems)
    )


def _is_table(path: Path) -> bool:
    with open(path, encoding="utf-8", errors="replace") as file:
        return set(file.readline().rstrip("\r\n").split("\t")) >= COLUMNS


def _warnings(metrics: Path) -> list[Any]:
    """What the subject's verdict warns of."""
    verdict = metrics.with_name(metrics.name.replace(METRICS, "_desc-cvae_verdict.json"))
    if not verdict.is_file():
        return []
    return json.loads(verdict.read_text(encoding="utf-8")).get("warnings", [])
