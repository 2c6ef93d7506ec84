"""Shared models of subjects with planted common maps and courses of their own."""

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes

from pydra_vae.models.shared import Part, PooledCvae, SharedConfig, SharedCvae
from pydra_vae.stats.pca import fit_pca
from pydra_vae.stats.read_ins import Stacked, align, rotation_to, whitened
from pydra_vae.training import shared
from pydra_vae.training.cvae import build
from pydra_vae.training.rows import Rows
from pydra_vae.training.shared import Places, fit_shared, mean_latents, shared_recipe

K, T, D, R = 900, 64, 2, 6
SPLIT = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [630, 90, 180]))
TRAIN, VALIDATION, TEST = (np.flatnonzero(part == SPLIT) for part in range(3))


@pytest.fixture(scope="module")
def subjects():
    """Five subjects: places on a curved sheet of two dimensions, bent a little by each, seen through own courses."""
    rng = np.random.default_rng(0)
    sheet = rng.uniform(-1, 1, size=(K, 2))
    made = []
    for _ in range(5):
        own = sheet + 0.05 * rng.normal(size=(K, 2))
        features = np.column_stack([own, own**2, own[:, :1] * own[:, 1:]])
        x = features @ rng.normal(size=(5, T)) + rng.normal(size=T) + 0.2 * rng.normal(size=(K, T))
        made.append(x.astype(np.float32))
    return made


def read_in(x):
    pca = fit_pca(x, R, rows=SPLIT == 0)
    return whitened(pca, pca.encode(x[TRAIN]).var(axis=0))


def part_of(config, one, x):
    arrays = (torch.tensor(array).float() for array in (one.mean, one.inwards, one.outwards))
    mean, inwards, outwards = arrays
    return Part(config, mean, float((x[TRAIN] - one.mean).std()), inwards, outwards)


def places_of(arrays):
    return Places(arrays, np.tile(np.arange(K), (len(arrays), 1)), TRAIN, VALIDATION, [None] * len(arrays))


def made_of(subjects, kind="shared_decoder"):
    config = SharedConfig(kind, T, D, R, len(subjects), K)
    found = [read_in(x) for x in subjects]
    turned, template = align(found, [one.encode(x[TRAIN]) for one, x in zip(found, subjects, strict=True)])
    torch.manual_seed(0)
    parts = [part_of(config, one, x) for one, x in zip(turned, subjects, strict=True)]
    return SharedCvae(config, parts), template


def through(model, x, subject):
    with torch.no_grad():
        z = model.encode(torch.from_numpy(x[TEST]), subject)
        return float(np.square(model.decode(z, subject).numpy() - x[TEST]).mean()), z.numpy()


def pca_error(x):
    return float(np.square(fit_pca(x, D, rows=SPLIT == 0).reconstruct(x[TEST]) - x[TEST]).mean())


@pytest.fixture(scope="module", params=["shared_decoder", "subject_decoders"])
def fitted(request, subjects):
    model, template = made_of(subjects[:4], request.param)
    fit = fit_shared(model, places_of(subjects[:4]), recipe=shared_recipe(4, max_steps=400))
    model.common.copy_(mean_latents(model, places_of(subjects[:4])))
    return model, template, fit


def test_one_model_serves_all_better_than_pca_of_each_and_aligns_them(fitted, subjects):
    model, _, fit = fitted
    found = [through(model, x, s) for s, x in enumerate(subjects[:4])]
    pcas = [fit_pca(x, D, rows=SPLIT == 0).encode(x[TEST]) for x in subjects[:4]]
    assert all(error < 0.7 * pca_error(x) for (error, _), x in zip(found, subjects, strict=False))
    ours, theirs = ([procrustes(z[i], z[j])[2] for i in range(4) for j in range(i)]
                    for z in ([z for _, z in found], pcas))  # fmt: skip
    assert max(ours) < 0.1 and np.mean(ours) < 0.5 * np.mean(theirs)
    assert list(fit.history[0])[3:5] == ["val_loss", "val_mse"]


@pytest.mark.parametrize("fitted", ["subject_decoders"], indirect=True)
def test_the_latent_of_a_place_decodes_to_every_subject(fitted, subjects):
    """From the mean of the members' latents; nobody's own series alone is needed."""
    model, _, _ = fitted
    for subject, x in enumerate(subjects[:4]):
        with torch.no_grad():
            decoded = model.decode(model.common[TEST], subject).numpy()
        assert np.square(decoded - x[TEST]).mean() < pca_error(x)


def test_a_newcomer_fits_its_own_part_and_moves_nothing_else(fitted, subjects):
    model, template, _ = fitted
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x, one = subjects[4], read_in(subjects[4])
    joining = SharedCvae(model.config)
    joining.load_state_dict(before)
    turned = one.turned(rotation_to(one.encode(x[TRAIN]), template))
    part, blank = part_of(model.config, turned, x), model.mean_part()
    if part.decoder is not None:
        part.decoder.load_state_dict(blank.decoder.state_dict())
    start = {name: value.clone() for name, value in part.state_dict().items()}
    fit_shared(joining.alone_with(part), places_of([x]), recipe=shared_recipe(1, max_steps=200), join=True)
    after = joining.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items() if not name.startswith("parts."))
    moved = [name for name, value in part.state_dict().items() if not torch.equal(value, start[name])]
    assert {"read_in.weight", "read_out.weight"} <= set(moved) and "mean" not in moved
    error, z = through(joining, x, 0)
    assert error < 0.75 * pca_error(x)
    members = [through(model, other, s)[1] for s, other in enumerate(subjects[:4])]
    assert max(procrustes(z, other)[2] for other in members) < 0.15
    joining.alone_with(blank)
    assert through(joining, x, 0)[0] > error  # all that is known of a subject before anything is fitted


def test_the_same_inputs_give_the_same_weights(subjects):
    states = []
    for _ in range(2):
        model, _ = made_of(subjects[:3])
        fit_shared(model, places_of(subjects[:3]), recipe=shared_recipe(3, max_steps=20), seed=4)
        states.append(model.state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_what_is_read_at_once_does_not_grow_with_the_subjects(subjects, monkeypatch):
    """A step reads one batch, whoever it is of; a validation reads blocks of at most 256 rows."""
    plain, taken = Rows.take, []
    monkeypatch.setattr(Rows, "take", lambda rows, index: taken.append(len(index)) or plain(rows, index))
    monkeypatch.setattr(shared._Validation, "__call__", lambda self: {"val_loss": 1.0})
    reads = {}
    for n in (4, 24):
        many = [subjects[s % 5] for s in range(n)]
        model, _ = made_of(many)
        taken.clear()
        fit_shared(model, places_of(many), recipe=shared_recipe(n, max_steps=10, batch_size=80))
        reads[n] = (len(taken), max(taken), sum(taken))
    assert reads[4] == reads[24] == (40, 20, 800)


def test_validation_reads_few_rows_of_each_of_many(subjects, monkeypatch):
    monkeypatch.setattr(shared, "VALIDATION_ROWS", 240)
    plain, taken = Rows.take, []
    monkeypatch.setattr(Rows, "take", lambda rows, index: taken.append(len(index)) or plain(rows, index))
    totals = []
    for n in (3, 12):
        many = [subjects[s % 5] for s in range(n)]
        model, _ = made_of(many)
        readers = [Rows(x, torch.device("cpu")) for x in many]
        taken.clear()
        with torch.no_grad():
            shared._Validation(model, places_of(many), readers, join=False)()
        totals.append(sum(taken))
    assert totals == [2 * 240, 2 * 240]  # once to encode, once to compare


def test_censored_frames_are_neither_read_nor_counted(subjects):
    weights = np.ones(T)
    weights[10:14] = 0
    states = []
    for value in (0.0, 50.0):
        model, _ = made_of(subjects[:2])
        for part in model.parts:
            part.used.copy_(torch.from_numpy(weights))
        spoilt = [x.copy() for x in subjects[:2]]
        for x in spoilt:
            x[:, 10:14] = value
        places = Places(spoilt, np.tile(np.arange(K), (2, 1)), TRAIN, VALIDATION, [weights] * 2)
        fit_shared(model, places, recipe=shared_recipe(2, max_steps=10))
        states.append(model.state_dict())
    assert all(torch.allclose(value, states[1][name], atol=1e-6) for name, value in states[0].items())


def test_a_pooled_model_is_a_plain_cvae_of_everybody(subjects):
    stacked = Stacked(subjects[:3], [TRAIN] * 3)
    pca = fit_pca(stacked, D)
    network = build(stacked, np.arange(len(stacked)), D, "dense", pca.components)
    model = PooledCvae(SharedConfig("pooled", T, D, n_members=3, n_places=K), network)
    fit = fit_shared(model, places_of(subjects[:3]), recipe=shared_recipe(3, max_steps=50))
    linear = np.mean([np.square(pca.reconstruct(x[VALIDATION]) - x[VALIDATION]).mean() for x in subjects[:3]])
    assert fit.history[0]["val_mse"] == pytest.approx(linear, rel=1e-3)
    assert fit.history[-1]["val_mse"] < fit.history[0]["val_mse"]
    assert model.own(0) == 0 and model.maps(0) == []


def test_shapes_that_cannot_be_are_refused(subjects):
    with pytest.raises(ValueError, match="no more latents than coordinates"):
        SharedConfig("shared_decoder", 64, 40, 32)
    with pytest.raises(ValueError, match="only a pooled model"):
        SharedConfig("shared_decoder", 64, network="lk")
    with pytest.raises(ValueError, match="must be one of shared_decoder"):
        SharedConfig("tied", 64)
    model, _ = made_of(subjects[:2])
    with pytest.raises(ValueError, match="fitted on 64 frames"):
        model.encode(torch.zeros(3, 60), 0)
    with pytest.raises(ValueError, match="left as validation voxels"):
        Places(subjects[:2], np.zeros((2, K), int), TRAIN, VALIDATION[:1], [None] * 2)
