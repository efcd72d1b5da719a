"""The account of all rows: what is kept, cut, dropped, refused, equal, and how tightly they would be packed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.preparation.account import account
from jobs.preparation.fate import load
from jobs.preparation.packing import packed
from jobs.preparation.plan import Plan

from .small import TOOL, assistant, make_merging_tokenizer, user

STRICT = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('No system turns.') }}{% endif %}"
    "<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ENDS_OTHERWISE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if loop.last %}</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
ROWS = [{"messages": [user("Hi"), assistant("Hello")]}, {"messages": [user("Hi"), assistant("Hello " * 50)]}]


def told(tmp_path: Path, model: Path, rows: list[dict[str, Any]], plan: Plan) -> dict[str, Any]:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return account(str(model), str(file), asdict(plan), str(tmp_path / "rows.npz"), str(tmp_path / "progress"))


def test_a_row_that_is_cut_loses_the_end_of_its_answer(tmp_path: Path, chatml: Path) -> None:
    seen = told(tmp_path, chatml, ROWS, Plan("messages", True, max_length=32))
    assert (seen["rows"], seen["usable"], seen["cut"], seen["end_cut"]) == (2, 2, 1, 1)
    assert seen["first"]["cut"] == [1]
    assert seen["kept_tokens"] == 32 + load(tmp_path / "rows.npz")["tokens"][0]


def test_only_answers_are_learnt_where_they_can_be_told(tmp_path: Path, chatml: Path) -> None:
    seen = told(tmp_path, chatml, ROWS, Plan("messages", True))
    assert seen["answers"] == "prefixes"
    assert seen["reason"] == "Answers only, because they are found by rendering each row up to every answer."
    everything = told(tmp_path, chatml, ROWS, Plan("messages", True, answers_only=False))
    assert 0 < seen["trained_tokens"] < everything["trained_tokens"] == everything["tokens"]


def test_an_answer_behind_a_long_prompt_is_dropped_and_a_row_without_answer_is_masked(
    tmp_path: Path, chatml: Path
) -> None:
    rows = [{"messages": [user("Hi " * 60), assistant("Hello")]}, {"messages": [user("Hi")]}, ROWS[0]]
    seen = told(tmp_path, chatml, rows, Plan("messages", True, max_length=24))
    assert (seen["dropped"], seen["masked"], seen["usable"]) == (1, 1, 1)
    assert (seen["first"]["dropped"], seen["first"]["masked"]) == ([0], [1])


def test_a_turn_of_weight_0_is_not_learnt(tmp_path: Path, chatml: Path) -> None:
    row = {"messages": [user("Hi"), assistant("Hello", weight=0), user("So?"), assistant("Bye", weight=1)]}
    all_of_it = {"messages": [{k: v for k, v in turn.items() if k != "weight"} for turn in row["messages"]]}
    one, both = (told(tmp_path, chatml, [each], Plan("messages", True))["trained_tokens"] for each in (row, all_of_it))
    assert 0 < one < both


def test_what_the_template_refuses_is_said_in_its_words_with_its_rows(tmp_path: Path) -> None:
    model = make_merging_tokenizer(tmp_path / "model", STRICT)
    system = {"messages": [{"role": "system", "content": "Be kind."}, *ROWS[0]["messages"]]}
    seen = told(tmp_path, model, [ROWS[0], system, system], Plan("messages", True))
    assert seen["refused"] == 2
    assert seen["refusals"] == [{"words": "No system turns", "count": 2, "rows": [1, 2]}]


def test_one_answer_that_cannot_be_told_makes_all_turns_trained_unless_answers_were_asked_for(tmp_path: Path) -> None:
    ends_otherwise = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if loop.last %}</s>{% endif %}{% endfor %}"
    )
    model = make_merging_tokenizer(tmp_path / "model", ends_otherwise)
    rows = [ROWS[0], {"messages": [*ROWS[0]["messages"], *ROWS[0]["messages"]]}]
    seen = told(tmp_path, model, rows, Plan("messages", True))
    assert (seen["answers"], seen["refused"]) == ("", 0)
    assert "cannot be told exactly (row 1: the template writes turns otherwise" in seen["reason"]
    asked = told(tmp_path, model, rows, Plan("messages", True, answers_only=True))
    assert (asked["answers"], asked["refused"]) == ("prefixes", 2)


def test_pairs_are_equal_or_only_as_far_as_they_are_kept(tmp_path: Path, chatml: Path) -> None:
    start = "It is so that "
    rows = [
        {"prompt": "Hi", "chosen": " same", "rejected": " same"},
        {"prompt": "Hi", "chosen": start * 9 + "yes", "rejected": start * 9 + "no"},
        {"prompt": "Hi " * 60, "chosen": " a", "rejected": " b"},
        {"prompt": "Hi", "chosen": " a", "rejected": " b"},
    ]
    seen = told(tmp_path, chatml, rows, Plan("preference", False, "dpo", max_length=24))
    assert (seen["equal"], seen["equal_cut"], seen["dropped"], seen["usable"]) == (1, 1, 1, 3)
    assert seen["packing"] == {}


def test_characters_that_the_tokenizer_lacks_are_counted(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    model = make_merging_tokenizer(tmp_path / "model")
    words = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1, "known": 2}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.add_special_tokens(["</s>", "<unk>"])
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", unk_token="<unk>").save_pretrained(model)
    seen = told(tmp_path, model, [{"text": "known"}, {"text": "known strange"}], Plan("text", False))
    assert (seen["unknown"], seen["unknown_tokens"], seen["first"]["unknown"]) == (1, 1, [1])


def test_lengths_are_those_of_rows_and_the_bars_hold_all_of_them(tmp_path: Path, chatml: Path) -> None:
    rows = [{"text": "x " * count} for count in range(1, 101)]
    seen = told(tmp_path, chatml, rows, Plan("text", False))
    lengths = load(tmp_path / "rows.npz")["tokens"]
    assert sum(rows for _, rows in seen["histogram"]) == 100
    assert seen["lengths"]["100"] == seen["longest"] == max(lengths) == seen["histogram"][-1][0]
    assert sum(lengths <= seen["lengths"]["95"]) == 95
    assert seen["ends"] == {"longest": 99, "shortest": 0}


def test_tools_of_a_row_are_part_of_what_is_read(tmp_path: Path) -> None:
    from tests.inspection.small_tokenizers import published

    model = make_merging_tokenizer(tmp_path / "model", published("qwen3"))
    bare, with_tools = (
        told(tmp_path, model, [row], Plan("messages", True)) for row in (ROWS[0], {**ROWS[0], "tools": [TOOL]})
    )
    assert with_tools["tokens"] > bare["tokens"] + 50
    assert with_tools["trained_tokens"] == bare["trained_tokens"]


@pytest.mark.parametrize("rows", [7, 2500])
def test_rows_are_packed_as_trl_packs_them(rows: int) -> None:
    from datasets import Dataset, disable_progress_bars
    from trl.data_utils import pack_dataset

    disable_progress_bars()
    lengths = np.random.default_rng(1).integers(0, 90, rows)
    given = Dataset.from_dict({"input_ids": [[1] * length for length in lengths]})
    assert packed(lengths, 64) == len(pack_dataset(given, 64, "bfd"))
