"""Reads a config.json and builds its model without weights, as the trainer would load it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING


class CannotBuild(Exception):
    """Why there is no model to look at: a sentence, and what to do."""


def read_config(folder: Path) -> PretrainedConfig:
    told = _told(folder / "config.json")
    kind = told.get("model_type")
    if not kind:
        raise CannotBuild("Its config.json does not say which architecture it is (model_type).")
    if kind not in CONFIG_MAPPING:
        raise CannotBuild(_unknown(str(kind), own_code="auto_map" in told))
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # each architecture checks its own sizes, with errors of every type
        raise CannotBuild(f"transformers refuses its config.json: {first_line(error)}") from error
    return config


def build(config: PretrainedConfig) -> PreTrainedModel:
    """The model on the meta device, where matrices have shapes and no numbers."""
    if config.is_encoder_decoder:
        raise CannotBuild("It is an encoder-decoder; SFT and DPO train decoders.")
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise CannotBuild(f"{config.model_type} does not write text: transformers has no language model of that kind.")
    config._attn_implementation = None  # kernels that config.json asks for may be missing here, and none is run
    try:
        with torch.device("meta"):
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise CannotBuild(f"Its config.json describes a model that cannot be built: {first_line(error)}") from error
    return model


def first_line(error: Exception) -> str:
    """The first telling line of an error, without its end mark."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _told(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CannotBuild(f"Its config.json cannot be read: {first_line(error)}.") from error
    if not isinstance(told, dict):
        raise CannotBuild("Its config.json does not hold an object.")
    return told


def _unknown(kind: str, *, own_code: bool) -> str:
    if own_code:
        return f"Its architecture, {kind}, needs code that comes with the model, which Foretune never runs."
    return f"Its architecture, {kind}, is not known to the installed transformers {transformers.__version__}."
