"""A labelled set of images in three splits, and how it takes part in a training.

The training loop knows no more of a data set than this class; what one data set alone needs is a method that overrides
one of these. A new data set is one entry in `camloss.data.datasets.DATASETS`.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from camloss.data.augment import Augmentation, CropAndFlip
from camloss.models import Classifier
from camloss.split import Split


@dataclass(frozen=True)
class Dataset:
    """Learn on `train`, choose on `validation`, report on `test` once."""

    train: Split
    validation: Split
    test: Split
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    """Of the training images' pixels in [0, 1], one for each channel."""
    std: tuple[float, ...]
    augmentation: Augmentation | CropAndFlip = field(default_factory=Augmentation)
    reported_on: str = "test set"
    """What `test` is: "validation set" where there are no other images to report on."""

    @property
    def channels(self) -> int:
        return self.train.images.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an image in pixels."""
        height, width = self.train.images.shape[-2:]
        return height, width

    @property
    def fingerprint(self) -> tuple[object, ...]:
        """What differs between data sets of other images, classes or order."""
        splits = (self.train, self.validation, self.test)
        return (self.class_names, *((len(s), *s.labels[:1_000].tolist(), int(s.images[-1].sum())) for s in splits))

    def extra_training_images(self, _count: int, _seed: int) -> Split | None:
        """Generated images that a training adds to `train`.

        Args:
            _count: the option `synthetic`; 0 for none.
            _seed: of the training.
        """
        return None

    def snapshot_epochs(self, _epochs: int, _alpha_start_epoch: int) -> Collection[int]:
        """After which epochs, counted from 1, a training keeps a copy of the weights."""
        return ()

    def finish(self, _model: Classifier) -> dict[str, Any]:
        """Complete a trained model, which is on the CPU and in eval mode.

        Returns:
            What was measured on the way, any JSON: entries of the training record.
        """
        return {}
