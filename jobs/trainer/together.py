"""One process among several that train one model: what it knows of the others, and what it agrees on with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LONGEST = timedelta(days=7)
"""For which the others are waited for: one writes a large model alone, and a dead one ends them all anyway."""


class OtherFailed(Exception):
    """Another of the processes could not do its part; it says why."""


_talk: list[torch.distributed.ProcessGroup] = []
"""The group whose members talk over loopback and not through their GPUs, which would have to pause for it."""


def rank() -> int:
    return int(os.environ.get("RANK", 0))


def number() -> int:
    return int(os.environ.get("WORLD_SIZE", 1))


def is_first() -> bool:
    """Whether this process speaks and writes for all."""
    return rank() == 0


def join() -> None:
    """Meet the others. Does nothing for a process on its own."""
    if number() == 1:
        return
    import torch
    from torch import distributed

    on_gpus = torch.cuda.is_available()
    if on_gpus:
        _spare_cards_without_direct_access()
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    meeting = Path(os.environ["FORETUNE_MEETING"]).absolute().as_uri()
    distributed.init_process_group(
        "nccl" if on_gpus else "gloo", init_method=meeting, rank=rank(), world_size=number(), timeout=LONGEST
    )
    _talk.append(distributed.new_group(backend="gloo", timeout=LONGEST))


def _spare_cards_without_direct_access() -> None:
    """Consumer cards of 2022 cannot reach into each other's memory; accelerate refuses to start unless told so."""
    from accelerate.utils import check_cuda_p2p_ib_support  # type: ignore[import-untyped]

    if not check_cuda_p2p_ib_support():
        os.environ.update(NCCL_P2P_DISABLE="1", NCCL_IB_DISABLE="1")


def agreed(wish: bool) -> bool:
    """Whether any of the processes wishes so. All of them must ask at the same point of their work."""
    if number() == 1:
        return wish
    import torch
    from torch import distributed

    wishes = torch.tensor(int(wish))
    distributed.all_reduce(wishes, distributed.ReduceOp.MAX, group=_talk[0])
    return bool(wishes)


@contextmanager
def all_or_none() -> Iterator[None]:
    """Work that every process does at the same point: where one fails, it fails for all of them."""
    failure: Exception | None = None
    try:
        yield
    except Exception as error:
        failure = error
    if agreed(failure is not None):
        raise failure or OtherFailed


def wait_for_all() -> None:
    """Until every process has come here."""
    agreed(False)


def part() -> None:
    """Take leave of the others, who come here as well."""
    if number() == 1:
        return
    from torch import distributed

    wait_for_all()
    _talk.clear()
    distributed.destroy_process_group()
