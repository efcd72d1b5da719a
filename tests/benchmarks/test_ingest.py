"""Reading a dataset against a bare typed decode of the same lines: MB/s, and the peak memory of a reader by itself."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import msgspec
import pytest

from datasets_app.reading import read_file
from datasets_app.reading.formats.messages import Chat

SIZE = 50_000_000
ROUNDS = 3
GOAL = 0.6
MOST_MEMORY_MB = 150
READ_ALONE = """
import re, sys
from pathlib import Path
from datasets_app.reading import read_file
read_file(Path(sys.argv[1]))
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def write_chats(path: Path) -> int:
    """Rows of one to three exchanges, about 1.75 kB on average, as in real chat data. Returns how many."""
    words = (
        "a",
        "model",
        "answers",
        "how",
        "gradients",
        "move",
        "its",
        "weights,",
        "née",
        "façade",
        "🙂",
        "and",
        "why",
    )
    stream = cycle(words)
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < SIZE:
            turns = [{"role": "system", "content": "You are kind."}] if rows % 3 == 0 else []
            for exchange in range(1 + rows % 3):
                turns.append({"role": "user", "content": " ".join(islice(stream, 20 + exchange * 10))})
                turns.append({"role": "assistant", "content": " ".join(islice(stream, 90 + rows % 60))})
            file.write(json.dumps({"messages": turns}, ensure_ascii=False) + "\n")
            rows += 1
    return rows


def bare_decode(path: Path) -> None:
    decode = msgspec.json.Decoder(Chat).decode
    with path.open("rb") as file:
        for line in file:
            decode(line)


def megabytes_per_second(read: Callable[[Path], object], path: Path) -> float:
    start = time.perf_counter()
    read(path)
    return path.stat().st_size / 1e6 / (time.perf_counter() - start)


@pytest.mark.benchmark
def test_ingest(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    rows = write_chats(path)
    speeds = [(megabytes_per_second(read_file, path), megabytes_per_second(bare_decode, path)) for _ in range(ROUNDS)]
    ours, baseline = (median(column) for column in zip(*speeds, strict=True))
    alone = subprocess.run([sys.executable, "-c", READ_ALONE, path], capture_output=True, text=True, check=True)
    peak = int(alone.stdout)
    ratio = median(mine / bare for mine, bare in speeds)
    line = {
        "name": "ingest", "ours": round(ours, 1), "baseline": round(baseline, 1), "ratio": round(ratio, 3),
        "unit": "MB/s", "goal": GOAL, "holds": ratio >= GOAL and peak <= MOST_MEMORY_MB,
        "rows": rows, "peak_memory_mb": peak,
    }  # fmt: skip
    print("\n" + json.dumps(line))
    assert read_file(path).rows == rows
    assert peak <= MOST_MEMORY_MB
