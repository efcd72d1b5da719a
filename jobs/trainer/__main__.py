"""python -m jobs.trainer RUN_DIR [--processes N]

Exit code 0 only with result.json; 1 after a `failed` event; 143 when SIGTERM or the end of its lease stopped it. Once
training has begun, a checkpoint is written before it stops.
"""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import sys
import traceback
import uuid
from contextlib import suppress
from pathlib import Path

from . import together
from .events import Events
from .failures import finding_for, unexpected
from .fence import Fence
from .ranks import run_together
from .retrying import may_retry, retry
from .run_file import RunFile
from .stopping import EXIT_CODE, Stopped, StopSignal

M_MMAP_THRESHOLD = -3
"""The number that glibc's malloc.h gives to this setting of mallopt."""
PAGES_OF_ITS_OWN = 128 * 1024
"""Bytes from which an allocation goes back to the system when it is freed; where glibc begins by itself."""


def main() -> int:
    run_dir, processes = read_arguments()
    if processes > 1:
        return run_together(run_dir, processes)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    stop = StopSignal(Fence(run_dir))
    events = Events.of(run_dir)
    run: RunFile | None = None
    try:
        stop.listen()
        events.write("started", pid=os.getpgrp(), ranks=together.number(), slots=slots())
        events.stage("loading", "Starting the trainer")
        run = RunFile.of(run_dir)
        isolate()
        give_memory_back()
        together.join()
        from .run import fine_tune  # here, because it brings in torch: seconds after the first event

        fine_tune(run_dir, run, events, stop)
        together.part()
    except Stopped:
        events.write("stopped", step=stop.step)
        return EXIT_CODE
    except Exception as error:
        if run is not None and may_retry(error, run):
            traceback.print_exception(error, file=sys.stderr)
            retry(run_dir, run, events)
        report(error, run, events)
        return 1
    return 0


def read_arguments() -> tuple[Path, int]:
    parser = argparse.ArgumentParser(prog="python -m jobs.trainer", description="Train the job of a run folder.")
    parser.add_argument("run_dir", type=Path, metavar="RUN_DIR", help="a folder with run.json and train.jsonl")
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="so many that train together, a GPU each")
    options = parser.parse_args()
    if not options.run_dir.is_dir():
        parser.error(f"{options.run_dir} is not a folder.")
    return options.run_dir.resolve(), options.processes


def slots() -> list[int]:
    """The places on this machine that it was given, where somebody gives places out."""
    given = os.environ.get("FORETUNE_SLOTS", "")
    return [int(slot) for slot in given.split(",") if slot]


def isolate() -> None:
    """Reach nothing outside, draw no progress bars, see one GPU, and be a good neighbour.

    TRL refuses several GPUs in one process; of several processes each takes the one of its place. Threads that wait by
    spinning slow a run on a busy processor to a third or worse: five steps of SmolLM2 took 94 and 210 s beside other
    work, and 33 s with threads that sleep.
    """
    os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if together.number() == 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]


def give_memory_back() -> None:
    """Keep glibc from holding on to freed tensors.

    It raises its limit to 32 MB by itself as tensors come and go, and what lies below is kept in a heap full of
    holes: one row of 512 tokens through SmolLM2-135M then takes 1,620 MiB on a processor instead of 1,220.
    """
    with suppress(AttributeError, OSError):  # another C library
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, PAGES_OF_ITS_OWN)


def report(error: Exception, run: RunFile | None, events: Events) -> None:
    """Say it in plain words; the log keeps all of it."""
    traceback.print_exception(error, file=sys.stderr)
    finding, reference = finding_for(error, run), None
    if finding is None:
        reference = uuid.uuid4().hex[:8]
        finding = unexpected(reference)
        sys.stderr.write(f"Reference {reference}\n")
    events.failed(finding, reference)


if __name__ == "__main__":
    sys.exit(main())
