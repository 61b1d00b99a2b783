"""CAM-loss (Wang et al., ICCV 2021): the loss, the maps, and a trained pair that shows what it changes.

>>> from camloss import explain, load_checkpoint, preprocess_sketch
>>> x = preprocess_sketch(image)  # doctest: +SKIP
>>> explain(load_checkpoint("checkpoints/cam"), x).probs  # doctest: +SKIP
"""

from pathlib import Path

from camloss.checkpoint import WEIGHTS, is_folder, load_weights, save_checkpoint
from camloss.diagnose import Diagnosis, diagnose
from camloss.digits.preprocess import preprocess_sketch
from camloss.errors import CamlossError
from camloss.explain import Explanation, explain
from camloss.hub.pull import Published
from camloss.localisation import box_accuracy, box_masks, boxes_from
from camloss.losses import CAAMDistillation, CAMLoss, LossTerms, cam_distance
from camloss.maps import caam, cam, contrastive_cam, min_max_normalize
from camloss.models import MapClassifier, build_model
from camloss.objective import Objective
from camloss.overlay import overlay
from camloss.pair import Pair, file_in, is_pair, pair_files
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
    "load_checkpoint",
    "min_max_normalize",
    "overlay",
    "preprocess_sketch",
    "save_checkpoint",
    "wrap",
]


def load_checkpoint(source: str | Path, variant: str | None = None, revision: str | None = None) -> MapClassifier:
    """Load a model in eval mode from a local directory or, by its repo id, from the Hugging Face Hub.

    Args:
        source: a directory, or a repo id such as "USER/camloss-mnist".
        variant: of a pair: which of its models, such as "cam".
        revision: on the Hub: a branch, tag or commit. A commit that is in the Hub client's cache costs no request.

    Raises:
        CamlossError: there is no checkpoint, or it is damaged, has missing or extra tensors or wrong shapes, names an
            unknown arch, or was written by a newer camloss; or the Hub cannot be reached or refuses.
    """
    name = WEIGHTS if variant is None else f"{variant}/{WEIGHTS}"
    if revision is None and is_folder(source):
        path = file_in(Path(source), name)
        if variant is None and not path.is_file() and is_pair(Path(source)):
            raise CamlossError(f"{source} holds a pair; name one of {', '.join(pair_files(source))} as variant")
        return load_weights(path)
    published = Published(str(source), revision)
    return load_weights(published.file(name), f"{published.repo_id}/{name}")
