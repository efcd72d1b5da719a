"""Stands in for the trainer: python fake_trainer.py RUN_DIR HOW. Speaks as it does, and takes no time."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from jobs.trainer import checkpoints
from jobs.trainer.fence import Fence

folder, how = Path(sys.argv[1]), sys.argv[2]
EVENTS = (folder / "events.jsonl").open("a", buffering=1)
JOB = "settings and rows"


def say(event: str, **fields: object) -> None:
    EVENTS.write(json.dumps({"at": "2026-01-01T00:00:00+00:00", "event": event, **fields}) + "\n")


def fail(code: str, message: str) -> None:
    finding = {"code": code, "severity": "error", "field": None, "message": message, "fix": None, "fixes": []}
    say("failed", finding=finding)
    sys.exit(1)


def holds_the_lock() -> bool:
    lock = (folder.parent / "lock").stat()
    for descriptor in range(3, 64):
        with suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), lock):
                return True
    return False


def finish() -> None:
    (folder / "output").mkdir()
    (folder / "output" / "adapter.bin").write_bytes(b"weights")
    artifacts = [{"name": "adapter.bin", "size": 7, "sha256": "0" * 64}]
    (folder / "result.json").write_text(
        json.dumps({"artifacts": artifacts, "metrics": {"loss": 1.5}, "held": holds_the_lock()})
    )


def step(number: int) -> None:
    say("step", step=number, total_steps=4, loss=3.0 - number / 2, learning_rate=0.1)


def keep(number: int) -> None:
    with checkpoints.aside(folder / "checkpoints", number) as written:
        (written / "adapter.bin").write_text(f"weights of step {number}")
        (written / "optimizer.pt").write_text("momenta")
        checkpoints.seal(written, job=JOB)
    say("checkpoint", step=number, seconds=0.1, bytes=30)


def resume() -> int:
    stores = [Path(store) for store in json.loads((folder / "run.json").read_text()).get("checkpoints", [])]
    found, _ = checkpoints.last_sound(stores, JOB)
    if found is None:
        return 0
    say("resumed", step=found.step, epoch=0.5)
    return found.step


def train(die_at: int = 0) -> None:
    """Four steps with a checkpoint after each, from the last one on; killed before one of them at will."""
    for number in range(resume() + 1, 5):
        if number == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        step(number)
        keep(number)
    finish()
    say("finished")


def stop_at_checkpoint(*_: object) -> None:
    keep(3)
    say("stopped", step=3)
    sys.exit(143)


say("stage", stage="training", text="Training")
say("prepared", rows_given=20, rows_prepared=20, total_steps=4)
print("a line of the log", flush=True)
if how not in ("trains", "dies before step 3", "dies before step 2", "dies before step 1"):
    step(1)
match how:
    case "trains":
        train()
    case "dies before step 3":
        train(die_at=3)
    case "dies before step 1":
        train(die_at=1)
    case "steps twice and keeps one":
        step(2)
        keep(1)
        os.kill(os.getpid(), signal.SIGKILL)
    case "dies before step 2":
        train(die_at=2)
    case "succeeds":
        step(2)
        finish()
    case "finds no memory at first":
        told = "Batches of 4 rows did not fit into memory."
        finding = {"code": "trainer.smaller-batch", "severity": "warning", "field": None, "message": told}
        say("findings", findings=[finding | {"fix": None, "fixes": []}])
        say("step", step=1, total_steps=2, loss=1.9, learning_rate=0.1)
        say("step", step=2, total_steps=2, loss=1.5, learning_rate=0.1)
        finish()
    case "fails":
        fail("x", "No.")
    case "fills the disk":
        fail("trainer.disk-full", "The disk is full.")
    case "ends without a result":
        pass
    case "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    case "is killed after its result":
        finish()
        os.kill(os.getpid(), signal.SIGKILL)
    case "stops when asked":
        signal.signal(signal.SIGTERM, stop_at_checkpoint)
        keep(1)
        time.sleep(60)
    case "does not stop":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        keep(1)
        time.sleep(60)
    case "is frozen once":
        os.kill(os.getpid(), signal.SIGSTOP)
        finish()
    case "watches its lease":
        signal.signal(signal.SIGTERM, stop_at_checkpoint)
        fence = Fence(folder)
        while not fence.passed():
            time.sleep(0.05)
        stop_at_checkpoint()
    case "leaves a child":
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        finish()
