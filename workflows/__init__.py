"""The recipes: each a readable graph and a runnable script (installed as ``pydra_vae.workflows``)."""
