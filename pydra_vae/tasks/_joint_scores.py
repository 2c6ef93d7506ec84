"""The tables of ScoreJoint: every direction between modalities, by the joint model and by its controls."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pydra_vae.bids.tables import write_table
from pydra_vae.stats.joint_scores import (
    image_figures,
    products,
    related_voxels,
    ridge_predictions,
    score_figures,
)
from pydra_vae.tasks._joint_loaded import Loaded, load
from pydra_vae.tasks._volume_latents import numbers, once, read_covariates

METHODS = {"two": "two-stage", "joint": "joint"}
SCORES = ("direction", "source", "target", "method", "region", "n", "r2", "r", "mae")
PREDICTIONS = ("label", "person", "score", "source", "method", "observed", "predicted")
LEVELS = ("row", "score", "level", "value", "sd", "voxel_sd")
ENDS = {"low": 5, "high": 95}  # percentiles of the training images' scores
COMPONENTS = 32  # of the image's PCA, for linear predictions of images
MOST_MULTIPLIED = 32  # features whose products a ridge regression is given: 560 columns


@dataclass
class Judged:
    """Rows of the tables, and images decoded from single scores."""

    scores: list[dict] = field(default_factory=list)
    predictions: list[dict] = field(default_factory=list)
    decoded: np.ndarray | None = None
    levels: list[dict] = field(default_factory=list)


def judge(inputs: Mapping, made: dict, device) -> Judged:
    """Score a joint model; see ScoreJoint."""
    loaded = load(inputs, made, device)
    return _Judge(inputs, loaded).run()


def write(judged: Judged, folder: Path) -> tuple[Path, Path, Path, Path]:
    """Write the four outputs of ScoreJoint into a folder."""
    import pandas as pd

    path = (folder / "decoded.npy").absolute()
    np.save(path, judged.decoded)
    return (
        write_table(folder / "scores.tsv", pd.DataFrame(judged.scores, columns=SCORES)),
        write_table(folder / "predictions.tsv", pd.DataFrame(judged.predictions, columns=PREDICTIONS)),
        path,
        write_table(folder / "levels.tsv", pd.DataFrame(judged.levels, columns=LEVELS)),
    )


class _Judge:
    """Goes through the directions; every figure is over the first visits of test persons."""

    def __init__(self, inputs: Mapping, loaded: Loaded):
        self.inputs, self.loaded, self.judged = inputs, loaded, Judged()
        self.train, self.validation = (loaded.split.rows(part) for part in ("train", "validation"))
        table = read_covariates(inputs["covariates"], loaded.split)
        self.test = once(loaded.split, table, ("test",))
        if not len(self.test):
            raise ValueError(f"{inputs['volume_split']} has no test images: nothing to score the joint model on")
        self.method = METHODS[loaded.made["stages"]]
        self.pca = self._pca()

    def run(self) -> Judged:
        """All directions, then images of single scores."""
        for sources in self._sources():
            for i, score in enumerate(self.loaded.made["scores"]):
                self._score(sources, i, score)
        for target in self.loaded.images:
            self._image(target)
        self._levels()
        return self.judged

    def _pca(self):
        from pydra_vae.tasks._volume_pca import load_pca

        return None if self.inputs["pca"] is None else load_pca(self.inputs["pca"], self.loaded.x.shape[1])

    def _sources(self) -> list[tuple[str, ...]]:
        """What a score is predicted from."""
        from pydra_vae.training.joint import stand_ins

        return stand_ins(sorted(self.loaded.data))  # image before second

    def _name(self, sources: Sequence[str]) -> str:
        if tuple(sources) == ("image", "second"):
            return "both"
        names = {"second": self.loaded.made["second_name"]}
        return " + ".join(names.get(name, name) for name in sources)

    def _row(self, sources, target: str, method: str, figures: dict) -> dict:
        source = self._name(sources)
        row = {"direction": f"{source} → {target}", "source": source, "target": target, "method": method}
        return row | {"region": "whole"} | figures

    # scores

    def _score(self, sources: Sequence[str], i: int, score: str):
        """One score from some images, by every method."""
        loaded = self.loaded
        y = loaded.vectors["scores"].x[:, i]
        usable = loaded.present(sources) & np.isfinite(y)
        rows = [part[usable[part]] for part in (self.train, self.validation, self.test)]
        mean, test = y[self.train[np.isfinite(y[self.train])]].mean(), rows[2]
        for method, predicted in self._predicted(sources, i, y, rows, mean):
            figures = score_figures(y[test], predicted[test], mean)
            self.judged.scores.append(self._row(sources, score, method, figures))
            self.judged.predictions += [
                {"label": loaded.split.label[row], "person": loaded.split.person[row], "score": score,
                 "source": self._name(sources), "method": method, "observed": y[row], "predicted": predicted[row]}
                for row in test
            ]  # fmt: skip

    def _predicted(self, sources, i: int, y, rows, mean: float) -> Iterator[tuple[str, np.ndarray]]:
        """Predictions (N,) of every method, in the score's units."""
        train, validation, _ = rows
        known = np.where(np.isfinite(y), y, mean)
        yield self.method, self.loaded.scores(self.loaded.latent(sources))[:, i]
        features = {"latents": self.loaded.features(sources)}
        if self.pca is not None and "image" in sources:
            features["PCA"] = self._components(sources)
        for name, x in features.items():
            if len(validation) > 1:
                yield f"same head on {name}", self._head(x, known, train, validation)
            yield f"ridge on {name}", ridge_predictions(x, known[:, None], train)[:, 0]
        yield "mean", np.full(len(y), mean)

    def _components(self, sources) -> np.ndarray:
        """The same sources with the image's PCA in place of its VAE, as many numbers."""
        k = self.loaded.vectors["image"].x.shape[1]
        parts = [self._image_scores(k) if name == "image" else self.loaded.features([name]) for name in sources]
        return np.concatenate(parts, axis=1)

    def _image_scores(self, k: int) -> np.ndarray:
        """(N, ≤ k) scores of the images on their first components, standardised by training images."""
        from pydra_vae.stats.chunks import row_chunks

        x, components = self.loaded.x, self.pca.components[:k]
        parts = row_chunks(len(x), x.shape[1])
        scores = np.concatenate([(np.asarray(x[part]) - self.pca.mean) @ components.T for part in parts])
        return (scores - scores[self.train].mean(0)) / scores[self.train].std(0)

    def _head(self, x: np.ndarray, y: np.ndarray, train: np.ndarray, validation: np.ndarray) -> np.ndarray:
        """The joint model's head, fitted to other features of the same images."""
        import torch

        from pydra_vae.training.joint import fit_head

        z, y_z = ((a - a[train].mean(0)) / a[train].std(0).clip(1e-9) for a in (x, y))
        made = self.loaded.made
        options = {name: made["recipe"][name] for name in ("max_steps", "batch_size", "learning_rate", "weight_decay")}
        head, _ = fit_head(z, y_z, train, validation, made["hidden"], self._recipe(options), self.inputs["seed"])
        with torch.inference_mode():
            predicted = head(torch.from_numpy(z.astype(np.float32)))[:, 0].double().numpy()
        return predicted * y[train].std() + y[train].mean()

    def _recipe(self, options: dict):
        from dataclasses import replace

        from pydra_vae.training.joint import RECIPE

        return replace(RECIPE, clip=None).with_options(**options)

    # images

    def _image(self, target: str):
        """One image modality from everything else, alone and together, and from all of them."""
        names = sorted(self.loaded.data)
        others = [name for name in names if name != target]
        chosen = [(name,) for name in others] + ([tuple(others)] if len(others) > 1 else [])
        for sources in chosen:
            self._image_from(sources, target, self._regions(sources, target))
        if target == "image":
            self._factors()

    def _image_from(self, sources: Sequence[str], target: str, regions: Mapping[str, np.ndarray]):
        loaded = self.loaded
        x, everything = loaded.array(target), sorted(loaded.data)
        has = loaded.present([target])
        rows = self.test[loaded.present(sources)[self.test] & has[self.test]]
        train = self.train[loaded.present(sources)[self.train] & has[self.train]]
        mean = self._mean(target)
        known, nothing = loaded.latent(everything), np.zeros((1, 1))
        made = {
            self.method: self._decoded(target, loaded.latent(sources), train),
            "ridge": self._linear(target, loaded.features(sources), train),
            "ridge on products": self._curved(target, loaded.features(sources), train),
            "ceiling": lambda part: loaded.decode(target, known[part]),
            "mean": lambda part: mean + nothing,
        }
        for method, predict in made.items():
            if predict is None:
                continue
            for figures in image_figures(x, rows, lambda part, f=predict: f(rows[part]), mean, regions):
                self.judged.scores.append(self._row(sources, self._name([target]), method, figures))

    def _decoded(self, target: str, z: np.ndarray, train: np.ndarray):
        """Rows → images decoded from z; the decoder's own offset at the mean latent gives way to the mean image."""
        mean = self._mean(target)
        offset = mean - self.loaded.decode(target, z[train].mean(0, keepdims=True))[0]
        return lambda rows: self.loaded.decode(target, z[rows]) + offset

    def _linear(self, target: str, features: np.ndarray, train: np.ndarray):
        """Rows → images predicted by ridge regression, through the image's PCA or the second modality's features."""
        if target == "image" and self.pca is None:
            return None
        if target == "second":
            own = self.loaded.vectors["second"]
            codes = ridge_predictions(features, np.nan_to_num(own.x), train)
            return lambda rows: self.loaded.second.decode(codes[rows], self.loaded.device)
        components = self.pca.components[:COMPONENTS]
        codes = ridge_predictions(features, self._projected(components), train)
        return lambda rows: codes[rows] @ components + self.pca.mean

    def _curved(self, target: str, features: np.ndarray, train: np.ndarray):
        """As `_linear`, with squares and products: the joint model bends too, so a straight line alone is no control.

        Where a score is a product of two factors, an image is no linear function of it and of the others.
        """
        return self._linear(target, products(features), train) if features.shape[1] <= MOST_MULTIPLIED else None

    def _projected(self, components: np.ndarray) -> np.ndarray:
        from pydra_vae.stats.chunks import row_chunks

        x = self.loaded.x
        parts = row_chunks(len(x), x.shape[1])
        return np.concatenate([(np.asarray(x[part]) - self.pca.mean) @ components.T for part in parts])

    def _mean(self, target: str) -> np.ndarray:
        """Mean of the training images that there are."""
        rows = self.train[self.loaded.present([target])[self.train]]
        return np.asarray(self.loaded.array(target)[rows].mean(0, dtype=np.float64))

    def _regions(self, sources: Sequence[str], target: str) -> dict[str, np.ndarray]:
        x = self.loaded.array(target)
        rows = self.train[self.loaded.present([target])[self.train] & self.loaded.present(sources)[self.train]]
        regions = {"whole": np.ones(x.shape[1], dtype=bool)}
        regions["related"] = related_voxels(x, rows, self.loaded.features(sources)[rows])
        if target == "image" and self.inputs["region"] is not None:
            regions["planted"] = self._region()
        return regions

    def _region(self) -> np.ndarray:
        """(V,) voxels of the mask that lie in the region of interest."""
        from pydra_vae.images.volumes import load_mask

        mask, region = load_mask(Path(self.inputs["mask"])), load_mask(Path(self.inputs["region"]))
        if mask.shape != region.shape:
            raise ValueError(
                f"the region {self.inputs['region']} has a grid of {region.shape} voxels, the mask {mask.shape}: "
                "give it on the images' grid"
            )
        if not (inside := region[mask]).any():
            raise ValueError(f"the region {self.inputs['region']} has no voxel in the mask {self.inputs['mask']}")
        return inside

    def _factors(self):
        """What planted factors explain of the image at most: ridge regression on them and their products."""
        if self.inputs["truth"] is None or self.pca is None:
            return
        table = read_covariates(self.inputs["truth"], self.loaded.split)
        columns = [name for name in numbers(table) if table[name].notna().all() and table[name].std() > 0]
        if not columns:
            return
        features = products(table[columns].to_numpy(dtype=np.float64))
        predict = self._linear("image", features, self.train)
        mean, x = self._mean("image"), self.loaded.x
        sources = ("scores",) if "scores" in self.loaded.data else ("second",)
        regions = self._regions(sources, "image")
        for figures in image_figures(x, self.test, lambda part: predict(self.test[part]), mean, regions):
            self.judged.scores.append(self._row(sources, "image", "planted factors", figures))

    # images of single scores

    def _levels(self):
        loaded, names = self.loaded, self.loaded.made["scores"]
        images = []
        mean = self._mean("image")
        for i, name in enumerate(names):
            own = loaded.vectors["scores"]
            x, given = loaded.data["scores"]
            alone = np.zeros_like(given)
            alone[:, i] = given[:, i]
            train = self.train[given[self.train, i] > 0]
            z = loaded.latent(["scores"], {"scores": (x, alone)})[train].mean(0, keepdims=True)
            for level, percentile in ENDS.items():
                value = float(np.percentile(own.x[train, i], percentile))
                sd = (value - own.mean[i]) / own.sd[i]
                one, there = np.zeros((1, len(names)), np.float32), np.zeros((1, len(names)), np.float32)
                one[0, i], there[0, i] = sd, 1
                at = loaded.latent(["scores"], {"scores": (one, there)})
                change = (loaded.decode("image", at) - loaded.decode("image", z))[0]
                self.judged.levels.append(
                    {
                        "row": len(images),
                        "score": name,
                        "level": level,
                        "value": value,
                        "sd": sd,
                        "voxel_sd": change.std(),
                    }
                )
                images.append((mean + change).astype(np.float32))
        self.judged.decoded = np.stack(images) if images else np.zeros((0, len(mean)), np.float32)
