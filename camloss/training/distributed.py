"""The processes of one training, which torchrun starts, on one machine or several; without torchrun there is one.

Every process holds the whole network and takes its share of every batch. The first one alone locks folders, writes and
prints. Where one process ends early, the others end too, each with one line.
"""

import inspect
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from camloss.errors import CamlossError

Result = TypeVar("Result")
LONGEST_WAIT = timedelta(hours=1)  # for another process, such as the first one that measures and writes
TO_END_BY_ITSELF = 5.0  # seconds
ENDED = "another process of this training has ended; see what it said, then go on with --resume"


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this is."""

    rank: int = 0
    count: int = 1
    started: bool = False
    """By torchrun, so that they can talk to each other."""

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def share(self, whole: Tensor) -> Tensor:
        """What this process takes of a batch: every `count`-th; the first one where there is none left for it."""
        return whole[self.rank :: self.count] if self.rank < len(whole) else whole[:1]

    def weight(self, whole: int) -> float:
        """The factor of this process's mean loss with which the mean over processes is that of `whole` images."""
        return len(range(self.rank, whole, self.count)) * self.count / whole

    def sum(self, numbers: Tensor) -> Tensor:
        """Over all processes, in place."""
        if self.started:
            dist.all_reduce(numbers)
        return numbers

    def given(self, value: Result) -> Result:
        """The first process's value."""
        if not self.started:
            return value
        box = [value if self.is_first else None]
        dist.broadcast_object_list(box)
        return box[0]  # type: ignore[return-value]

    def first(self, work: Callable[[], Result]) -> Result | None:
        """What the first process gets from `work`, None in the others, once it is done; its error is everybody's.

        Raises:
            CamlossError: as `work`.
        """
        result, problem = None, None
        if self.is_first:
            try:
                result = work()
            except CamlossError as error:
                if not self.started:
                    raise
                problem = error
        if (problem := self.given(problem)) is not None:
            raise problem
        return result

    def first_then_all(self, work: Callable[[], Result]) -> Result:
        """What each process gets from `work`, such as reading data; the first one may download it for those after it.

        Raises:
            CamlossError: as `work`.
        """
        result = self.first(work)
        if self.is_first:
            return result  # type: ignore[return-value]
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
            return work()

    def refuse_difference(self, value: object, what: str) -> None:
        """
        Raises:
            CamlossError: another process has another value.
        """
        if self.given(value) != value:
            raise CamlossError(f"process {self.rank} found {what} than the first one; give every machine the same")

    def average_buffers(self, network: nn.Module) -> None:
        """Make the running statistics of batch norm the same everywhere: their mean."""
        if self.count > 1:
            for buffer in network.buffers():
                if buffer.is_floating_point():
                    buffer.copy_(self.sum(buffer.clone()) / self.count)


ALONE = Processes()


@contextmanager
def processes(device: str) -> Iterator[tuple[Processes, str]]:
    """Find the other processes, where torchrun has started this one; gives also the device of this one.

    Args:
        device: that was asked for.

    Raises:
        CamlossError: there are more processes than GPUs, or another process has ended early.
    """
    if not {"RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"} <= set(os.environ):
        yield ALONE, device
        return
    rank, count, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if on_gpu:
        if local >= torch.cuda.device_count():
            raise CamlossError(
                f"there are {torch.cuda.device_count()} GPUs for {os.environ.get('LOCAL_WORLD_SIZE', local + 1)} "
                "processes; lower --nproc-per-node, or take --device cpu"
            )
        device = f"cuda:{local}"
        torch.cuda.set_device(local)
    device = "cpu" if device == "auto" else device
    with _ends_with_the_others():
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=LONGEST_WAIT)
        yield Processes(rank, count, started=True), device
        dist.destroy_process_group()


@contextmanager
def _ends_with_the_others() -> Iterator[None]:
    """One line where another process ends, whether that shows in a broken connection or in torchrun's SIGTERM.

    A process that waits for a GPU hears no signal: a thread waits for it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # from here on the thread alone hears it
    threading.Thread(target=_leave_on_sigterm, daemon=True).start()
    try:
        yield
    except (RuntimeError, dist.DistError) as error:
        if not isinstance(error, dist.DistError) and not any(word in str(error) for word in ("gloo", "onnection")):
            raise
        raise CamlossError(ENDED) from error


def _leave_on_sigterm() -> None:
    signal.sigwait({signal.SIGTERM})
    time.sleep(TO_END_BY_ITSELF)
    print(f"error: {ENDED}", file=sys.stderr, flush=True)
    os._exit(128 + signal.SIGTERM)


def wrapped_for(found: Processes, model: nn.Module, device: torch.device) -> nn.Module:
    """The model inside DistributedDataParallel, which averages gradients, where there are processes to share them."""
    if not found.started:
        return model
    ddp = nn.parallel.DistributedDataParallel
    options: dict[str, Any] = {"device_ids": [device]} if device.type == "cuda" else {}
    renamed = "forward_sync_buffers" in inspect.signature(ddp).parameters
    options["forward_sync_buffers" if renamed else "broadcast_buffers"] = False  # `average_buffers`, once an epoch
    return ddp(model, **options)
