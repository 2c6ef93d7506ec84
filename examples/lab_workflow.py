"""A lab's own Pydra workflow: a command-line tool, our subject workflow, a Nipype interface and a step of the lab's.

    python examples/lab_workflow.py MASK BOLD [BOLD …] [--worker runner|local|cf|debug]

Files named ``sub-01_…`` are runs of subject 01. The first volumes of each run are dropped (by nibabel's ``nib-roi``), a
CVAE is fitted to each subject's runs, Nipype's ``TSNR`` looks at what comes out, and a table gathers it.
"""

import argparse
import sys
from pathlib import Path

import pydra.engine.submitter
from fileformats.generic import File
from pydra.compose import shell, workflow

from pydra_vae.engine import graph
from pydra_vae.engine.runner import run
from pydra_vae.engine.step import digest_of, step
from pydra_vae.engine.worker import LocalWorker
from pydra_vae.workflows.finn import SubjectCvae

# A command-line tool, as Pydra takes it.
DropVolumes = shell.define(
    "nib-roi -t <frames:str> <bold:generic/file> <out|kept:generic/file$kept.nii.gz>", name="DropVolumes"
)


# A Nipype interface, as a step: it runs in the step's own folder, where interfaces write.
@step(outputs={"tsnr": File})
def NipypeTsnr(bold: File):
    """Temporal SNR as Nipype computes it."""
    from nipype.algorithms.confounds import TSNR

    return TSNR(in_file=str(bold)).run().outputs.tsnr_file


# A step of the lab's own: files in, files out.
@step(outputs={"table": File})
def MedianTsnr(labels: list[str], maps: list[list[File]]):
    """One row a run."""
    import nibabel as nib
    import numpy as np

    with open("tsnr.tsv", "w", encoding="utf-8") as table:
        print("subject", "run", "median_tsnr", sep="\t", file=table)
        for label, runs in zip(labels, maps, strict=True):
            for number, path in enumerate(runs, start=1):
                tsnr = nib.load(path).get_fdata()
                print(label, number, f"{np.median(tsnr[tsnr > 0]):.3f}", sep="\t", file=table)
    return "tsnr.tsv"


# graph.define in place of workflow.define: the code of all steps below it is part of the workflow's key.
@graph.define(outputs={"denoised": list[File], "tsnr": list[File]})
def Subject(label: str, bolds: list[File], mask: File, frames: str = "2:"):
    kept = workflow.add(DropVolumes(frames=frames).split(bold=bolds).combine("bold"))
    fit = {"network": "dense", "latent_dim": 2, "max_steps": 50}  # short, for an example
    cvae = workflow.add(SubjectCvae(label=label, bolds=kept.kept, mask_file=mask, fit=fit))
    measured = workflow.add(NipypeTsnr().split(bold=cvae.denoised).combine("bold"))
    return cvae.denoised, measured.tsnr


# Pydra's own define, with one line more: the same.
@workflow.define(outputs={"table": File})
def Study(
    labels: list[str],
    bolds: list[list[File]],
    mask: File,
    code: str = digest_of(Subject, MedianTsnr),
):
    subjects = workflow.add(
        Subject(mask=mask).split(("label", "bolds"), label=labels, bolds=bolds).combine(["label", "bolds"])
    )
    return workflow.add(MedianTsnr(labels=labels, maps=subjects.tsnr)).table


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mask", type=Path)
    parser.add_argument("bolds", type=Path, nargs="+", metavar="bold")
    parser.add_argument("--worker", choices=("runner", "local", "cf", "debug"), default="runner")
    options = parser.parse_args(argv)
    subjects: dict[str, list[Path]] = {}
    for bold in sorted(options.bolds):
        subjects.setdefault(bold.name.split("_")[0], []).append(bold)
    study = Study(labels=list(subjects), bolds=list(subjects.values()), mask=options.mask)

    if options.worker == "runner":  # ours: progress, a table of what was computed and why
        outcome = run({"study": study}, work_dir="work", n_procs=2)
        if outcome.exit_code:
            return outcome.exit_code
        outputs = outcome.outputs["study"]
    else:  # Pydra's submitter, with our worker or one of Pydra's
        worker = LocalWorker(n_procs=2) if options.worker == "local" else options.worker
        with pydra.engine.submitter.Submitter(worker=worker, cache_root="work") as submitter:
            outputs = submitter(study, raise_errors=True).outputs
    print(outputs.table)
    return 0


if __name__ == "__main__":  # worker processes import this file
    sys.exit(main())
