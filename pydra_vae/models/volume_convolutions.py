"""Stacks of 3-D convolutions that return a volume of exactly the size that they were given.

With a kernel of 3 and a padding of 1, a convolution of stride 2 takes L voxels to ⌊(L − 1)/2⌋ + 1 on each axis; its
transposed convolution brings them back with `output_padding = (L − 1) mod 2`. A mirrored stack is therefore the exact
inverse in shape for any grid, without cropping or interpolation.
"""

from dataclasses import dataclass

from torch import nn

KERNEL, STRIDE, PADDING = 3, 2, 1
SLOPE = 0.2  # of LeakyReLU; normalisation layers and GELU gave nothing on simulated volumes

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class VolumeStack:
    """The layers of an encoder, first to last; the decoder is its mirror image.

    Attributes
    ----------
    shape : (I, J, K)
        Voxels of the box on each axis.
    channels : tuple of int
        One entry a layer.
    """

    shape: Shape
    channels: tuple[int, ...]

    @property
    def shapes(self) -> list[Shape]:
        """Voxels before the first layer and after each one.

        >>> VolumeStack((25, 31, 26), (8, 16, 32)).shapes
        [(25, 31, 26), (13, 16, 13), (7, 8, 7), (4, 4, 4)]
        """
        shapes = [tuple(self.shape)]
        for _ in self.channels:
            shapes.append(tuple((n - 1) // STRIDE + 1 for n in shapes[-1]))
        return shapes

    @property
    def code(self) -> tuple[int, int, int, int]:
        """Channels and voxels of what the encoder gives."""
        return (self.channels[-1], *self.shapes[-1])

    def encoder(self) -> nn.Sequential:
        """(B, 1, I, J, K) → (B, *code)."""
        layers: list[nn.Module] = []
        for c_in, c_out in zip((1, *self.channels[:-1]), self.channels, strict=True):
            layers += [nn.Conv3d(c_in, c_out, KERNEL, STRIDE, PADDING), nn.LeakyReLU(SLOPE)]
        return nn.Sequential(*layers)

    def decoder(self) -> nn.Sequential:
        """(B, *code) → (B, 1, I, J, K); the last layer is linear."""
        layers: list[nn.Module] = []
        for i in reversed(range(len(self.channels))):
            surplus = tuple((n - 1) % STRIDE for n in self.shapes[i])
            c_out = self.channels[i - 1] if i else 1
            layers.append(nn.ConvTranspose3d(self.channels[i], c_out, KERNEL, STRIDE, PADDING, output_padding=surplus))
            layers += [nn.LeakyReLU(SLOPE)] if i else []
        return nn.Sequential(*layers)
