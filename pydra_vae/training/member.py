"""One model of a training, cut into parts, so that many can share the costly one (`training.stack`)."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator

import torch
from torch import Tensor, nn

from pydra_vae.models.losses import Terms
from pydra_vae.training.apply import CHUNK, blocks
from pydra_vae.training.course import Weights

Tensors = tuple[Tensor, ...]
Outcome = dict[str, Tensor]


class Member(ABC):
    """One model with its data and its loss, cut into parts of which a stack can share the costly one.

    Attributes
    ----------
    model : nn.Module
        What is trained.
    module : nn.Module
        Holds `model` and turns inputs into named tensors, a row of the batch each; no random numbers, no batch norm.
    source : object
        Where inputs are read; members of one source read together.
    n_rows : int
        Training rows.
    size : int
        What may differ between members of one stack, as the number of latent dimensions.
    block : int
        Rows of a pass of the validation that are evaluated at a time.
    """

    model: nn.Module
    module: nn.Module
    source: object
    n_rows: int
    size: int
    block: int = CHUNK

    @property
    @abstractmethod
    def kin(self) -> Hashable | None:
        """Members that agree in it can be stacked; None for one that cannot be."""

    @abstractmethod
    def draw(self, rows: Tensor, generator: torch.Generator) -> Tensors:
        """All that is random about a batch, on the CPU: rows of the source, noise."""

    @abstractmethod
    def inputs(self, *drawn: Tensor) -> Tensors:
        """What the module takes, on the device; `drawn` may have a leading dimension, one entry a member."""

    @abstractmethod
    def reduce(self, outcome: Outcome) -> dict[str, Tensor]:
        """Terms of the loss of what the module gave: scalars, or (M,) where it has a leading dimension."""

    @abstractmethod
    def weights(self, ramp: float) -> dict[str, float]:
        """Weights of the terms at a value of the ramp."""

    @abstractmethod
    def passes(self) -> list[Tensors]:
        """Rows of each pass of a validation; evaluated in blocks, each made inputs by `validated`."""

    def validated(self, *values: Tensor) -> Tensors:
        """Inputs of the module, on the device, for a block of a pass; without this, a pass is of inputs."""
        return values

    @abstractmethod
    def figures(self, passed: list[list[Outcome]]) -> dict[str, float]:
        """Figures of a validation, of the blocks of each pass; the first one decides."""

    @abstractmethod
    def widened(self, size: int) -> nn.Module:
        """A copy of `module` that does the same with a larger size; the surplus is 0."""

    @abstractmethod
    def narrowed(self, weights: Weights) -> Weights:
        """From the weights of a widened module to those of `model`."""

    def objective(self, rows: Tensor, ramp: float, generator: torch.Generator) -> Terms:
        """The loss of a batch, for `training.fit.fit`."""
        outcome = self.module(*self.inputs(*self.draw(rows, generator)))
        return Terms(self.reduce(outcome), self.weights(ramp))

    def validate(self) -> dict[str, float]:
        """The figures of the present weights, for `training.fit.fit`."""
        return self.figures([list(self._evaluate(values)) for values in self.passes()])

    def _evaluate(self, values: Tensors) -> Iterator[Outcome]:
        for part in blocks(len(values[0]), self.block):
            yield self.module(*self.validated(*(value[part] for value in values)))
