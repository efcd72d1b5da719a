"""Rehearsals of jobs that are fine, and what they prove."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.rehearsal.document import Document
from tests.accuracy.tokenizers import make_tokenizer
from tests.architectures import make_architecture
from tests.rehearsal.holding import evidence, found, hold, proved
from tests.trainer.runs import LLAMA_TARGETS

ADAPTER = ["starts", "tokenises", "end-trained", "finite-loss", "targets-trained", "reloads", "merges"]
WHOLE = ["starts", "tokenises", "end-trained", "finite-loss", "weights-trained", "reloads"]


def test_an_adapter_for_chats_passes_every_proof(held: Document) -> None:
    assert (held["state"], proved(held), found(held)) == ("passed", ADAPTER, [])


@pytest.mark.parametrize("kind", ["text", "prompt_completion"])
def test_an_adapter_for_any_other_kind_of_rows_passes_every_proof(chat_llama: Path, kind: str) -> None:
    document = hold(chat_llama, kind)
    assert (document["state"], proved(document), found(document)) == ("passed", ADAPTER, [])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["preference", "preference_chat"])
def test_preferences_pass_too(chat_llama: Path, kind: str) -> None:
    document = hold(chat_llama, kind, training__method="dpo")
    assert (document["state"], proved(document)) == ("passed", ADAPTER)


def test_a_full_fine_tuning_is_saved_and_read_back_whole(plain_gpt2: Path) -> None:
    document = hold(plain_gpt2, "text", facts={}, lora__enabled=False)
    assert (document["state"], proved(document)) == ("passed", WHOLE)
    weights = evidence(document, "weights-trained")
    assert weights["changed"] == weights["weights"] > 0


@pytest.mark.slow
def test_packing_evaluation_checkpoints_and_early_stopping_are_gone_through(chat_llama: Path) -> None:
    document = hold(chat_llama, data__packing=True, data__eval_fraction=0.2, training__eval_steps=50,
                    training__save_steps=50, training__early_stopping_patience=2)  # fmt: skip
    assert document["state"] == "passed"
    assert {"evaluates", "merges"} <= set(proved(document))
    assert [row["line"] for row in document["rows"]] == list(range(10, 16)), "packed rows are told one by one"


@pytest.mark.slow
def test_in_place_of_an_evaluation_dataset_some_rows_are_held_out(chat_llama: Path) -> None:
    document = hold(chat_llama, data__eval_dataset="2", training__early_stopping_patience=2)
    assert document["state"] == "passed"
    assert "evaluates" in proved(document)


@pytest.mark.slow
def test_a_job_that_begins_with_the_weights_of_another_is_rehearsed_with_fresh_ones(chat_llama: Path) -> None:
    assert hold(chat_llama, training__start_from=12)["state"] == "passed"


def test_the_proofs_are_not_trivial(held: Document) -> None:
    assert set(evidence(held, "targets-trained")["modules"]) == set(LLAMA_TARGETS)
    merged = evidence(held, "merges")
    assert merged["effect"] > 0.1, "the adapter has to do something before it can be said to survive"
    assert merged["difference"] < 1e-3


def test_every_row_is_counted_and_the_longest_is_told_to_be_cut(chat_llama: Path) -> None:
    rows = [{"text": "The sky is blue."}, {"text": "The grass is green. " * 40}]
    short, long = hold(chat_llama, "text", rows)["rows"]
    assert not short["cut"] and 3 < short["trained_tokens"] == short["tokens"] < 20
    assert (long["line"], long["tokens"], long["cut"]) == (11, 64, True)


@pytest.mark.slow
def test_what_cannot_be_tried_here_is_said(chat_llama: Path) -> None:
    document = hold(chat_llama, quantization="4bit", training__precision="bf16", training__optim="adamw_8bit")
    assert document["state"] == "passed"
    assert evidence(document, "starts")["left_out"] == ["4bit weights", "computing in bf16", "the optimizer adamw_8bit"]


def test_targets_that_name_one_layer_reach_the_one_that_stands_for_it(chat_llama: Path) -> None:
    document = hold(chat_llama, lora__target_modules=["layers.1.self_attn.q_proj"])
    assert document["state"] == "passed"
    assert evidence(document, "targets-trained")["modules"] == {"q_proj": 1}


def test_the_document_is_plain_json(held: Document) -> None:
    assert json.loads(json.dumps(held, allow_nan=False)) == held
    assert held["seconds"].keys() == {"stand_in", "train", "save", "prove", "total"}


@pytest.mark.slow
def test_adapters_leave_out_an_encoder_of_pictures(tmp_path: Path) -> None:
    folder = make_architecture(tmp_path / "gemma3", "gemma3")
    make_tokenizer(folder, "plain")
    facts = {"towers": ["model.vision_tower", "model.multi_modal_projector"]}
    document = hold(folder, "text", facts=facts, lora__target_modules="all-linear")
    assert (document["state"], proved(document)) == ("passed", ADAPTER)
    assert "fc1" not in evidence(document, "targets-trained")["modules"]
    assert found(hold(folder, "text", facts={}, lora__target_modules="all-linear")) == ["trainer.target-untrained"]
