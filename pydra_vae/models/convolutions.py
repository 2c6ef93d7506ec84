"""Stacks of 1-D convolutions over time that return exactly as many frames as they were given.

With an odd kernel k and padding (k − 1)/2 a convolution of stride s takes L frames to ⌊(L − 1)/s⌋ + 1,
whatever k is. Its transposed convolution brings them back with `output_padding = (L − 1) mod s`, so a
mirrored stack is the exact inverse in shape for every L.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class ConvStack:
    """The layers of an encoder, first to last; the decoder is its mirror image.

    Attributes
    ----------
    channels, kernels, strides : tuple of int
        One entry a layer. Kernels are odd.
    activation : callable
        Makes the activation module after each convolution.
    batch_norm : bool
        Normalise over the batch between convolution and activation.
    """

    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    strides: tuple[int, ...]
    activation: Callable[[], nn.Module]
    batch_norm: bool = False

    def lengths(self, n_frames: int) -> list[int]:
        """Frames before the first layer and after each one.

        >>> LK.lengths(1310)
        [1310, 131, 131, 66, 66, 33, 33, 17, 17]
        """
        lengths = [n_frames]
        for stride in self.strides:
            lengths.append((lengths[-1] - 1) // stride + 1)
        return lengths

    def encoder(self) -> nn.Sequential:
        """(B, 1, T) → (B, channels[-1], lengths[-1])."""
        layers = []
        inputs = (1, *self.channels[:-1])
        for c_in, c_out, k, s in zip(inputs, self.channels, self.kernels, self.strides, strict=True):
            layers += [
                nn.Conv1d(c_in, c_out, k, s, (k - 1) // 2, bias=not self.batch_norm),
                *self._after(c_out),
            ]
        return nn.Sequential(*layers)

    def decoder(self, n_frames: int) -> nn.Sequential:
        """(B, channels[-1], lengths[-1]) → (B, 1, T); the last layer is linear."""
        layers: list[nn.Module] = []
        lengths = self.lengths(n_frames)
        for i in reversed(range(len(self.channels))):
            k, s = self.kernels[i], self.strides[i]
            c_out = self.channels[i - 1] if i else 1
            linear = nn.ConvTranspose1d(
                self.channels[i],
                c_out,
                k,
                s,
                (k - 1) // 2,
                output_padding=(lengths[i] - 1) % s,
                bias=i == 0 or not self.batch_norm,
            )
            layers += [linear, *(self._after(c_out) if i else [])]
        return nn.Sequential(*layers)

    def _after(self, channels: int) -> list[nn.Module]:
        norm = [nn.BatchNorm1d(channels)] if self.batch_norm else []
        return [*norm, self.activation()]


# Nearly linear, so that there is no plateau near the mean series. Real data, test MSE after 1,000 steps:
# .01292 at a slope of .5, .01243 at .7 (with weights drawn for .5, .01248; with the linear skip .01184 and .01178).
LK_SLOPE = 0.7
LK = ConvStack(
    channels=(24, 24, 32, 32, 48, 48, 64, 64),
    kernels=(21, 3, 5, 3, 5, 3, 5, 3),
    strides=(10, 1, 2, 1, 2, 1, 2, 1),
    activation=lambda: nn.LeakyReLU(LK_SLOPE),
)
# Singla et al. (2025) give only "eight convolutional layers"; the rest of this line is our reading.
PAPER = ConvStack(
    channels=(16, 16, 32, 32, 64, 64, 128, 128),
    kernels=(3,) * 8,
    strides=(2,) * 8,
    activation=nn.ReLU,
    batch_norm=True,
)
