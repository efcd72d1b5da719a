"""Stands in for the trainer: python fake_trainer.py RUN_DIR HOW. Speaks as it does, and takes no time."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

folder, how = Path(sys.argv[1]), sys.argv[2]
EVENTS = (folder / "events.jsonl").open("a", buffering=1)


def say(event: str, **fields: object) -> None:
    EVENTS.write(json.dumps({"at": "2026-01-01T00:00:00+00:00", "event": event, **fields}) + "\n")


def holds_the_lock() -> bool:
    lock = (folder / "lock").stat()
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


say("stage", stage="training", text="Training")
say("prepared", rows_given=20, rows_prepared=20, total_steps=2)
say("step", step=1, total_steps=2, loss=2.0, learning_rate=0.1)
print("a line of the log", flush=True)
match how:
    case "succeeds":
        say("step", step=2, total_steps=2, loss=1.5, learning_rate=0.1)
        finish()
    case "finds no memory at first":
        told = "Batches of 4 rows did not fit into memory."
        finding = {"code": "trainer.smaller-batch", "severity": "warning", "field": None, "message": told}
        say("findings", findings=[finding | {"fix": None, "fixes": []}])
        say("step", step=1, total_steps=2, loss=1.9, learning_rate=0.1)
        say("step", step=2, total_steps=2, loss=1.5, learning_rate=0.1)
        finish()
    case "fails":
        say(
            "failed",
            finding={"code": "x", "severity": "error", "field": None, "message": "No.", "fix": None, "fixes": []},
        )
        sys.exit(1)
    case "ends without a result":
        pass
    case "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    case "is killed after its result":
        finish()
        os.kill(os.getpid(), signal.SIGKILL)
    case "stops when asked":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        time.sleep(60)
    case "does not stop":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
