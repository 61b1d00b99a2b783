"""Try `wrap` on architectures of timm and torchvision, with random weights; writes two tables into docs/records.

    python scripts/dev/architectures.py            one line for each architecture, and the summary of README
    python scripts/dev/architectures.py --check    write nothing, but fail where a table would change

`python scripts/report.py` then puts them into the pages.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import _root
import timm
from torch import nn
from torchvision import models

from camloss import CamlossError, cli, wrap

RECORDS = _root.ROOT / "docs" / "records"
TRIED = {
    "timm": (
        "resnet18 resnet50 resnet50d resnext50_32x4d seresnet18 skresnet18 resnetv2_50 res2net50_26w_4s resnest14d "
        "cspresnet50 regnetx_002 regnety_002 gernet_s repvgg_a0 mobileone_s0 selecsls42 dla34 hrnet_w18_small "
        "ese_vovnet19b_dw densenet121 dpn48b inception_v3 eca_nfnet_l0 botnet26t_256 efficientnet_b0 "
        "efficientnet_lite0 tf_efficientnetv2_b0 mobilenetv2_100 mnasnet_small fbnetc_100 mixnet_s tinynet_e "
        "rexnet_100 mobilevit_xxs mobilevitv2_050 mobilenetv3_small_050 ghostnet_100 lcnet_050 hgnetv2_b0 "
        "edgenext_xx_small convnext_atto poolformer_s12 vit_tiny_patch16_224 swin_tiny_patch4_window7_224"
    ),
    "torchvision": (
        "resnet18 resnet50 resnext50_32x4d regnet_x_400mf regnet_y_400mf efficientnet_b0 densenet121 mobilenet_v2 "
        "mnasnet0_5 shufflenet_v2_x0_5 mobilenet_v3_small vgg11 squeezenet1_1 convnext_tiny vit_b_16 swin_t"
    ),
}


class Tried(NamedTuple):
    name: str
    library: str
    reason: str
    """Why `wrap` refuses it; empty where it takes it."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a table would change")
    check = parser.parse_args(argv).check
    tried = [
        Tried(name, library, why_not(make(name, library))) for library, names in TRIED.items() for name in names.split()
    ]
    for record, text in (("architectures.md", one_a_line(tried)), ("architectures-short.md", summary(tried))):
        path = RECORDS / record
        if not check:
            path.write_text(f"{text}\n", encoding="utf-8")
        elif path.read_text(encoding="utf-8") != f"{text}\n":
            raise CamlossError(f"docs/records/{record} is not what wrap says; run scripts/dev/architectures.py")


def make(name: str, library: str) -> nn.Module:
    model: nn.Module = timm.create_model(name) if library == "timm" else models.get_model(name, weights=None)
    return model


def why_not(model: nn.Module) -> str:
    try:
        wrap(model)
    except CamlossError as error:
        return str(error).partition(": ")[2].partition("; ")[0]
    return ""


def one_a_line(tried: Sequence[Tried]) -> str:
    rows = [[name, library, "no" if reason else "yes", reason] for name, library, reason in tried]
    return cli.table(["architecture", "library", "works", "why not"], rows)


def summary(tried: Sequence[Tried]) -> str:
    """How many of each library are taken, and which are refused for what."""
    rows = []
    for library in TRIED:
        of_library = [one for one in tried if one.library == library]
        rows.append([f"{sum(not one.reason for one in of_library)} of {len(of_library)} tried ({library})", "yes", ""])
    refused = defaultdict(list)
    for name, library, reason in tried:
        if reason:
            refused[library, shortened(reason)].append(name)
    rows += [[f"{', '.join(names)} ({library})", "no", reason] for (library, reason), names in refused.items()]
    return cli.table(["architecture", "works", "why not"], rows)


def shortened(reason: str) -> str:
    """A reason of `wrap` without the names of layers and numbers."""
    layer = re.search(r"head lies \S+ \((\w+?)(?:2d|Act)*\)", reason)
    return f"{layer[1]} before the head" if layer else "no maps for its head"


if __name__ == "__main__":
    cli.run(main)
