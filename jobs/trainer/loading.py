"""Loads model, tokenizer and rows from local folders. Nothing is fetched, and no pickle is read."""

from __future__ import annotations

import json
import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, Features, Json, List, Value
from peft import PeftModel
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from jobs.rulebook import Fix

from .decisions import Decision, Machine, Precision, SpecialTokens, choose_attention, choose_padding
from .failures import failure
from .folder import LINE, ROWS_FILE
from .run_file import RunFile
from .saving import load_adapter

logger = logging.getLogger(__name__)

COLUMNS = {
    "messages": {"messages"},
    "text": {"text"},
    "prompt_completion": {"prompt", "completion"},
    "preference": {"chosen", "rejected"},
}


def this_machine() -> Machine:
    if not torch.cuda.is_available():
        return Machine("cpu", f"a processor with {torch.get_num_threads()} threads", bf16=False)
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    return Machine("cuda", torch.cuda.get_device_name(), bf16)


def load_model(run: RunFile, precision: Precision, folder: Path | None = None) -> PreTrainedModel:
    """The base model with all of its weights, or one in another folder. Raises `TrainingError` when it lacks some."""
    folder = folder or Path(run.model_path)
    if not (folder / "config.json").is_file():
        message = (
            f"The files of {run.model_name} are not where they were when the job was accepted. Fetch the model again."
        )
        raise failure("model-missing", "model.name", message)
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder,
        config=_config(folder, precision),
        dtype=getattr(torch, precision.weights),
        quantization_config=_quantization(run.settings["quantization"], precision),
        use_safetensors=True,
        output_loading_info=True,
    )
    model: PreTrainedModel = loaded[0]
    report = loaded[1]
    _refuse_random_weights(run.model_name, sorted(report["missing_keys"]))
    _mend_generation(model)
    return model


def begin_with(run: RunFile) -> Path | None:
    """The weights of an earlier job that this one begins with, instead of the base model's own."""
    if run.start_from is None and run.settings["training.start_from"] is None:
        return None
    folder = Path(run.start_from or "/nowhere")
    if not folder.is_dir():
        message = "The weights of the earlier job are no longer there. Begin with the base model's own."
        fix = Fix("Begin with the base model's own weights", {"training.start_from": None})
        raise failure("earlier-missing", "training.start_from", message, fix)
    return folder


def begin_adapter(model: PeftModel, folder: Path) -> None:
    """Lay the adapter of an earlier job into the fresh one. What it was trained against stays the base model."""
    if lost := load_adapter(model, folder):
        message = (
            f"The adapter of the earlier job does not fit this one: {lost[0]} is missing or has another place. "
            "Train with the LoRA settings of that job."
        )
        raise failure("earlier-does-not-fit", "training.start_from", message)


def _config(folder: Path, precision: Precision) -> PretrainedConfig:
    """config.json, without kernels that cannot run here."""
    config: PretrainedConfig = AutoConfig.from_pretrained(folder)
    installed = [name for name in ("flash_attn",) if find_spec(name)]
    attention = choose_attention(config._attn_implementation, this_machine(), precision, installed)
    config._attn_implementation = attention.value
    if attention.reason:
        logger.info(attention.reason)
    return config


def _quantization(kind: str, precision: Precision) -> BitsAndBytesConfig | None:
    if kind == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]  # untyped in transformers
    if kind == "4bit":
        compute = getattr(torch, precision.autocast or precision.weights)
        return BitsAndBytesConfig(  # type: ignore[no-untyped-call]  # untyped in transformers
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute,
        )
    return None


def _refuse_random_weights(name: str, missing: list[str]) -> None:
    """transformers fills weights that a checkpoint lacks with random numbers and only logs it."""
    if missing:
        message = (
            f"{name} lacks {len(missing)} of its weights, first {missing[0]}; they would start as random numbers. "
            "Its files are not complete, or they belong to another architecture than its config.json says."
        )
        raise failure("weights-missing", "model.name", message)


def _mend_generation(model: PreTrainedModel) -> None:
    """Some public models carry a sampling temperature with sampling turned off; transformers then refuses to save."""
    config = model.generation_config
    try:
        config.validate(strict=True)
    except ValueError:
        config.do_sample = True


def load_tokenizer(run: RunFile, model: PreTrainedModel) -> Decision[PreTrainedTokenizerBase]:
    """The tokenizer with an end and a padding token that the model knows."""
    tokenizer = AutoTokenizer.from_pretrained(run.model_path)
    if tokenizer.eos_token is None:
        tokenizer.eos_token = _end_token(run, model, tokenizer)
    tokens = SpecialTokens(tokenizer.eos_token, tokenizer.pad_token, tokenizer.pad_token_id, embedding_rows(model))
    padding = choose_padding(tokens, fallback=str(tokenizer.convert_ids_to_tokens(0)))
    tokenizer.pad_token = padding.value
    return Decision(tokenizer, padding.reason)


def embedding_rows(model: PreTrainedModel) -> int:
    """How many tokens the model knows; often more than its tokenizer writes, never fewer."""
    weight: Any = model.get_input_embeddings().weight
    return int(weight.shape[0])


def _end_token(run: RunFile, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The end token the model itself names. Plain text cannot do without one: the model would never learn to stop."""
    named = model.generation_config.eos_token_id
    first = named[0] if isinstance(named, list) else named
    if first is not None and first < len(tokenizer):
        return str(tokenizer.convert_ids_to_tokens(first))
    if run.conversational:
        return None
    message = (
        f"The tokenizer of {run.model_name} names no end-of-text token, so the model could not learn to stop. "
        "Choose another model, or set eos_token in the model's tokenizer_config.json."
    )
    raise failure("no-end-token", "model.name", message)


_KEYS = ("tools", "tool_calls", "tool_call_id", "name", "weight", "reasoning_content")
_BESIDE_TEXT = tuple(f'"{key}":'.encode() for key in _KEYS)


def _features(path: Path) -> Features | None:
    """Turns as they are, whichever keys each has. None where all have the same, for which there is nothing to say.

    By itself the library goes by the first 10 MB of the file, and stops at keys that come later.
    """
    with path.open("rb") as file:
        if not any(key in line for line in file for key in _BESIDE_TEXT):
            return None
        file.seek(0)
        columns = {**json.loads(file.readline()), "tools": None}
        return Features({column: Value("int64") if column == LINE else List(Json()) for column in columns})


def load_rows(run: RunFile, run_dir: Path, cache: Path) -> Dataset:
    expected = COLUMNS.get(run.dataset_format)
    path = run_dir / ROWS_FILE
    rows = Dataset.from_json(str(path), cache_dir=str(cache), features=_features(path) if run.conversational else None)
    if expected is None or not expected <= set(rows.column_names):
        message = (
            f"Data of the format {run.dataset_format} has the columns {', '.join(sorted(expected or ()))}; "
            f"these rows have {', '.join(rows.column_names)}. Convert the dataset, or choose another."
        )
        raise failure("wrong-columns", "data.dataset", message)
    return rows
