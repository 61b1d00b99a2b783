"""The study of `docs/protocol-photos.md`: its training methods, and how its runs are measured.

It runs on any folder of pictures; what needs boxes or backgrounds is left out where there are none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from camloss.checkpoint import WEIGHTS, load_network
from camloss.data.dataset import Dataset
from camloss.losses import BASELINE
from camloss.models import Classifier, Pooling, on_pixels, pool_by
from camloss.study.methods import METHODS, Method, alpha_sweep
from camloss.study.photo_measures import MAPS_WITHOUT_A_NETWORK, locate, survey
from camloss.study.photo_recipes import RECIPES
from camloss.study.photos import Photos
from camloss.study.price_methods import generalized_mean, log_sum_exp, top_cells
from camloss.study.runs import Study, method_of, rounded
from camloss.training.hardware import pick_device

SEEDS = 16  # of cross-entropy, the chosen alpha and the strongest controls
ALPHA = 3.0  # of CAM-loss on top of a recipe
POOLINGS: dict[str, tuple[str, Pooling | Callable[[Tensor], Tensor]]] = {
    "max-pooling": ("max", "max"),
    "gem-pooling": ("generalized-mean", generalized_mean(3.0)),
    "lse-pooling": ("log-sum-exp", log_sum_exp(5.0)),
    "top-k-pooling": ("top-k", top_cells(6)),  # of 64
}
KEPT = ("small-caam", "small-cam", "wrong-class", "other-image", "random-weight", "small-features")
ABLATIONS = ("stop-grad-cam", "stop-grad-caam")


def alpha_method(alpha: float) -> str:
    return f"alpha-{alpha:g}" if alpha else BASELINE


PHOTO_METHODS: dict[str, Method] = {  # in the order of their worth
    BASELINE: replace(METHODS[BASELINE], seeds=SEEDS),
    **{alpha_method(alpha): replace(alpha_sweep(alpha), seeds=SEEDS) for alpha in (3.0, 1.0, 10.0, 0.3, 30.0)},
    **{
        name: Method(BASELINE, f"cross-entropy, {title} pooling", alpha=0.0, seeds=SEEDS, pooling=pooling)
        for name, (title, pooling) in POOLINGS.items()
    },
    **{name: replace(METHODS[name], seeds=5) for name in KEPT},
    "label-smoothing": Method("label-smoothing", "label smoothing", alpha=0.0, seeds=5),
    **{name: replace(METHODS[name], seeds=5) for name in ABLATIONS},
}
for _name, _recipe in RECIPES.items():
    _title = _name.replace("-", " ")
    PHOTO_METHODS[_name] = Method(BASELINE, f"cross-entropy, {_title}", "reference", alpha=0.0, seeds=5, **_recipe)
    PHOTO_METHODS[f"{_name}-alpha-{ALPHA:g}"] = Method(
        "cam", f"CAM-loss at alpha {ALPHA:g}, {_title}", "reference", alpha=ALPHA, seeds=5, **_recipe
    )


def methods_for(alphas: Sequence[float]) -> dict[str, Method]:
    """`PHOTO_METHODS`, with these alphas among them."""
    return {
        **PHOTO_METHODS,
        **{alpha_method(a): alpha_sweep(a) for a in alphas if alpha_method(a) not in PHOTO_METHODS},
    }


@dataclass(frozen=True)
class PhotoStudy(Study):
    """The runs on one folder of pictures."""

    photos: Photos | None = None

    def measured(self, run: str, data: Dataset, precision: str) -> dict[str, dict[str, float]]:  # noqa: ARG002
        """As `survey` says; the threshold of boxes is chosen on validation."""
        assert self.photos is not None
        device = pick_device(self.config.device)
        model = self.model(run)
        validation = survey(model, self.photos.validation.to(device))
        test = survey(model, self.photos.test.to(device), validation.get("box_threshold"))
        return {"validation": validation, "test": test}

    def model(self, run: str) -> Classifier:  # type: ignore[override]
        """The network of a trained run, in eval mode on the study's device, for pixels in [0, 1]."""
        assert self.photos is not None
        network = load_network(self.folder(run) / WEIGHTS)  # which knows its pooling, unless that is a function
        if callable(pooling := self.methods[method_of(run)].pooling):
            pool_by(network, pooling)
        data = self.photos.data
        return on_pixels(network, data.mean, data.std).to(pick_device(self.config.device)).eval()

    @torch.no_grad()
    def measure_maps_without_a_network(self) -> None:
        """Write their records, unless the data have no boxes."""
        assert self.photos is not None
        device = pick_device(self.config.device)
        for name, make in MAPS_WITHOUT_A_NETWORK.items():
            if self.is_measured(f"{name}-seed-0") or not len(self.photos.test.counted):
                continue
            numbers: dict[str, dict[str, float]] = {}
            for split, of_split in (("validation", self.photos.validation), ("test", self.photos.test)):
                scenes = of_split.to(device)
                threshold = numbers["validation"]["box_threshold"] if numbers else None
                numbers[split] = rounded(locate(make(scenes.split.images[scenes.counted]), scenes, threshold))
            common = {"config": self._common(), "validation_size": self.validation_size}
            self.records.write({"method": name, "seed": 0, **common, **numbers})
