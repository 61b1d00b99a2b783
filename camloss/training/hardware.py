"""Which device and precision a run takes, and how a measurement names them."""

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from camloss.errors import CamlossError


def pick_device(name: str) -> torch.device:
    """Raises CamlossError where torch does not know the device or cannot use it."""
    if name == "auto":
        name = str(torch.accelerator.current_accelerator() or "cpu") if torch.accelerator.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # "meta" can make a tensor, but holds no numbers
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise CamlossError(f"device {name!r} cannot be used ({reason}); try --device cpu") from error
    return device


def pick_precision(name: str, device: torch.device) -> str:
    """ "auto" becomes "bfloat16" on devices with bfloat16 arithmetic of their own, else "float32"."""
    if name != "auto":
        return name
    if device.type == "cpu":
        return "bfloat16" if _cpu_has_bfloat16() else "float32"
    return (
        "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    )


def _cpu_has_bfloat16() -> bool:
    if not hasattr(torch.cpu, "get_capabilities"):  # torch 2.8 asks for each ability by itself
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    abilities: Mapping[str, Any] = torch.cpu.get_capabilities()
    return bool(abilities.get("avx512_bf16") or abilities.get("amx_bf16"))


def environment(device: torch.device) -> dict[str, str]:
    """Where a measurement was taken, for training records and tables."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        threads = torch.get_num_threads()
        name = f"{threads} thread{'s' if threads > 1 else ''} of {cpu_name()}"
    return {"device": name, "torch": torch.__version__, "python": platform.python_version()}


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
