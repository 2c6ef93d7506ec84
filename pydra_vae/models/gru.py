"""A causal gated recurrent unit (Cho et al. 2014), fused or written out.

With r, u the reset and update gates, h_t = u ⊙ h_{t−1} + (1 − u) ⊙ tanh(W_n e_t + b_n + r ⊙ (U_n h_{t−1} + c_n)).
torch's fused kernel is the faster of the two, but `torch.func.vmap` cannot see into it: models that train together
(`training.stack`) step through time explicitly, with the same weights and the same numbers.
"""

import torch
from torch import Tensor, nn

from pydra_vae.models.losses import full_precision


class Gru(nn.Module):
    """(B, T, n_inputs) → (B, T, n_hidden), from h = 0; h_t depends on inputs up to t only.

    Parameters
    ----------
    n_inputs, n_hidden : int

    Attributes
    ----------
    explicit : bool
        Step through time in Python, as vmap needs it.
    """

    def __init__(self, n_inputs: int, n_hidden: int):
        super().__init__()
        self.layer = nn.GRU(n_inputs, n_hidden, batch_first=True)
        self.explicit = False

    @property
    def recurrent_weight(self) -> nn.Parameter:
        """(3 n_hidden, n_hidden) hidden-to-hidden weights, one block a gate."""
        return self.layer.weight_hh_l0

    def forward(self, e: Tensor) -> Tensor:
        with full_precision(e.device):  # bf16 would round h once a frame
            return self._steps(e.float()) if self.explicit else self.layer(e.float())[0]

    def _steps(self, e: Tensor) -> Tensor:
        gru = self.layer
        inputs = nn.functional.linear(e, gru.weight_ih_l0, gru.bias_ih_l0)  # of all frames at once
        h = inputs.new_zeros(e.shape[0], gru.hidden_size)
        states = []
        for at_t in inputs.unbind(1):
            r_in, u_in, n_in = at_t.chunk(3, -1)
            r_h, u_h, n_h = nn.functional.linear(h, gru.weight_hh_l0, gru.bias_hh_l0).chunk(3, -1)
            r, u = torch.sigmoid(r_in + r_h), torch.sigmoid(u_in + u_h)
            n = torch.tanh(n_in + r * n_h)
            h = n + u * (h - n)
            states.append(h)
        return torch.stack(states, 1)
