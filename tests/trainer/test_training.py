"""Real trainings through the real command."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from statistics import mean

import pytest
from datasets import Dataset

from tests.trainer.runs import Outcome, make_run, train

pytestmark = pytest.mark.slow


def assert_learnt(outcome: Outcome, *, at_least: float = 0.7) -> None:
    """It ended well, and the loss of the last steps is at most `at_least` of that of the first."""
    assert outcome.code == 0, outcome.log
    assert mean(outcome.losses[-3:]) < at_least * mean(outcome.losses[:2])


def test_sft_trains_a_lora_adapter_on_conversations(chat_llama: Path, tmp_path: Path) -> None:
    outcome = train(make_run(tmp_path, chat_llama, training__num_epochs=6))
    assert_learnt(outcome)
    assert [each["stage"] for each in outcome.said("stage")] == [
        "loading",
        "loading",
        "preparing",
        "training",
        "saving",
    ]


def test_what_is_saved_is_listed_with_its_checksum(chat_llama: Path, tmp_path: Path) -> None:
    outcome = train(make_run(tmp_path, chat_llama, training__num_epochs=1))
    result = json.loads((tmp_path / "result.json").read_text())
    assert {each["name"] for each in result["artifacts"]} == {path.name for path in outcome.output.iterdir()}
    assert {"adapter_model.safetensors", "chat_template.jinja", "tokenizer.json", "run.json"} < {
        each["name"] for each in result["artifacts"]
    }
    for each in result["artifacts"]:
        assert hashlib.sha256((outcome.output / each["name"]).read_bytes()).hexdigest() == each["sha256"]
    assert (outcome.output / "run.json").read_bytes() == (tmp_path / "run.json").read_bytes()
    assert result["versions"]["trl"].startswith("1.")
    assert json.loads((outcome.output / "adapter_config.json").read_text())["base_model_name_or_path"] == "house/tiny"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "events.jsonl", "output", "result.json", "run.json", "train.jsonl",
    ]  # fmt: skip


def test_sft_trains_all_weights_on_plain_text(plain_gpt2: Path, tmp_path: Path) -> None:
    outcome = train(make_run(tmp_path, plain_gpt2, "text", lora__enabled=False, training__num_epochs=4))
    assert_learnt(outcome)
    assert (outcome.output / "model.safetensors").is_file()
    prepared = outcome.said("prepared")[0]
    assert prepared["trainable_parameters"] == prepared["parameters"]
    assert any("no padding token" in reason for reason in prepared["reasons"])


def test_sft_learns_the_completions_only(plain_qwen2: Path, tmp_path: Path) -> None:
    outcome = train(make_run(tmp_path, plain_qwen2, "prompt_completion", training__num_epochs=6))
    assert_learnt(outcome)
    whole = train(make_run(tmp_path / "text", plain_qwen2, "text", training__max_steps=1))
    assert outcome.said("prepared")[0]["tokens"] < whole.said("prepared")[0]["tokens"]


def test_dpo_trains_a_lora_adapter_on_plain_answers(plain_qwen2: Path, tmp_path: Path) -> None:
    outcome = train(make_run(tmp_path, plain_qwen2, "preference", training__method="dpo"))
    assert_learnt(outcome)
    assert outcome.losses[0] == pytest.approx(0.69315, abs=1e-4)


def test_dpo_trains_all_weights_on_conversations(chat_llama: Path, tmp_path: Path) -> None:
    full = {"lora__enabled": False, "training__method": "dpo", "training__learning_rate": 0.001}
    outcome = train(make_run(tmp_path, chat_llama, "preference_chat", **full))
    assert_learnt(outcome)
    assert outcome.losses[0] == pytest.approx(0.69315, abs=1e-4)


def test_early_stopping_ends_a_run_that_no_longer_gets_better(chat_llama: Path, tmp_path: Path) -> None:
    changes = {"training__early_stopping_patience": 1, "training__learning_rate": 0.5, "training__num_epochs": 30}
    outcome = train(make_run(tmp_path, chat_llama, data__eval_fraction=0.25, **changes))
    assert outcome.code == 0, outcome.log
    assert len(outcome.said("step")) < outcome.said("prepared")[0]["total_steps"]
    assert outcome.said("prepared")[0]["eval_rows"] == 6
    losses = [each["eval_loss"] for each in outcome.said("eval")]
    assert losses[-1] == pytest.approx(min(losses[:-1]), abs=1e-3), "the best checkpoint is the one that is kept"
    assert not (tmp_path / "checkpoints").exists()


def test_evaluation_goes_by_a_dataset_of_its_own(chat_llama: Path, tmp_path: Path) -> None:
    run_dir = make_run(tmp_path, chat_llama, data__eval_dataset="2", training__max_steps=3)
    told = json.loads((run_dir / "run.json").read_text())
    (run_dir / "run.json").write_text(json.dumps({**told, "eval_rows": 5}))
    outcome = train(run_dir)
    assert outcome.code == 0, outcome.log
    (prepared,) = outcome.said("prepared")
    assert (prepared["rows_given"], prepared["eval_rows"]) == (told["rows"] - 5, 5)
    assert "Evaluation goes by the rows of the evaluation dataset." in prepared["reasons"]
    assert outcome.said("eval")


def test_a_run_whose_held_out_rows_are_all_lost_trains_without_evaluation(chat_llama: Path, tmp_path: Path) -> None:
    long = {"prompt": "The sky is blue. " * 40, "completion": " The answer is 3."}
    split = Dataset.from_list([{"row": number} for number in range(3)]).train_test_split(test_size=1, seed=42)
    held_out = split["test"][0]["row"]
    short = {"prompt": "What is 1 and 2?", "completion": " The answer is 3."}
    rows = [long if number == held_out else short for number in range(3)]
    changes = {"data__eval_fraction": 0.3, "training__early_stopping_patience": 1, "data__strategy": "standard"}
    outcome = train(make_run(tmp_path, chat_llama, "prompt_completion", rows=rows, **changes))
    assert outcome.code == 0, outcome.log
    told = [finding["code"] for event in outcome.said("findings") for finding in event["findings"]]
    assert "measured.nothing-evaluated" in told
    assert not outcome.said("eval")


def test_checkpoints_are_kept_when_they_were_asked_for(chat_llama: Path, tmp_path: Path) -> None:
    changes = {"training__save_steps": 2, "training__eval_steps": 3, "data__eval_fraction": 0.1}
    outcome = train(make_run(tmp_path, chat_llama, training__max_steps=6, **changes))
    assert [each["step"] for each in outcome.said("checkpoint")] == [2, 4, 6]
    assert [each["step"] for each in outcome.said("eval")] == [3, 6]
    assert sorted(path.name for path in tmp_path.glob("checkpoints/checkpoint-*")) == ["checkpoint-4", "checkpoint-6"]


def test_packing_joins_short_rows(chat_llama: Path, tmp_path: Path) -> None:
    outcome = train(make_run(tmp_path, chat_llama, data__packing=True, training__num_epochs=12))
    assert_learnt(outcome)
    assert outcome.said("prepared")[0]["rows_prepared"] < outcome.said("prepared")[0]["rows_given"]


def test_every_advanced_lora_setting_reaches_the_adapter(chat_llama: Path, tmp_path: Path) -> None:
    lora = {"lora__r": 4, "lora__alpha": 12, "lora__dropout": 0.1, "lora__use_rslora": True, "lora__use_dora": True}
    outcome = train(make_run(tmp_path, chat_llama, lora__target_modules=["q_proj"], training__max_steps=2, **lora))
    saved = json.loads((outcome.output / "adapter_config.json").read_text())
    assert [saved[name] for name in ("r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora")] == [
        4,
        12,
        0.1,
        True,
        True,
    ]
    assert saved["target_modules"] == ["q_proj"]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT 0.21 reads it
def test_a_saved_adapter_gives_the_same_answers_again(chat_llama: Path, tmp_path: Path) -> None:
    """Trained with a learning rate that matters, put on a freshly loaded base, compared with merged weights."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    outcome = train(make_run(tmp_path, chat_llama))
    base = AutoModelForCausalLM.from_pretrained(chat_llama)
    tokens = torch.tensor([[4, 20, 30, 40]])
    with torch.no_grad():
        before = base(tokens).logits
        adapted = PeftModel.from_pretrained(base, str(outcome.output))
        after = adapted(tokens).logits
        merged = adapted.merge_and_unload()(tokens).logits
    assert not torch.allclose(before, after, atol=0.1)
    assert torch.allclose(after, merged, atol=1e-4)
