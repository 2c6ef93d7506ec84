"""What a run needs, from what its plan knows."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from pydra_vae.options.finn import finn_parser
from pydra_vae.options.structural import structural_parser
from pydra_vae.workflows.costs import Cost, finn_cost, structural_cost
from pydra_vae.workflows.finn_science import n_further_fits
from pydra_vae.workflows.needs import IN_MASK, finn_group_needs, finn_needs, prepare_for, structural_needs
from pydra_vae.workflows.structural_search import grid_points
from pydra_vae.workflows.structural_trials import SEARCHED_BY_DEFAULT, TRIALS, Trials


def subject(n_voxels, *n_frames):
    def count_voxels():
        if n_voxels is None:
            raise ValueError("damaged")
        return n_voxels, "mask"

    return SimpleNamespace(count_voxels=count_voxels, n_frames=n_frames)


def test_subjects_of_finn_are_counted_by_the_first_mask_that_can_be_read():
    plans = [subject(None, 100), subject(1000, 60, 40)]
    assert finn_needs(plans, ["latents"], 2) == finn_cost([(1000, 100)] * 2, 2)
    assert finn_needs(plans[:1], ["latents"], 2) is None


def test_fits_of_the_analyses_are_counted():
    sizes, divergence = {"sizes": [2, 4, 9], "seeds": 2}, {"betas": (1.0,), "mmd_weights": (0.1,)}
    assert n_further_fits(["latents", "outliers", "samples"], sizes, divergence) == 0
    assert n_further_fits(["sweep"], sizes, divergence) == 6
    assert n_further_fits(["kl"], sizes, divergence) == 5  # none, β, β annealed in two ways, MMD
    assert n_further_fits(["latents", "sweep", "kl", "reliability"], sizes, divergence) == 13


def test_the_group_level_holds_two_subjects_at_a_time(tmp_path):
    table = tmp_path / "voxels.tsv"
    table.write_text("i\tj\tk\n" + "1\t2\t3\n" * 5000)
    assert finn_group_needs([(table, 300), (tmp_path / "none.tsv", 300)]) == finn_cost([(5000, 600)])
    assert finn_group_needs([(tmp_path / "none.tsv", 300)]) is None


def test_images_are_counted_on_the_grid_that_they_are_brought_to():
    header = SimpleNamespace(shape=(40, 50, 40), voxel_sizes=(2.0, 2.0, 2.0))
    volumes = [SimpleNamespace(header=header)] * 3
    assert structural_needs(volumes, 4) == structural_cost(3, 80_000, round(IN_MASK * 80_000), 4)
    coarse = structural_cost(3, 10_000, round(IN_MASK * 10_000), 4, 2, True)
    assert structural_needs(volumes, 4, 2, resolution=4.0, written=True) == coarse
    assert structural_needs([], 4) is None


@pytest.mark.parametrize(
    ("arguments", "n"),
    [
        ("", 0),
        ("--search grid", len(grid_points(SEARCHED_BY_DEFAULT))),
        ("--search optuna", TRIALS),
        ("--search optuna --trials 7", 7),
    ],
)
def test_trials_of_a_search_are_counted(arguments, n):
    options = structural_parser().parse_args(["d", "o", *arguments.split()])
    assert Trials(options, Console()).n_trials == n


@pytest.mark.parametrize(
    ("cost", "said", "n_procs"),
    [
        (Cost(1e9, 2e9, 3e9), "needs about 1.0 GB in", 2),
        (None, "finn: --mem bounds nothing here: what a process needs is not known; give --n-procs", 4),
    ],
)
def test_what_is_said_before_a_run(cost, said, n_procs, tmp_path):
    options = finn_parser().parse_args(["-w", str(tmp_path / "work"), "--mem", "6GB", "--n-procs", "4"])
    console = Console(record=True, width=400)
    prepare_for(cost, options, Path(tmp_path / "out"), console, "finn")
    assert said in console.export_text()
    assert options.n_procs == n_procs
