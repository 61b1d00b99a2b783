"""Time a training step with CAM-loss beside one with cross-entropy, in turns, for one network on one device.

    python scripts/dev/benchmark_step.py                                   the network of the pair
    python scripts/dev/benchmark_step.py --arch timm/resnet18 --device cuda --batch-size 256

`benchmark.py --only step` records this for the networks of the pair.
"""

import statistics
import time
from typing import Any

import _root  # noqa: F401
import torch
from _meter import hardware
from torch import nn

from camloss import CAMLoss, Objective, build_model, cli, wrap
from camloss.training.config import TrainConfig
from camloss.training.hardware import pick_device, pick_precision
from camloss.training.optim import make_optimizer

Row = tuple[str, str, str]  # what, measured, what maintainers aim at
PAIRS = 150
WARM_UP = 10
THREADS = torch.get_num_threads()  # as torch starts; the page's measurements lower it


def main() -> None:
    parser = cli.Parser(__doc__)
    parser.add_argument("--arch", default=TrainConfig().arch, help="of build_model, or timm/NAME")
    parser.add_argument("--device", default="cpu", help="such as cuda; auto takes what there is")
    parser.add_argument("--size", type=int, default=128, metavar="PX", help="of the images of a network of timm's")
    parser.add_argument("--batch-size", type=int, default=TrainConfig().batch_size, metavar="N", help="images a step")
    rows = step(**vars(parser.parse_args()))
    print(cli.table(["what", "measured"], [row[:2] for row in rows]))
    print(f"\n{hardware()}")


def step(
    arch: str = TrainConfig().arch, device: str = "cpu", size: int = 128, batch_size: int = TrainConfig().batch_size
) -> list[Row]:
    """One training step with CAM-loss over one with cross-entropy: same model, same batch, in alternation."""
    torch.set_num_threads(THREADS)
    config, place = TrainConfig(), pick_device(device)
    network: Any
    if arch.startswith("timm/"):
        import timm

        network, shape = wrap(timm.create_model(arch.removeprefix("timm/"))), (batch_size, 3, size, size)
        optimizer: torch.optim.Optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    else:
        network, shape = build_model(arch), (batch_size, 1, 28, 28)
        optimizer = make_optimizer(network, config)
    network.to(place, memory_format=torch.channels_last)
    classes = network.head.weight.shape[0]
    bfloat16 = pick_precision(config.precision, place) == "bfloat16"
    x = torch.rand(shape, device=place).contiguous(memory_format=torch.channels_last)
    targets = torch.randint(classes, (batch_size,), device=place)
    cross_entropy = nn.CrossEntropyLoss()
    cam_loss = Objective(network, CAMLoss(config.alpha))

    def synchronize() -> None:
        if place.type != "cpu":
            torch.accelerator.synchronize(place)

    def seconds(loss_of: str) -> float:
        synchronize()
        start = time.perf_counter()
        with torch.autocast(place.type, torch.bfloat16, enabled=bfloat16):
            loss = cam_loss(x, targets).total if loss_of == "cam" else cross_entropy(network(x)[0].float(), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        synchronize()
        return time.perf_counter() - start

    times: dict[str, list[float]] = {"ce": [], "cam": []}
    for pair in range(PAIRS):
        for loss_of in ("ce", "cam") if pair % 2 else ("cam", "ce"):
            times[loss_of].append(seconds(loss_of))
    ce, cam = (statistics.median(times[loss_of][WARM_UP:]) for loss_of in ("ce", "cam"))
    ratio = statistics.median(b / a for a, b in zip(times["ce"][WARM_UP:], times["cam"][WARM_UP:], strict=True))
    return [
        ("CAM-loss step over cross-entropy step", f"{ratio:.3f}", "at most 1.02"),
        (f"step of {batch_size} images, cross-entropy / CAM-loss", f"{1e3 * ce:.1f} / {1e3 * cam:.1f} ms", ""),
    ]


if __name__ == "__main__":
    cli.run(main)
