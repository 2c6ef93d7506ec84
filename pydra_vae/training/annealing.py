"""How the weights of regularising terms rise from 0 to their value over the first steps of a training.

`linear` and `sigmoid` rise once (Bowman et al. 2016, arXiv 1511.06349); `cyclical` starts again four times, each time
rising over the first half of the cycle and staying for the second (Fu et al. 2019, arXiv 1903.10145). All end at
exactly 1 after `steps`, so that the best weights are looked for under the loss that was asked for.
"""

import math
from dataclasses import dataclass
from typing import Literal

CYCLES = 4  # and the rising half of each, as in Fu et al.
RISING = 0.5
STEEPNESS = 12.0  # the logistic curve from −6 to 6: .0025 to .9975, then stretched to 0 and 1


@dataclass(frozen=True)
class Annealing:
    """The factor of annealed weights at each step.

    Attributes
    ----------
    steps : int
        Length of the whole annealing, all cycles together; 0 for none.
    kind : {"linear", "cyclical", "sigmoid"}

    >>> [Annealing(4)(step) for step in (0, 2, 4, 100)]
    [0.0, 0.5, 1.0, 1.0]
    """

    steps: int = 0
    kind: Literal["linear", "cyclical", "sigmoid"] = "linear"

    def __post_init__(self):
        if self.kind not in _SHAPES:
            raise ValueError(f"annealing is {self.kind!r}: it must be one of {', '.join(_SHAPES)}")
        if self.steps < 0:
            raise ValueError(f"the annealing takes {self.steps} steps: it must not be negative")

    def __call__(self, step: int) -> float:
        """Factor in [0, 1] at a step, counted from 0."""
        return _SHAPES[self.kind](step / self.steps) if step < self.steps else 1.0


def _cyclical(fraction: float) -> float:
    return min(1.0, (fraction * CYCLES % 1) / RISING)


def _sigmoid(fraction: float) -> float:
    lowest, value = (1 / (1 + math.exp(-STEEPNESS * (at - 0.5))) for at in (0.0, fraction))
    return (value - lowest) / (1 - 2 * lowest)


_SHAPES = {"linear": lambda fraction: fraction, "cyclical": _cyclical, "sigmoid": _sigmoid}
