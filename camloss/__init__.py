"""CAM-loss (Wang et al., ICCV 2021): the loss, the maps and two trained twins that show what it changes.

>>> from camloss import explain, load_checkpoint, preprocess_sketch
>>> x = preprocess_sketch(image)  # doctest: +SKIP
>>> explain(load_checkpoint("checkpoints/cam"), x).probs  # doctest: +SKIP
"""

from camloss.checkpoint import load_checkpoint, save_checkpoint
from camloss.errors import CamlossError
from camloss.explain import Explanation, explain
from camloss.losses import CAMLoss, LossTerms
from camloss.maps import caam, cam, contrastive_cam, min_max_normalize
from camloss.models import build_model
from camloss.sketch import preprocess_sketch

__version__ = "0.1.0"
__all__ = [
    "CAMLoss",
    "CamlossError",
    "Explanation",
    "LossTerms",
    "build_model",
    "caam",
    "cam",
    "contrastive_cam",
    "explain",
    "load_checkpoint",
    "min_max_normalize",
    "preprocess_sketch",
    "save_checkpoint",
]
