"""One subject from Python: preprocessed runs in; denoised runs, latent maps and a report out.

python examples/one_subject.py MASK BOLD [BOLD …]
"""

import sys

from pydra_vae.engine.runner import run
from pydra_vae.workflows.finn import SubjectCvae


def main(mask: str, *bolds: str) -> int:
    subject = SubjectCvae(
        label="sub-01",
        bolds=bolds,
        mask_file=mask,
        fit={"network": "dense", "latent_dim": 2, "max_steps": 50},  # short, for an example
    )
    outcome = run({"sub-01": subject}, work_dir="work", n_procs=2)
    for label, outputs in outcome.outputs.items():
        print(label, *outputs.denoised, outputs.latent_maps, outputs.report, sep="\n  ")
    return outcome.exit_code


if __name__ == "__main__":  # worker processes import this file
    sys.exit(main(*sys.argv[1:]))
