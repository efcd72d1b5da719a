"""Reading a dataset against a bare typed decode of the same lines: MB/s, and the peak memory of a reader by itself."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasets_app.reading import read_file
from datasets_app.reading.formats.messages import Chat

SIZE = 200_000_000
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


def write_chats(path: Path, size: int = SIZE) -> int:
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
        while file.tell() < size:
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
    """In processor time, so that other programs on the machine count less."""
    start = time.process_time()
    read(path)
    return path.stat().st_size / 1e6 / (time.process_time() - start)


def peak_memory(path: Path) -> int:
    alone = subprocess.run([sys.executable, "-c", READ_ALONE, path], capture_output=True, text=True, check=True)
    return int(alone.stdout)


def packed(chats: Path, path: Path) -> None:
    with chats.open("rb") as lines, gzip.open(path, "wb", 6) as file:
        shutil.copyfileobj(lines, file)


def as_table(chats: Path, path: Path) -> None:
    with chats.open() as lines, path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("prompt", "completion"))
        for line in lines:
            *asked, answer = [turn["content"] for turn in json.loads(line)["messages"]]
            writer.writerow(("\n".join(asked), answer))


def as_parquet(chats: Path, path: Path) -> None:
    with chats.open() as lines:
        pq.write_table(pa.table({"messages": [json.loads(line)["messages"] for line in lines]}), path)


@pytest.mark.benchmark
@pytest.mark.parametrize("write", [packed, as_table, as_parquet], ids=["gzip", "csv", "parquet"])
def test_ingest_of_other_kinds(tmp_path: Path, write: Callable[[Path, Path], None]) -> None:
    chats, path = tmp_path / "chats.jsonl", tmp_path / "other"
    rows = write_chats(chats, 50_000_000)
    write(chats, path)
    speeds = [megabytes_per_second(read_file, path) for _ in range(ROUNDS)]
    per_second = median(speeds) / (path.stat().st_size / 1e6) * rows
    peak = peak_memory(path)
    line = {
        "name": f"ingest_{write.__name__}", "ours": round(per_second), "unit": "rows/s", "rows": rows,
        "file_mb": round(path.stat().st_size / 1e6, 1), "peak_memory_mb": peak, "goal": MOST_MEMORY_MB,
        "holds": peak <= MOST_MEMORY_MB,
    }  # fmt: skip
    print("\n" + json.dumps(line))
    assert read_file(path).rows == rows
    assert peak <= MOST_MEMORY_MB


@pytest.mark.benchmark
def test_ingest(tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    rows = write_chats(path)
    speeds = [(megabytes_per_second(read_file, path), megabytes_per_second(bare_decode, path)) for _ in range(ROUNDS)]
    ours, baseline = (median(column) for column in zip(*speeds, strict=True))
    peak = peak_memory(path)
    ratio = median(mine / bare for mine, bare in speeds)
    line = {
        "name": "ingest", "ours": round(ours, 1), "baseline": round(baseline, 1), "ratio": round(ratio, 3),
        "unit": "MB/s", "goal": GOAL, "holds": ratio >= GOAL and peak <= MOST_MEMORY_MB,
        "rows": rows, "peak_memory_mb": peak,
    }  # fmt: skip
    print("\n" + json.dumps(line))
    assert read_file(path).rows == rows
    assert peak <= MOST_MEMORY_MB
