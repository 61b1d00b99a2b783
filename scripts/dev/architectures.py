"""Print which architectures `wrap` takes, as the table of README and docs; nothing is downloaded.

python scripts/dev/architectures.py > docs/records/architectures.md
"""

from collections import defaultdict
from collections.abc import Sequence

import _root  # noqa: F401
import timm
from torch import nn
from torchvision import models

from camloss import CamlossError, cli, wrap

TRIED = {
    "timm": (
        "resnet18 resnet50 resnext50_32x4d seresnet18 regnety_002 efficientnet_b0 densenet121 ese_vovnet19b_dw "
        "mobilenetv2_100 mobilenetv3_small_050 convnext_atto vit_tiny_patch16_224"
    ),
    "torchvision": (
        "resnet18 regnet_y_400mf efficientnet_b0 densenet121 mobilenet_v2 mobilenet_v3_small vgg11 squeezenet1_1 "
        "convnext_tiny vit_b_16"
    ),
}


def main(argv: Sequence[str] | None = None) -> None:
    cli.Parser(__doc__).parse_args(argv)
    taken: list[list[str]] = []
    refused: dict[str, list[str]] = defaultdict(list)
    for library, names in TRIED.items():
        supported = []
        for name in names.split():
            reason = why_not(timm.create_model(name) if library == "timm" else models.get_model(name))
            if reason:
                refused[reason].append(f"{name} ({library})")
            else:
                supported.append(name)
        taken.append([f"{', '.join(supported)} ({library})", "yes", ""])
    rows = [*taken, *([", ".join(who), "no", reason] for reason, who in refused.items())]
    print(cli.table(["architecture", "works", "why not"], rows))


def why_not(model: nn.Module) -> str:
    try:
        wrap(model)
    except CamlossError as error:
        return str(error).partition(": ")[2].partition("; ")[0]
    return ""


if __name__ == "__main__":
    cli.run(main)
