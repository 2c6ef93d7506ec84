"""``pydra-vae RECIPE …``: dispatches to the recipes' own command lines."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

RECIPES = {
    "finn": "one convolutional VAE a subject over voxel time series (BOLD volumes)",
    "motor": "a temporally independent sequential VAE on the cortical surface, beside ICA",
    "structural": "VAEs of brain volumes, and what their latents mean",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one recipe; returns its exit status."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in RECIPES:
        recipe = importlib.import_module(f"pydra_vae.workflows.{argv[0]}")
        return recipe.main(argv[1:], prog=f"pydra-vae {argv[0]}")
    if argv in (["--version"], ["-V"]):
        from pydra_vae import __version__

        print(f"pydra-vae {__version__}")
        return 0
    width = max(map(len, RECIPES))
    print("usage: pydra-vae RECIPE [options]\n\nLatent spaces of brain data.\n\nrecipes:")
    for name, summary in RECIPES.items():
        print(f"  {name:<{width}}  {summary}")
    print("\npydra-vae RECIPE --help shows the options of a recipe.")
    if argv in ([], ["-h"], ["--help"]):
        return 0
    print(f"\npydra-vae: unknown recipe {argv[0]!r}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
