"""motor: TI-VAE on the cortical surface, from surface runs to factors, maps and a comparison with ICA.

The graph of the TI-VAE paper. As a program::

    python workflows/motor.py DATA OUTPUT [options]
    python workflows/motor.py            # the embedded demo, on simulated data

As a part of other pipelines: `SurfaceGeometry`, `RecordingSeries`, `TiVaeModel`, `IcaModel` and `ScoreFactors` take
files, return files, and nest in any Pydra workflow.
"""

from __future__ import annotations

import sys

from pydra_vae.workflows.motor_models import IcaModel, ScoreFactors, TiVaeGrid, TiVaeModel
from pydra_vae.workflows.motor_parts import RecordingSeries, SurfaceGeometry

__all__ = ["IcaModel", "RecordingSeries", "ScoreFactors", "SurfaceGeometry", "TiVaeGrid", "TiVaeModel", "main"]


def main(argv: list[str] | None = None, prog: str | None = None) -> int:
    """The program; returns its exit status (see ``--help``)."""
    from pydra_vae.workflows.motor_program import run_motor

    return run_motor(argv, prog)


if __name__ == "__main__":
    # the installed module, so that every way of starting shares one cache
    from pydra_vae.workflows import motor

    sys.exit(motor.main())
