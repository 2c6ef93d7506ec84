"""Which models a structural study fits, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FAMILY = "VAE"
# β 10 is the default; 1 is the evidence lower bound itself. Each other loss is at the weights that served best.
_LOSSES: tuple[dict[str, Any], ...] = (
    {"divergence": "kl", "beta": 1.0},
    {"divergence": "mmd"},
    {"reconstruction": "dssim"},
    {"reconstruction": "mse+dssim"},
)
_NETWORKS: tuple[dict[str, Any], ...] = ({"network": "conv"}, {"network": "dense"}, {"network": "conv-dense"})
# A KL weight at which images get the mean brain: the collapsed model of the tutorial's figure 2, on purpose.
TOO_MUCH: dict[str, Any] = {"divergence": "kl", "beta": 1e4}


@dataclass(frozen=True)
class VolumeFit:
    """One fit.

    Attributes
    ----------
    setting : str
        What tells it apart in tables and figures.
    options : dict
        Parameters of FitVolumeVae.
    """

    setting: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def label(self) -> str:
        """What it is called while it runs: ``VAE KL β 10``."""
        return f"{FAMILY} {self.setting}"


def setting_of(options: Mapping[str, Any]) -> str:
    """A fit's name from its parameters, all of them with their defaults.

    >>> kl = {"divergence": "kl", "beta": 10.0, "reconstruction": "mse", "network": "conv-dense", "free_bits": 0.0}
    >>> setting_of(kl), setting_of(kl | {"reconstruction": "dssim", "divergence": "mmd", "mmd_weight": 2000.0})
    ('KL β 10', 'DSSIM, MMD λ 2000')
    >>> setting_of(kl | {"network": "conv", "free_bits": 0.5})
    'KL β 10, free bits 0.5, conv'
    """
    parts = [] if options["reconstruction"] == "mse" else [options["reconstruction"].upper().replace("+", " + ")]
    divergence = options["divergence"]
    if divergence == "kl":
        parts.append(f"KL β {options['beta']:g}")
        parts += [f"free bits {options['free_bits']:g}"] if options["free_bits"] else []
    else:
        parts.append(f"MMD λ {options['mmd_weight']:g}" if divergence == "mmd" else "no divergence")
    return ", ".join(parts + ([] if options["network"] == "conv-dense" else [options["network"]]))


def fits_of(main: Mapping[str, Any], compared: Sequence[str]) -> list[VolumeFit]:
    """The main fit, then those beside it, each once.

    Parameters
    ----------
    main : mapping
        Parameters of FitVolumeVae with their defaults.
    compared : sequence of {"losses", "networks", "collapse", "none"}
    """
    changes: list[dict[str, Any]] = [{}]
    changes += _LOSSES if "losses" in compared else ()
    changes += _NETWORKS if "networks" in compared else ()
    changes += (TOO_MUCH,) if "collapse" in compared else ()
    return changed(main, changes)


def changed(main: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]) -> list[VolumeFit]:
    """A fit for each set of changes to the main one's parameters; those that come out alike only once."""
    found: dict[str, VolumeFit] = {}
    for change in changes:
        options = {**main, **change}
        found.setdefault(setting_of(options), VolumeFit(setting_of(options), options))
    return list(found.values())
