"""Time `explain` beside TorchCAM and pytorch-grad-cam on one network: python scripts/dev/benchmark.py --only explain

TorchCAM makes the CAM as `explain` does, without gradients; pytorch-grad-cam has Grad-CAM, which is the CAM's positive
part here, enlarged to the image.
"""

import copy
import statistics
import time
from collections.abc import Callable
from functools import partial

import timm
import torch
from benchmark_step import Row
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn
from torchcam.methods import CAM

from camloss import explain, wrap

ARCH, SIZE = "resnet18", 224
ROUNDS = {1: 40, 32: 4}  # by batch


def explain_beside_others() -> list[Row]:
    """Every round runs all three, in turns; a ratio is the median over the rounds."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # processor time is then what an idle machine takes
    network = timm.create_model(ARCH).eval()
    model, other = wrap(network), copy.deepcopy(network)  # GradCAM's hooks stay in its network between calls
    rows = []
    with GradCAM(other, target_layers=[other.layer4]) as gradcam:
        for batch, rounds in ROUNDS.items():
            x = torch.rand(batch, 3, SIZE, SIZE)
            calls: dict[str, Callable[[], object]] = {
                "explain": partial(explain, model, x),
                "TorchCAM": partial(torchcam, network, x),
                "pytorch-grad-cam": partial(gradcam, x, None),  # as the others: the most probable class
            }
            times = in_turns(calls, rounds)
            own = 1e3 * statistics.median(times["explain"])
            rows.append((f"explain, {ARCH} of timm, {batch} x {SIZE} px", f"{own:.1f} ms", ""))
            for name in list(calls)[1:]:
                ratio = statistics.median(a / b for a, b in zip(times["explain"], times[name], strict=True))
                rows.append((f"its time over that of {name}", f"{ratio:.2f}", "at most 1.00"))
    return rows


@torch.no_grad()
def torchcam(network: nn.Module, x: Tensor) -> Tensor:
    with CAM(network, target_layer="layer4", fc_layer="fc") as extract:
        logits = network(x)
        maps: Tensor = extract(logits.argmax(1).tolist(), logits)[0]
    return maps


def in_turns(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each call, round by round; each round starts with another one."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = time.process_time()
            calls[name]()
            if number:  # the first fills caches
                times[name].append(time.process_time() - start)
    return times
