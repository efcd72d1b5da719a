"""Ids and labels are those that TRL's own trainers prepare: row by row, for every format and many model lines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from jobs.preparation.answers import Way, way_of
from jobs.preparation.plan import Plan
from jobs.preparation.prepare import Example, Failed, Pair, prepare
from tests.inspection.small_tokenizers import CHATML, published

from . import small

LINES = (
    "gemma", "gemma3", "llama3", "llama3_1", "phi3_5", "qwen2_5", "qwen3", "qwen3_5_think", "deepseekv3",
    "deepseek_r1_distill", "gptoss", "glm4moe", "cohere2", "lfm2_2_5",
)  # fmt: skip
SFT = {
    "messages": (small.CHATS, True),
    "text": (small.TEXTS, False),
    "prompt_completion": (small.PROMPTS, False),
    "prompt_completion (chat)": (small.PROMPT_CHATS, True),
    "messages (tools)": (small.WITH_TOOLS, True),
}
DPO = {
    "preference": (small.PAIRS, False),
    "preference (chat)": (small.PAIR_CHATS, True),
    "preference (implicit)": (small.IMPLICIT, False),
    "preference (implicit, chat)": (small.IMPLICIT_CHATS, True),
}
LENGTHS = (24, 4096)
PLAIN: dict[str, Any] = {"use_cpu": True, "bf16": False, "activation_checkpointing": False, "report_to": "none"}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    from datasets import disable_progress_bars, enable_progress_bars

    disable_progress_bars()
    yield
    enable_progress_bars()


def make_trainer(folder: Path, method: str, rows: list[dict[str, Any]], **arguments: Any) -> Any:
    from datasets import Dataset
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from jobs.trainer.run import trl_classes

    trainer, config = trl_classes(method)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    model.save_pretrained(folder)  # DPO reads it once more, as its reference
    return trainer(
        model=AutoModelForCausalLM.from_pretrained(folder),
        args=config(output_dir=str(folder / "out"), max_length=None, **PLAIN, **arguments),
        train_dataset=Dataset.from_list(rows[:1]),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )


def as_trl(trainer: Any, rows: list[dict[str, Any]], length: int, **options: Any) -> list[dict[str, Any]] | None:
    """What TRL makes of the rows, by their numbers; None where it gives up."""
    from datasets import Dataset

    trainer.args.max_length = length
    for name, value in options.items():
        setattr(trainer, name, value)
    given = Dataset.from_list([{**row, "number": number} for number, row in enumerate(rows)])
    more = () if type(trainer).__name__ == "DPOTrainer" else (False, None)
    try:
        made = trainer._prepare_dataset(given, trainer.processing_class, trainer.args, *more, "train")
    except Exception:
        return None
    return list(made)


def ours(tokenizer: Any, plan: Plan, rows: list[dict[str, Any]], way: Way | None) -> list[Any] | None:
    made = prepare(tokenizer, plan, rows, way)
    return None if any(isinstance(each, Failed) for each in made) else made


def cut(number: int, row: Example | Pair, length: int) -> dict[str, Any] | None:
    if isinstance(row, Example):
        labels = row.labels[:length]
        kept = any(label != -100 for label in labels)
        return {"number": number, "input_ids": row.ids[:length], "labels": labels} if kept else None
    whole = {"number": number, "prompt_ids": row.prompt, "chosen_ids": row.chosen, "rejected_ids": row.rejected}
    return whole if len(row.prompt) < length else None


def check(theirs: list[dict[str, Any]] | None, made: list[Any] | None, length: int) -> int:
    """Both refuse, or both keep the same rows with the same tokens. Answers with the number of rows compared."""
    assert (theirs is None) == (made is None)
    if theirs is None or made is None:
        return 0
    kept = [found for number, row in enumerate(made) if (found := cut(number, row, length))]
    assert [{name: row[name] for name in found} for row, found in zip(theirs, kept, strict=True)] == kept
    return len(kept)


@pytest.mark.slow
@pytest.mark.parametrize("line", [*LINES, "chatml"])
def test_every_row_has_the_ids_and_labels_that_trl_gives_it(tmp_path: Path, line: str) -> None:
    template = CHATML if line == "chatml" else published(line)
    folder = small.make_merging_tokenizer(tmp_path, template)
    trainer = make_trainer(folder, "sft", small.TEXTS)
    tokenizer, compared = trainer.processing_class, 0
    for (name, (rows, chat)), length, completions in product(SFT.items(), LENGTHS, (True, False)):
        if completions and not name.startswith("prompt"):
            continue
        plan = Plan(name.split(" ")[0], chat, max_length=length, answers_only=False, completion_only=completions)
        compared += check(
            as_trl(trainer, rows, length, completion_only_loss=completions), ours(tokenizer, plan, rows, None), length
        )
    pairs = make_trainer(folder, "dpo", small.PAIRS)
    for (rows, chat), length in product(DPO.values(), LENGTHS):
        plan = Plan("preference", chat, "dpo", max_length=length)
        compared += check(as_trl(pairs, rows, length), ours(tokenizer, plan, rows, None), length)
    assert compared > 100


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_training_on_answers_only_learns_what_trl_would_learn(tmp_path: Path, line: str) -> None:
    """With offsets as most tokenizers have them; where they leave out blanks, TRL loses answers that begin with one."""
    folder = small.make_merging_tokenizer(tmp_path, published(line), trims=False)
    try:
        trainer = make_trainer(folder, "sft", small.CHATS, assistant_only_loss=True)
    except ValueError:
        pytest.skip("TRL cannot tell the answers of this template")
    tokenizer = trainer.processing_class
    way = way_of(tokenizer)
    assert way.how in ("tags", "patch")
    compared = 0
    for (name, (rows, chat)), length in product(SFT.items(), LENGTHS):
        if not chat:
            continue
        for completions in (True, False) if name.startswith("prompt") else (False,):
            plan = Plan(name.split(" ")[0], True, max_length=length, answers_only=True, completion_only=completions)
            theirs = as_trl(trainer, rows, length, completion_only_loss=completions)
            compared += check(theirs, ours(tokenizer, plan, rows, way), length)
    assert compared > 20


@pytest.mark.slow
@pytest.mark.parametrize("starts", [True, False])
def test_a_tokenizer_that_adds_a_beginning_adds_it_to_plain_texts_only(tmp_path: Path, starts: bool) -> None:
    folder = small.make_merging_tokenizer(tmp_path, CHATML, starts=starts)
    trainer = make_trainer(folder, "sft", small.TEXTS)
    for name, (rows, chat) in SFT.items():
        plan = Plan(name.split(" ")[0], chat, max_length=4096, answers_only=False)
        theirs = as_trl(trainer, rows, 4096, completion_only_loss=plan.masks_prompts)
        assert check(theirs, ours(trainer.processing_class, plan, rows, None), 4096) == len(rows)


@pytest.mark.parametrize("way", [None, Way("prefixes")])
def test_answers_that_begin_with_a_blank_are_learnt_whole_whatever_offsets_say(tmp_path: Path, way: Way | None) -> None:
    from transformers import AutoTokenizer

    template = published("llama3")
    learnt = []
    for trims in (True, False):
        tokenizer = AutoTokenizer.from_pretrained(small.make_merging_tokenizer(tmp_path, template, trims=trims))
        made = prepare(tokenizer, Plan("messages", True), small.CHATS, way or way_of(tokenizer))
        learnt.append([tokenizer.decode([label for label in row.labels if label >= 0]) for row in made])
    assert learnt[0] == learnt[1]
    assert learnt[0][1] == "Four, of course.<|eot_id|>"
