#!/bin/sh
# What both container recipes install: run in the folder of the sources, as root, while an image is built.
#   install.sh cpu    PyTorch without CUDA (2 GB less), from the index that TORCH_INDEX names
#   install.sh cuda   the package index's own PyTorch for Linux, which brings CUDA; the host brings the driver
set -eu
device=${1:-cpu}
prefix=${PREFIX:-/opt/pydra-vae}

python -m venv "$prefix"
pip="$prefix/bin/python -m pip --disable-pip-version-check --no-cache-dir"
case "$device" in
    cpu)
        if [ -n "${TORCH_INDEX:-}" ]; then
            $pip install --no-deps --index-url "$TORCH_INDEX" "$(grep '^torch==' constraints.txt)"
        else
            echo "install.sh: without TORCH_INDEX, the index of CPU builds that PyTorch's page names, CUDA may come along" >&2
        fi ;;
    cuda) ;;
    *) echo "install.sh: DEVICE is cpu or cuda, not '$device'" >&2; exit 2 ;;
esac
$pip install -c constraints.txt ".[dask]"

# The default atlas, found by the code that will look for it, so that a run needs no network.
"$prefix/bin/python" -c "
from pydra_vae.images.atlases import find_atlas
for space in ('MNI152NLin2009cAsym', 'MNI152NLin6Asym'):
    print(*find_atlas('Schaefer2018', space))
"
# Whoever runs the image may fetch further templates and keep fonts, hashes and the like.
chmod -R a+rwX "$TEMPLATEFLOW_HOME" "$HOME"
