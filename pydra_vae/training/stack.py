"""M models of one architecture as a single one: each parameter is a tensor (M, …), each kernel computes all of them.

Each model keeps its own batches, random numbers and validation, and gives what it would have given alone, but for the
rounding of batched matrix products. Models of different latent sizes are widened to the largest: the surplus
dimensions are 0, and so are their gradients (`models.padding`), so that they stay 0.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from pydra_vae.models.losses import Terms
from pydra_vae.training.apply import blocks
from pydra_vae.training.course import Weights
from pydra_vae.training.member import Member, Outcome, Tensors


class Stack:
    """Members as one learner of the loop (`training.loop.Learner`)."""

    def __init__(self, members: list[Member], device: torch.device):
        self.members, self.device = members, device
        size = max(member.size for member in members)
        modules = [member.widened(size).to(device).train() for member in members]
        self._parameters, self._buffers = torch.func.stack_module_state(modules)
        self._skeleton = copy.deepcopy(modules[0]).to("meta")  # the operations only
        self._together = all(member.source is members[0].source for member in members)
        self._weighted: tuple[list, dict[str, Tensor]] = ([], {})

    def groups(self) -> list[dict]:
        return [{"params": list(self._parameters.values())}]

    def terms(self, rows: list[Tensor], ramps: list[float], generators: list[torch.Generator]) -> Terms:
        drawn = [m.draw(r, g) for m, r, g in zip(self.members, rows, generators, strict=True)]
        outcome = self._forward(*self._inputs(drawn))
        return Terms(self.members[0].reduce(outcome), self._weights_at(ramps))

    def clip(self, limit: float):
        squares = [p.grad.flatten(1).square().sum(1) for p in self._parameters.values()]
        factors = (limit / (torch.stack(squares).sum(0).sqrt() + 1e-6)).clamp_max(1)  # as clip_grad_norm_
        for parameter in self._parameters.values():
            parameter.grad.mul_(factors.reshape(-1, *[1] * (parameter.ndim - 1)))

    def go_back(self, before: Weights, shares: list[float]):
        share = torch.tensor(shares, device=self.device)
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                of_model = share.reshape(-1, *[1] * (parameter.ndim - 1))
                parameter.copy_(torch.lerp(before[name], parameter, of_model))

    def figures(self) -> list[dict[str, float]]:
        passes = [member.passes() for member in self.members]
        passed: list[list[list[Outcome]]] = [[[] for _ in one] for one in passes]
        for p in range(len(passes[0])):
            for part in blocks(max(len(one[p][0]) for one in passes), self.members[0].block):
                cut = [
                    member.validated(*(values[part] for values in one[p]))
                    for member, one in zip(self.members, passes, strict=True)
                ]
                outcome = self._forward(*(stack_padded(values) for values in zip(*cut, strict=True)))
                for m, values in enumerate(cut):
                    if n := len(values[0]):
                        passed[m][p].append({k: v[m, :n] if v.ndim > 1 else v[m] for k, v in outcome.items()})
        return [member.figures(of_one) for member, of_one in zip(self.members, passed, strict=True)]

    def weights(self, model: int) -> Weights:
        own = {name: value[model].detach().cpu() for name, value in (self._parameters | self._buffers).items()}
        return {name: value.clone() for name, value in self.members[model].narrowed(own).items()}

    def state_dict(self) -> Weights:
        return {name: value.detach() for name, value in self._parameters.items()}

    def load_state_dict(self, state: Weights):
        with torch.no_grad():
            for name, value in self._parameters.items():
                value.copy_(state[name])

    def _forward(self, *inputs: Tensor) -> Outcome:
        def one(parameters: Weights, buffers: Weights, *inputs: Tensor) -> Outcome:
            return torch.func.functional_call(self._skeleton, (parameters, buffers), inputs)

        return torch.func.vmap(one)(self._parameters, self._buffers, *inputs)

    def _inputs(self, drawn: list[Tensors]) -> Tensors:
        """Of one source all batches are read at once, so that each costs no transfer of its own."""
        if self._together:
            return self.members[0].inputs(*(stack_padded(values) for values in zip(*drawn, strict=True)))
        apart = [member.inputs(*values) for member, values in zip(self.members, drawn, strict=True)]
        return tuple(stack_padded(values) for values in zip(*apart, strict=True))

    def _weights_at(self, ramps: list[float]) -> dict[str, Tensor]:
        """Weights as (M,) tensors, copied to the device only when they change."""
        if self._weighted[0] != ramps:
            each = [member.weights(ramp) for member, ramp in zip(self.members, ramps, strict=True)]
            tensors = {name: torch.tensor([one[name] for one in each], device=self.device) for name in each[0]}
            self._weighted = (ramps, tensors)
        return self._weighted[1]


def stack_padded(tensors: Sequence[Tensor]) -> Tensor:
    """Stack tensors, the smaller ones with zeros at the ends of their dimensions.

    >>> stack_padded([torch.ones(1), torch.ones(2)])
    tensor([[1., 0.],
            [1., 1.]])
    """
    shapes = [tensor.shape for tensor in tensors]
    if len(set(shapes)) == 1:
        return torch.stack(list(tensors))
    stacked = tensors[0].new_zeros(len(tensors), *(max(sizes) for sizes in zip(*shapes, strict=True)))
    for i, tensor in enumerate(tensors):
        stacked[(i, *(slice(n) for n in tensor.shape))] = tensor
    return stacked
