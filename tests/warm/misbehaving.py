"""Tasks that do what no task should, and a server of them: `python -m tests.warm.misbehaving SOCKET [CODE_FOLDER]`."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from jobs.warm.__main__ import listening
from jobs.warm.preload import Watch
from jobs.warm.server import Server

PLACES = 2
TRAINER = "tests.warm.misbehaving:train"


def echo(**said: Any) -> dict[str, Any]:
    return {"said": said, "process": os.getpid(), "session": os.getsid(0), "secret": os.environ.get("HF_TOKEN")}


def nap(length: float, note: str = "") -> dict[str, Any]:
    """With `note`, a file that names the process and a child of its own."""
    if note:
        other = subprocess.Popen(["sleep", "60"])
        Path(note).write_text(f"{os.getpid()} {other.pid}")
    time.sleep(length)
    return {}


def take(megabytes: int) -> dict[str, Any]:
    return {"length": len(bytearray(megabytes * 1024**2))}


def crash() -> dict[str, Any]:
    print("about to crash", flush=True)
    ctypes.string_at(0)
    return {}


def leave() -> dict[str, Any]:
    os._exit(0)


def refuse() -> dict[str, Any]:
    raise ValueError("no such thing")


def no_json() -> dict[str, Any]:
    return {"set": {1}}


def talk(megabytes: int) -> dict[str, Any]:
    return {"text": "x" * megabytes * 1024**2}


def chatter() -> dict[str, Any]:
    for number in range(200_000):
        print("line", number)
    raise ValueError("after many words")


def leave_one_behind(note: str) -> dict[str, Any]:
    Path(note).write_text(str(subprocess.Popen(["sleep", "60"]).pid))
    return {}


def train() -> int:
    """Stands in for the trainer: tells all about itself, then does what its second argument says."""
    folder, how = Path(sys.argv[1]), sys.argv[2]
    told = {
        "pid": os.getpid(), "leads": os.getsid(0) == os.getpid(), "folder": str(Path.cwd()),
        "environment": dict(os.environ), "limits": [resource.getrlimit(each) for each in LIMITS],
        "term": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, "open": sorted(open_files()),
        "oom": Path("/proc/self/oom_score_adj").read_text().strip(), "death_signal": death_signal(),
    }  # fmt: skip
    print("said by the trainer", flush=True)
    (folder / "told.part").write_text(json.dumps(told))
    (folder / "told.part").rename(folder / "told")
    if how == "raise":
        raise ValueError("no such thing")
    if how == "run again":
        code = "import sys; sys.argv = sys.argv[1:]; from tests.warm.misbehaving import train; sys.exit(train())"
        os.execv(sys.executable, [sys.executable, "-c", code, *sys.argv[:2], "7"])  # noqa: S606
    if how == "wait":
        time.sleep(60)
    return int(how)


LIMITS = (resource.RLIMIT_CPU, resource.RLIMIT_DATA, resource.RLIMIT_CORE)


def open_files() -> Iterator[str]:
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that lists them
            yield str(each.readlink())


def death_signal() -> int:
    number = ctypes.c_int()
    ctypes.CDLL(None).prctl(2, ctypes.byref(number))  # PR_GET_PDEATHSIG
    return number.value


TASKS = {
    function.__name__: f"{__name__ if __name__ != '__main__' else 'tests.warm.misbehaving'}:{function.__name__}"
    for function in (echo, nap, take, crash, leave, refuse, no_json, talk, chatter, leave_one_behind)
}

if __name__ == "__main__":
    watch = Watch((), [Path(folder) for folder in sys.argv[2:]])
    with listening(Path(sys.argv[1])) as listener:
        Server(listener, TASKS, places=PLACES, is_stale=watch.has_changed, trainer=TRAINER).run()
