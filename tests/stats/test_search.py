"""The rule that chooses a trial, on hand-made tables."""

import numpy as np
import pandas as pd
import pytest

from pydra_vae.engine.step import call
from pydra_vae.stats.search import choose, pareto
from pydra_vae.tasks.choose_model import ChooseModel

#              over-weak  good  less informed, as good   too weak now   collapsed
R2 = np.array([0.900, 0.895, 0.885, 0.860, 0.010])
ERROR = np.array([0.020, 0.020, 0.020, 0.020, 0.001])
KL = np.array([200.0, 80.0, 25.0, 10.0, 0.1])
HEALTHY = np.array([True, True, True, True, False])


def test_least_informed_within_one_standard_error():
    found = choose(R2, ERROR, KL, HEALTHY)
    assert (found.chosen, found.best) == (2, 0) and found.threshold == pytest.approx(0.88)
    assert found.within.tolist() == [True, True, True, False, False]
    assert "4 of 5 trials are healthy. Trial 3: validation R² 0.885, KL 25.0 nats" in found.sentence


def test_a_collapsed_trial_is_never_chosen_for_its_low_kl():
    wide = np.full(5, 2.0)
    assert choose(R2, wide, KL, HEALTHY).chosen == 3
    assert choose(R2, wide, KL, np.ones(5, bool)).chosen == 4


def test_without_healthy_trials_it_says_so():
    found = choose(R2, ERROR, KL, np.zeros(5, bool))
    assert found.chosen == 2 and "none of 5 trials is healthy" in found.sentence


def test_unknown_figures():
    assert choose(R2, np.full(5, np.nan), KL, HEALTHY).chosen == 0  # no standard error: the best itself
    assert choose(R2, ERROR, np.full(5, np.nan), HEALTHY).chosen == 0  # no KL: the best of those within
    assert "the best; 2 others are within" in choose(R2, ERROR, np.full(5, np.nan), HEALTHY).sentence
    assert "the best; 1 other is within" in choose(R2[:2], ERROR[:2], np.full(2, np.nan), HEALTHY[:2]).sentence
    failed = np.array([np.nan, *R2[1:]])
    assert choose(failed, ERROR, KL, HEALTHY).best == 1
    with pytest.raises(ValueError, match="none of 2 trials has a validation R²"):
        choose(np.full(2, np.nan), np.zeros(2), np.ones(2), np.ones(2, bool))


def test_the_front():
    assert pareto(R2, KL).all()
    assert pareto(np.append(R2, 0.85), np.append(KL, 30.0)).tolist() == [True] * 5 + [False]
    assert pareto(np.array([0.5, 0.5]), np.array([1.0, 1.0])).tolist() == [True, True]  # equals do not beat each other


def trials(path, **more):
    table = pd.DataFrame({"setting": list("abcde"), "r2_validation": R2, "r2_validation_se": ERROR, "kl": KL})
    table = table.assign(divergence="kl", collapsed=~HEALTHY, over_regularised=~HEALTHY, **more)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


def test_choose_model_writes_its_choice(tmp_path):
    done = call(ChooseModel, cwd=tmp_path, trials=trials(tmp_path / "gathered.tsv"))
    chosen, table = (pd.read_csv(path, sep="\t") for path in (done.chosen, done.table))
    assert chosen["setting"].tolist() == ["c"] and chosen["trial"].tolist() == [3]
    assert "within one standard error" in chosen["rule"][0] and chosen["sentence"][0].startswith("4 of 5")
    assert table["trial"].tolist() == [1, 2, 3, 4, 5] and table["chosen"].tolist() == [False, False, True, False, False]
    assert table["healthy"].tolist() == HEALTHY.tolist() and table["pareto"].tolist() == [True] * 4 + [False]
    assert table["best"].tolist() == [True] + [False] * 4


def test_trials_of_how_to_train_are_chosen_by_r2_alone(tmp_path):
    """The least informed would be the one that was trained the least."""
    same = {"k": 12, "beta": 10.0, "mmd_weight": 2000.0}
    done = call(ChooseModel, cwd=tmp_path, trials=trials(tmp_path / "a.tsv", **same, learning_rate=np.arange(5)))
    chosen = pd.read_csv(done.chosen, sep="\t")
    assert chosen["setting"].tolist() == ["a"] and "how they were trained" in chosen["rule"][0]
    assert pd.read_csv(done.table, sep="\t")["pareto"].tolist() == [True] * 4 + [False]
    done = call(ChooseModel, cwd=tmp_path, trials=trials(tmp_path / "b.tsv", **same | {"k": [12, 12, 12, 8, 8]}))
    assert pd.read_csv(done.chosen, sep="\t")["setting"].tolist() == ["c"]


def test_the_kl_of_an_autoencoder_counts_for_nothing(tmp_path):
    path = trials(tmp_path / "gathered.tsv")
    table = pd.read_csv(path, sep="\t")
    table.loc[2, "divergence"] = "none"
    table.to_csv(path, sep="\t", index=False)
    done = call(ChooseModel, cwd=tmp_path, trials=path)
    assert pd.read_csv(done.chosen, sep="\t")["setting"].tolist() == ["b"]


def test_what_is_no_table_of_trials_is_refused(tmp_path):
    path = tmp_path / "other.tsv"
    path.write_text("a\tkl\n1\t2\n")
    with pytest.raises(ValueError, match=r"other.tsv lacks the columns r2_validation, .*ScoreVolumeVae"):
        call(ChooseModel, cwd=tmp_path, trials=path)
    table = pd.read_csv(trials(tmp_path / "gathered.tsv"), sep="\t").iloc[:0]
    table.to_csv(path, sep="\t", index=False)
    with pytest.raises(ValueError, match="has no rows"):
        call(ChooseModel, cwd=tmp_path, trials=path)
