"""`camloss NAME ...` with one more network, whose layers know nothing of other images: no batch norm.

With DIE set, the second process ends without a word when the first epoch is done. ROOM is the memory for pictures.
"""

import os

from torch import nn

from camloss import commands, models
from camloss.data import folder
from camloss.training import loop


def norm_free(num_classes: int, in_chans: int = 1) -> models.MapClassifier:
    features = nn.Sequential(
        *(nn.Conv2d(in_chans, 8, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU()),
    )
    return models.MapClassifier(features, 16, num_classes)


models.ARCHS["norm_free"] = norm_free

if __name__ == "__main__":
    if "DIE" in os.environ and os.environ.get("RANK") == "1":
        loop.accuracy = lambda *_: os._exit(3)
    if "ROOM" in os.environ:
        folder.room = lambda: float(os.environ["ROOM"])
    commands.run()
