"""Only the end of an answer teaches a model to stop, not the ends of the turns before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from jobs.rulebook.reading import nest
from jobs.trainer.endings import Endings, answer_header, count_endings
from jobs.trainer.run_file import RunFile
from tests.inspection.small_tokenizers import CHATML, published

from .small import make_merging_tokenizer

USER, ANSWER = "<|im_start|>user\nHi<|im_end|>\n", "<|im_start|>assistant\nHello<|im_end|>\n"


def a_run(length: int = 4096, *, conversational: bool = True) -> RunFile:
    spec = {"training.method": "sft", "data.max_length": length, "data.packing": False}
    return RunFile(job=0, attempt=0, spec=nest(spec), model_path="", dataset_format="messages",
                   conversational=conversational, rows=1, facts={})  # fmt: skip


def counted(folder: Path, text: str, cut: int, *, masked: int = 0) -> Endings:
    """Of one row that is cut to so many tokens, of which the first `masked` are not learnt."""
    from datasets import Dataset

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"][:cut]
    rows = Dataset.from_dict({"labels": [[-100] * masked + ids[masked:]]})
    stop = tokenizer.convert_tokens_to_ids("<|im_end|>")
    return count_endings(a_run(cut), rows, {stop}, tokenizer)


def size(folder: Path, text: str) -> int:
    return len(AutoTokenizer.from_pretrained(folder)(text, add_special_tokens=False)["input_ids"])


def test_the_end_of_the_question_in_a_row_that_is_cut_does_not_count(chatml: Path) -> None:
    cut = size(chatml, USER) + 4
    assert counted(chatml, USER + ANSWER, cut).ended == 0
    assert counted(chatml, USER + USER, cut).ended == 0


def test_the_end_of_an_earlier_answer_does(chatml: Path) -> None:
    whole = USER + ANSWER + USER + ANSWER
    assert counted(chatml, whole, size(chatml, whole) - 5).ended == 1


def test_where_answers_alone_are_learnt_every_end_is_one_of_theirs(chatml: Path) -> None:
    whole = USER + ANSWER + USER + ANSWER
    header = size(chatml, USER + "<|im_start|>assistant\n")
    assert counted(chatml, whole, size(chatml, whole) - 5, masked=header).ended == 1


@pytest.mark.parametrize(
    ("template", "header"),
    [
        (CHATML, "<|im_start|>assistant"),
        (published("llama3"), "<|start_header_id|>assistant<|end_header_id|>"),
        (published("deepseek_r1_distill"), "<｜Assistant｜>"),
        ("{% for m in messages %}{{ m.content }}</s>{% endfor %}", ""),
    ],
    ids=["chatml", "llama3", "deepseek_r1", "none"],
)
def test_an_answer_begins_with_what_the_template_writes_before_it(tmp_path: Path, template: str, header: str) -> None:
    tokenizer: Any = AutoTokenizer.from_pretrained(make_merging_tokenizer(tmp_path, template))
    assert tokenizer.decode(answer_header(a_run(), tokenizer)) == header
    assert answer_header(a_run(conversational=False), tokenizer) == []
