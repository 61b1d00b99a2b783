"""The data sets that a training can be asked for, by name."""

from collections.abc import Callable
from pathlib import Path

from camloss.data.dataset import Dataset
from camloss.data.mnist import load_mnist

DATASETS: dict[str, Callable[[Path], Dataset]] = {"mnist": load_mnist}
"""From the data folder to the data set; raises CamlossError where its files are missing or damaged."""
