"""Rehearsals that stop a job which would fail, or train wrong."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from tests.rehearsal.holding import found, hold, proved

STRICT = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No system role') }}{% endif %}"
    "{{ m.content }}{% endfor %}"
)


def with_template(model: Path, folder: Path, template: str) -> Path:
    shutil.copytree(model, folder)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder


def conversation(*roles: str) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": "The sky is blue."} for role in roles]}


def test_a_row_that_the_template_refuses_is_named_by_its_line(chat_llama: Path, tmp_path: Path) -> None:
    model = with_template(chat_llama, tmp_path / "strict", STRICT)
    rows = [conversation("user", "assistant"), conversation("system", "user", "assistant")]
    document = hold(model, rows=rows)
    assert (document["state"], found(document)) == ("stopped", ["trainer.template-refused"])
    assert "line 11 of the dataset: No system role" in document["findings"][0]["message"]


def test_a_row_without_a_text_is_named_by_its_line(chat_llama: Path) -> None:
    document = hold(chat_llama, "text", [{"text": "The sky."}, {"text": None}])
    assert found(document) == ["trainer.row-not-text"]
    assert "line 11" in document["findings"][0]["message"]


def test_an_end_that_is_never_trained_is_warned_of(chat_llama: Path, tmp_path: Path) -> None:
    model = with_template(chat_llama, tmp_path / "endless", "{% for m in messages %}{{ m.content }}\n{% endfor %}")
    document = hold(model, rows=[conversation("user", "assistant")] * 3)
    assert (document["state"], found(document)) == ("passed", ["trainer.end-untrained"])
    assert document["findings"][0]["severity"] == "warning"
    assert "end-trained" not in proved(document)


@pytest.mark.slow
def test_an_end_that_the_check_has_warned_of_is_not_told_twice(chat_llama: Path, tmp_path: Path) -> None:
    model = with_template(chat_llama, tmp_path / "endless", "{% for m in messages %}{{ m.content }}\n{% endfor %}")
    facts = {"template_end": "<end>", "lora_targets": ["q_proj"]}
    assert found(hold(model, rows=[conversation("user", "assistant")] * 3, facts=facts)) == []


def test_an_adapter_on_a_tied_embedding_does_not_survive_merging(plain_gpt2: Path) -> None:
    document = hold(plain_gpt2, "text", facts={"lora_targets": ["c_attn"]}, lora__target_modules=["wte"])
    assert (document["state"], found(document)) == ("stopped", ["trainer.merge-differs"])


@pytest.mark.slow
def test_a_target_that_is_missing_is_refused_with_the_recommended_ones(plain_gpt2: Path) -> None:
    document = hold(plain_gpt2, "text", facts={"lora_targets": ["c_attn"]}, lora__target_modules=["c_attn", "q_proj"])
    assert found(document) == ["trainer.target-unmatched"]
    assert document["findings"][0]["fix"]["changes"] == {"lora.target_modules": ["c_attn"]}


def test_rows_beyond_the_position_table_are_found_on_the_stand_in(plain_gpt2: Path) -> None:
    rows = [{"text": "The grass is green. " * 60}]
    document = hold(plain_gpt2, "text", rows, facts={}, lora__enabled=False, data__max_length=512)
    assert found(document) == ["trainer.position-unknown"]


@pytest.mark.slow
def test_rows_of_which_nothing_is_left_are_counted_as_the_rows_that_were_tried(chat_llama: Path) -> None:
    rows = [{"prompt": "The grass is green. " * 40, "completion": " Yes."}] * 3
    document = hold(chat_llama, "prompt_completion", rows)
    assert document["state"] == "stopped"
    assert document["findings"][0]["message"].startswith("In the 3 rows that were tried: ")


@pytest.mark.slow
def test_losing_the_longest_row_is_only_said(chat_llama: Path) -> None:
    short = {"prompt": "The sky", "completion": " is blue."}
    document = hold(chat_llama, "prompt_completion", [short, short, {**short, "prompt": "The grass is green. " * 40}])
    assert (document["state"], found(document)) == ("passed", ["measured.rows-lost"])
    assert document["findings"][0]["severity"] == "advice"
    assert (document["rows"][2]["tokens"], document["rows"][2]["cut"]) == (0, True)


def test_what_nobody_foresaw_blocks_with_its_words_and_a_reference(
    chat_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the flux capacitor is empty")

    monkeypatch.setattr("trl.trainer.sft_trainer.SFTTrainer.compute_loss", broken)
    document = hold(chat_llama)
    [finding] = document["findings"]
    assert (document["state"], finding["code"]) == ("stopped", "rehearsal.unforeseen")
    assert "RuntimeError: the flux capacitor is empty" in finding["message"]
    assert document["reference"] in finding["message"]
    assert document["log"].rstrip().endswith("RuntimeError: the flux capacitor is empty")


def test_a_model_that_cannot_be_built_is_not_rehearsed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "never_heard_of"}')
    document = hold(tmp_path)
    assert (document["state"], document["findings"]) == ("not_rehearsed", [])
    assert "never_heard_of" in document["reason"]


def test_a_broken_run_file_is_told_and_not_raised(chat_llama: Path) -> None:
    from jobs.rehearsal.rehearse import rehearse

    document = rehearse(str(chat_llama), {"job": 1}, [], "nowhere")
    assert (document["state"], found(document)) == ("stopped", ["rehearsal.unforeseen"])
