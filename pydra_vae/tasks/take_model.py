"""A delivered model as its fit left it."""

from pathlib import Path

from fileformats.generic import File

from pydra_vae.engine.step import step


@step(outputs={"model": File, "config": File})
def TakeModel(model: File, config: File):
    """Take what a fit wrote out of a delivered model, so that steps which were done with it are found again.

    A delivered model has a name of its own, and its JSON tells the parameters of every step beside: a parameter that
    has no part in the fit would make all that uses the model be computed again.

    Parameters
    ----------
    model, config : file
        A delivered ``*_model.safetensors`` and the JSON beside it.

    Returns
    -------
    model, config : file
        ``model.safetensors`` and ``model.json`` as FitCvae writes them, byte for byte.
    """
    import shutil

    from pydra_vae.tasks._io import write_json
    from pydra_vae.tasks._models import read_config

    # the fields of BIDS begin with capitals, those of the fit do not
    made = {key: value for key, value in read_config(config).items() if not key[:1].isupper()}
    weights = Path("model.safetensors").absolute()
    shutil.copyfile(model, weights)
    return weights, write_json(Path("model.json"), made)
