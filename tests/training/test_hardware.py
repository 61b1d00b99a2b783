"""Devices and precisions: those that are there, and refusals."""

import pytest
import torch

from camloss import CamlossError
from camloss.training.hardware import environment, pick_device, pick_precision


def test_a_device_that_is_not_there_is_refused() -> None:
    for name in ("tpu", "meta"):
        with pytest.raises(CamlossError, match=f"device '{name}' cannot be used .*; try --device cpu"):
            pick_device(name)


def test_bfloat16_is_taken_only_where_the_cpu_says_it_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for abilities, expected in (({"avx512_bf16": True}, "bfloat16"), ({"avx512_bf16": False, "avx2": True}, "float32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=abilities: found, raising=False)
        assert pick_precision("auto", torch.device("cpu")) == expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # torch 2.8 has none
    for has_it, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda found=has_it: found)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert pick_precision("auto", torch.device("cpu")) == expected
    assert pick_precision("bfloat16", torch.device("cpu")) == "bfloat16"


@pytest.mark.parametrize(("threads", "named"), [(1, "1 thread of "), (2, "2 threads of ")])
def test_the_environment_names_threads_and_processor(monkeypatch: pytest.MonkeyPatch, threads: int, named: str) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert environment(torch.device("cpu"))["device"].startswith(named)
