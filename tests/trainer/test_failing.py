"""Runs that must not succeed: each says why, in plain words, and leaves no result behind."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.tiny_models import make_tiny_model
from tests.trainer.runs import ROOT, ROWS, Outcome, command, environment, make_run, train

pytestmark = pytest.mark.slow


def assert_failed(outcome: Outcome, code: str, field: str | None) -> None:
    assert (outcome.code, outcome.finding["code"], outcome.finding["field"]) == (1, code, field), outcome.log
    assert not (outcome.run_dir / "result.json").exists()
    assert not list(outcome.run_dir.glob("output*"))


def test_a_learning_rate_that_destroys_the_weights_is_found_out(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", "gpt2", scale=1e15)
    wild = {"training__learning_rate": 1.0, "training__optim": "sgd", "training__max_grad_norm": 0}
    outcome = train(make_run(tmp_path / "run", model, "text", lora__enabled=False, **wild))
    assert_failed(outcome, "trainer.loss-not-finite", "training.learning_rate")
    assert outcome.finding["fix"]["changes"] == {"training.learning_rate": 0.1}


def test_weights_that_are_not_numbers_are_found_out_at_the_first_step(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", chat=True, scale=float("nan"))
    outcome = train(make_run(tmp_path / "run", model))
    assert_failed(outcome, "trainer.loss-not-finite-at-start", "model.name")
    assert len(outcome.said("step")) == 1


def test_a_lora_target_that_matches_nothing_is_found_out(chat_llama: Path, tmp_path: Path) -> None:
    """PEFT trains without a word when only some of the names match. The trainer does not rely on the rulebook here."""
    outcome = train(make_run(tmp_path, chat_llama, lora__target_modules=["q_proj", "c_attn"]))
    assert_failed(outcome, "trainer.target-unmatched", "lora.target_modules")
    assert "c_attn" in outcome.finding["message"]


def test_rows_of_which_nothing_is_learnt_are_found_out(plain_qwen2: Path, tmp_path: Path) -> None:
    rows = [{"prompt": "What is the sky? " * 40, "completion": " Blue."}] * 12
    outcome = train(make_run(tmp_path, plain_qwen2, "prompt_completion", rows=rows))
    assert_failed(outcome, "measured.nothing-left", "data.max_length")
    assert outcome.said("findings")


def test_pairs_that_differ_only_where_they_are_cut_off_are_found_out(plain_qwen2: Path, tmp_path: Path) -> None:
    long = " Blue and blue and blue." * 40
    rows = [{"prompt": "What is the sky?", "chosen": f"{long} Yes.", "rejected": f"{long} No."}] * 12
    outcome = train(make_run(tmp_path, plain_qwen2, "preference", rows=rows, training__method="dpo"))
    assert_failed(outcome, "measured.all-pairs-cut-alike", "data.max_length")


def test_packed_rows_of_which_nothing_is_learnt_are_found_out(plain_qwen2: Path, tmp_path: Path) -> None:
    rows = [{"prompt": "What is the sky? " * 40, "completion": " Blue."}] * 12
    outcome = train(make_run(tmp_path, plain_qwen2, "prompt_completion", rows=rows, data__packing=True))
    assert_failed(outcome, "trainer.nothing-to-learn", "data.max_length")


def test_rows_that_are_trained_on_without_any_effect_are_found_out(plain_qwen2: Path, tmp_path: Path) -> None:
    """An empty text is one end token, after which there is nothing to foretell: loss and gradient are zero."""
    outcome = train(make_run(tmp_path, plain_qwen2, "text", rows=[{"text": ""}] * 40))
    assert_failed(outcome, "trainer.no-gradient", "data.dataset")
    assert len(outcome.said("step")) == 3


def test_a_tokenizer_that_knows_more_than_the_model_is_refused(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    model = make_tiny_model(tmp_path / "model", chat=True)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens(["answer"])
    tokenizer.save_pretrained(model)
    assert_failed(train(make_run(tmp_path / "run", model)), "trainer.unknown-token", "model.name")


def test_a_row_that_the_template_refuses_is_named(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", chat=True)
    refusing = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}x"
    (model / "chat_template.jinja").write_text(refusing)
    system = {"messages": [{"role": "system", "content": "Be kind."}, {"role": "assistant", "content": "Yes."}]}
    outcome = train(make_run(tmp_path / "run", model, rows=[*ROWS["messages"][:11], system]))
    assert_failed(outcome, "trainer.template-refused", "data.dataset")
    assert "row 12" in outcome.finding["message"]
    assert "System role not supported" in outcome.finding["message"]


def test_a_model_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    outcome = train(make_run(tmp_path / "run", tmp_path / "gone"))
    assert_failed(outcome, "trainer.model-missing", "model.name")
    assert "house/tiny" in outcome.finding["message"]


def test_a_model_that_lacks_weights_is_not_trained_from_random_numbers(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", chat=True)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3, "layer_types": None}))
    assert_failed(train(make_run(tmp_path / "run", model)), "trainer.weights-missing", "model.name")


def test_a_damaged_weight_file_is_named(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", chat=True)
    (model / "model.safetensors").write_bytes(b"not tensors at all")
    assert_failed(train(make_run(tmp_path / "run", model)), "trainer.model-unreadable", "model.name")


def test_a_tokenizer_without_an_end_token_is_refused_for_plain_text(tmp_path: Path) -> None:
    model = make_tiny_model(tmp_path / "model", eos_token=None)
    outcome = train(make_run(tmp_path / "run", model, "text"))
    assert_failed(outcome, "trainer.no-end-token", "model.name")


def test_a_run_file_that_makes_no_sense_is_refused(chat_llama: Path, tmp_path: Path) -> None:
    make_run(tmp_path, chat_llama)
    (tmp_path / "run.json").write_text('{"job": 1, "surprise": true}')
    outcome = train(tmp_path)
    assert_failed(outcome, "trainer.run-file", None)
    assert "surprise" in outcome.finding["message"]


def test_a_mistake_of_ours_gets_a_reference_that_the_log_has_too(chat_llama: Path, tmp_path: Path) -> None:
    make_run(tmp_path, chat_llama)
    (tmp_path / "train.jsonl").unlink()
    outcome = train(tmp_path)
    assert_failed(outcome, "trainer.unexpected", None)
    reference = outcome.said("failed")[0]["reference"]
    assert reference in outcome.finding["message"]
    assert f"Reference {reference}" in outcome.log
    assert "Traceback" in outcome.log


def test_sigterm_stops_the_run_after_a_step(chat_llama: Path, tmp_path: Path) -> None:
    run_dir = make_run(tmp_path, chat_llama, training__num_epochs=1000)
    with subprocess.Popen(command(run_dir), cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL) as process:
        outcome = Outcome(run_dir, 0, "")
        wait_for(outcome, "step")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
    assert outcome.events[-1]["event"] == "stopped"
    assert outcome.events[-1]["step"] >= 1
    assert not list(run_dir.glob("output*"))
    assert not (run_dir / "result.json").exists()
    assert not list(run_dir.glob("cache-*"))


def wait_for(outcome: Outcome, event: str) -> None:
    for _ in range(600):
        if (outcome.run_dir / "events.jsonl").exists() and outcome.said(event):
            return
        time.sleep(0.1)
    raise AssertionError(f"{event} did not come")
