"""CAM-loss (Wang et al., ICCV 2021): the loss, the maps, and a trained pair that shows what it changes.

>>> from camloss import explain, load_checkpoint, preprocess_sketch
>>> x = preprocess_sketch(image)  # doctest: +SKIP
>>> explain(load_checkpoint("checkpoints/cam"), x).probs  # doctest: +SKIP
"""

from camloss import cli

cli.begin()

from camloss.checkpoint import save_checkpoint
from camloss.diagnose import Diagnosis, diagnose
from camloss.digits.preprocess import preprocess_sketch
from camloss.errors import CamlossError
from camloss.explain import Explanation, explain
from camloss.hub.network import from_pretrained, load_checkpoint, push_to_hub
from camloss.localisation import box_accuracy, box_masks, boxes_from
from camloss.losses import CAAMDistillation, CAMLoss, LossTerms
from camloss.maps import caam, cam, contrastive_cam, min_max_normalize
from camloss.models import build_model
from camloss.objective import Objective
from camloss.overlay import overlay
from camloss.pair import Pair
from camloss.terms import cam_distance
from camloss.wrap import wrap

__version__ = "0.1.0"
__all__ = [
    "CAAMDistillation",
    "CAMLoss",
    "CamlossError",
    "Diagnosis",
    "Explanation",
    "LossTerms",
    "Objective",
    "Pair",
    "box_accuracy",
    "box_masks",
    "boxes_from",
    "build_model",
    "caam",
    "cam",
    "cam_distance",
    "contrastive_cam",
    "diagnose",
    "explain",
    "from_pretrained",
    "load_checkpoint",
    "min_max_normalize",
    "overlay",
    "preprocess_sketch",
    "push_to_hub",
    "save_checkpoint",
    "wrap",
]
