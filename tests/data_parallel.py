"""DataParallel as on a machine without GPUs, where it passes everything on."""

from torch import nn


def data_parallel(network: nn.Module) -> nn.Module:
    """Inside it the network lies on the CPU, where with GPUs it would have to be on the first of them."""
    wrapper = nn.DataParallel(network)
    wrapper.device_ids = []
    return wrapper
