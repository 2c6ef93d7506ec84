"""Latent spaces of brain data, as steps for Pydra and Nipype pipelines."""

from importlib import metadata

try:
    __version__ = metadata.version("pydra-vae")
except metadata.PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
