"""The process group of a job: one process, or as many as torchrun or `accelerate launch` started."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from seq2seq.errors import LostProcess, Seq2SeqError

T = TypeVar("T")


def join(backend: str) -> None:
    """Form the process group as accelerate would, but in a way that works again after a restart by torchrun.

    torchrun keeps one store over its restarts, in which the addresses of dead processes would be found.
    """
    if torch.distributed.is_initialized():
        return
    if "OMP_NUM_THREADS" not in os.environ:  # torchrun sets it, other launchers may not
        share = max(1, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
        os.environ["OMP_NUM_THREADS"] = str(share)
        torch.set_num_threads(share)
    store, rank, count = next(rendezvous("env://"))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    torch.distributed.init_process_group(
        backend, store=PrefixStore(f"attempt {attempt}", store), rank=rank, world_size=count
    )


class Processes:
    """The processes of a job: all compute, only the first one writes. With one process, each method does its work
    directly.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self.count, self.index = int(accelerator.num_processes), int(accelerator.process_index)
        self.first = self.index == 0

    def on_first(self, act: Callable[[], T]) -> T:
        """Call `act` in the first process while the others wait, and return its result in all of them; a Seq2SeqError
        is raised in all as well.
        """
        if self.count == 1:
            return act()
        box: list[Any] = [None, None]
        if self.first:
            try:
                box[0] = act()
            except Seq2SeqError as error:
                box[1] = error
        broadcast_object_list(box)
        if box[1] is not None:
            raise box[1]
        result: T = box[0]
        return result

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Return this process's share of items that all processes hold."""
        return items[self.index :: self.count]

    def merge(self, shares: Sequence[Sequence[T]]) -> list[T]:
        """Return the items in their order from the shares that `share` made and `gather` collected."""
        merged: list[Any] = [None] * sum(map(len, shares))
        for index, part in enumerate(shares):
            merged[index :: self.count] = part
        return merged

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, ordered by process, in each of them. Values are pickled."""
        return [value] if self.count == 1 else list(gather_object([value]))

    def gather_numbers(self, values: Sequence[float]) -> list[list[float]]:
        """Return each process's row of numbers, as `gather` does, but fast enough for every step."""
        if self.count == 1:
            return [list(values)]
        row = torch.tensor([values], dtype=torch.float64, device=self.accelerator.device)
        rows: list[list[float]] = self.accelerator.gather(row).tolist()
        return rows

    @contextmanager
    def explain_lost_process(self, hint: str = "--resume goes on after the last validation") -> Iterator[None]:
        """Raise LostProcess, with a hint what to do, if another process has ended, which torch reports as a failed
        connection.
        """
        try:
            yield
        except RuntimeError as error:
            if self.count == 1 or not _is_lost_connection(error):
                raise
            who = f"process {self.index + 1} of {self.count}"
            raise LostProcess(f"{who}: another process of this job has ended, so the job ends; {hint}") from None

    def random_states(self) -> dict[str, Tensor]:
        """Return the states of torch's generators in all processes, by name, for a resume."""
        own = {"torch": torch.get_rng_state()}
        if torch.cuda.is_available():
            own["cuda"] = torch.cuda.get_rng_state()
        every = self.gather(own)
        return {f"{name}/{index}": state for index, states in enumerate(every) for name, state in states.items()}

    def set_random_states(self, states: dict[str, Tensor], seed: int) -> None:
        """Restore this process's generators; if none were saved for it, because the job had fewer processes, seed it
        with `seed`.
        """
        if f"torch/{self.index}" not in states:
            torch.manual_seed(seed)
            return
        torch.set_rng_state(states[f"torch/{self.index}"])
        if torch.cuda.is_available() and f"cuda/{self.index}" in states:
            torch.cuda.set_rng_state(states[f"cuda/{self.index}"])


def _is_lost_connection(error: RuntimeError) -> bool:
    words = str(error).lower()
    return isinstance(error, torch.distributed.DistError) or any(name in words for name in ("gloo", "nccl"))
