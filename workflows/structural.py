"""structural: VAEs of brain volumes, from maps and a table of participants to latents that mean something.

The graph of the tutorial of Vázquez-García et al. (2025). As a program::

    python workflows/structural.py DATA OUTPUT [options]
    python workflows/structural.py            # the embedded demo, on simulated data

As a part of other pipelines: `VolumeData`, `VolumeModel`, `Explained`, `Regression`, `Joint`, `Longitudinal` and
`Networks` take files, return files, and nest in any Pydra workflow.
"""

from __future__ import annotations

import sys

from pydra_vae.workflows.structural_analyses import Explained, Joint, Longitudinal, Regression
from pydra_vae.workflows.structural_models import VolumeModel
from pydra_vae.workflows.structural_networks import Networks
from pydra_vae.workflows.structural_parts import VolumeData

__all__ = ["Explained", "Joint", "Longitudinal", "Networks", "Regression", "VolumeData", "VolumeModel", "main"]


def main(argv: list[str] | None = None, prog: str | None = None) -> int:
    """The program; returns its exit status (see ``--help``)."""
    from pydra_vae.workflows.structural_program import run_structural

    return run_structural(argv, prog)


if __name__ == "__main__":
    # the installed module, so that every way of starting shares one cache
    from pydra_vae.workflows import structural

    sys.exit(structural.main())
