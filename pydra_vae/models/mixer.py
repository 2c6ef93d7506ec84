"""The spatial encoder and decoder of TI-VAE: mixers that share weights across clusters, features and hemispheres.

After the MLP-Mixer (Tolstikhin et al. 2021) without its norms and residuals. A layer is an MLP across the C clusters,
the same for every feature, then one across the features, the same for every cluster; each has two linear maps with an
ELU after the first. Three layers take 256 features to 32, 8 and 1, over 64, 16 and 4. The decoder is the mirror
image: features first, then clusters.

Tensors are (2, C, N, F): hemisphere, cluster, frame, feature.

Where no ELU stands between a map across clusters and one across features, the two commute, and the one across
clusters is computed on the narrower side (`OverBoth`): 64 features instead of 256.
"""

import torch
from torch import Tensor, nn

FEATURES = (64, 32, 16, 8, 4, 1)  # of the three feature MLPs, as printed in the paper


class HemisphereLinear(nn.Module):
    """A linear map of either hemisphere's features or clusters.

    Parameters
    ----------
    n_inputs, n_outputs : int
    copies : {1, 2}
        2: each hemisphere has its own weights.

    Attributes
    ----------
    weight : (copies, n_outputs, n_inputs) parameter
    bias : (copies, n_outputs) parameter
    """

    def __init__(self, n_inputs: int, n_outputs: int, copies: int = 1):
        super().__init__()
        bound = n_inputs**-0.5  # as nn.Linear
        self.weight = nn.Parameter(torch.empty(copies, n_outputs, n_inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(copies, n_outputs).uniform_(-bound, bound))


class OverFeatures(HemisphereLinear):
    """(2, C, N, n_inputs) → (2, C, N, n_outputs)."""

    def forward(self, x: Tensor) -> Tensor:
        if len(self.weight) == 1:
            return nn.functional.linear(x, self.weight[0], self.bias[0])
        rows = torch.baddbmm(self.bias[:, None], x.flatten(1, 2), self.weight.mT)
        return rows.unflatten(1, x.shape[1:3])

    def without_bias(self, x: Tensor) -> Tensor:
        if len(self.weight) == 1:
            return nn.functional.linear(x, self.weight[0])
        return torch.bmm(x.flatten(1, 2), self.weight.mT).unflatten(1, x.shape[1:3])


class OverClusters(HemisphereLinear):
    """(2, n_inputs, N, F) → (2, n_outputs, N, F)."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.expand(2, -1, -1)
        return torch.baddbmm(self.bias[..., None], weight, x.flatten(2)).unflatten(2, x.shape[2:])

    def without_bias(self, x: Tensor) -> Tensor:
        return torch.bmm(self.weight.expand(2, -1, -1), x.flatten(2)).unflatten(2, x.shape[2:])


class OverBoth(nn.Module):
    """A map across clusters and one across features after one another: (2, C, N, n_inputs) → (2, C, N, n_outputs).

    Parameters
    ----------
    n_clusters, n_inputs, n_outputs, copies : int
    features_first : bool
        What the map means, by its biases; the order of computation follows from the sizes.
    """

    def __init__(self, n_clusters: int, n_inputs: int, n_outputs: int, copies: int, features_first: bool):
        super().__init__()
        self.clusters = OverClusters(n_clusters, n_clusters, copies)
        self.features = OverFeatures(n_inputs, n_outputs, copies)
        self.features_first, self.narrows = features_first, n_outputs < n_inputs

    @property
    def weight(self) -> nn.Parameter:
        """What scales the output but for its bias."""
        return self.features.weight

    def forward(self, x: Tensor) -> Tensor:
        c, f = self.clusters, self.features
        y = c.without_bias(f.without_bias(x)) if self.narrows else f.without_bias(c.without_bias(x))
        if self.features_first:  # the features' bias passes through the clusters' weights
            bias = c.weight.sum(2)[..., None] * f.bias[:, None] + c.bias[..., None]
        else:
            bias = c.bias[..., None] * f.weight.sum(2)[:, None] + f.bias[:, None]
        return y + bias[:, :, None].to(y.dtype)  # (copies, C, 1, n_outputs)


def encoder_mixers(n_clusters: int, hidden: int = 256, copies: int = 1) -> nn.Sequential:
    """(2, C, N, hidden) → (2, C, N, 1).

    >>> mixers = encoder_mixers(64)
    >>> sum(p.numel() for name, p in mixers.named_parameters() if "weight" in name)  # the paper's 44k
    43684
    """
    layers: list[nn.Module] = []
    c, n = n_clusters, hidden
    for middle, last in zip(FEATURES[::2], FEATURES[1::2], strict=True):
        layers += [OverClusters(c, c, copies), nn.ELU(), OverBoth(c, n, middle, copies, features_first=False)]
        layers += [nn.ELU(), OverFeatures(middle, last, copies)]
        n = last
    return nn.Sequential(*layers)


def decoder_mixers(n_clusters: int, hidden: int = 256, copies: int = 1) -> nn.Sequential:
    """(2, C, N, 1) → (2, C, N, hidden), the encoder's sizes from last to first."""
    layers: list[nn.Module] = []
    c, sizes = n_clusters, (hidden, *FEATURES)
    for i in range(len(FEATURES), 0, -2):
        first, middle, last = sizes[i], sizes[i - 1], sizes[i - 2]
        layers += [OverFeatures(first, middle, copies), nn.ELU()]
        layers += [OverBoth(c, middle, last, copies, features_first=True), nn.ELU(), OverClusters(c, c, copies)]
    return nn.Sequential(*layers)


class MixerEncoder(nn.Module):
    """(2, C, N, M) → (N, n_outputs).

    Parameters
    ----------
    shape : (2, C, M)
    hidden, n_outputs : int
        Features of a cluster after the first layer; size of e_t.
    input_copies, copies : {1, 2}
        2: each hemisphere has its own input layer, its own mixers.
    """

    def __init__(self, shape: tuple[int, int, int], hidden: int, n_outputs: int, input_copies: int, copies: int):
        super().__init__()
        h, c, m = shape
        self.input = OverFeatures(m, hidden, input_copies)
        self.mixers = encoder_mixers(c, hidden, copies)
        self.output = nn.Linear(h * c, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        values = self.mixers(self.input(x))  # (2, C, N, 1)
        return self.output(values.flatten(0, 1).squeeze(-1).mT)


class MixerDecoder(nn.Module):
    """(N, n_inputs) → (2, C, N, M), the encoder's mirror image."""

    def __init__(self, shape: tuple[int, int, int], hidden: int, n_inputs: int, output_copies: int, copies: int):
        super().__init__()
        h, c, m = self.shape = shape
        self.input = nn.Linear(n_inputs, h * c)
        self.mixers = decoder_mixers(c, hidden, copies)
        self.output = OverFeatures(hidden, m, output_copies)

    def forward(self, z: Tensor) -> Tensor:
        values = self.input(z).mT.unflatten(0, self.shape[:2]).unsqueeze(-1)
        return self.output(self.mixers(values))
