"""Every fact a rule may read, by where it comes from. A fact that is not known is simply absent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .settings_table import SETTINGS


class Source(StrEnum):
    """Who knows a fact."""

    CHOICES = "choices"
    MODEL = "model"
    DATASET = "dataset"
    EVALUATION = "evaluation dataset"
    EARLIER = "earlier job"
    MACHINE = "machine"
    ACCOUNT = "account"
    MEASURED = "measured"


@dataclass(frozen=True)
class Fact:
    name: str
    source: Source
    meaning: str


_CHOICES = {setting.fact: setting.label for setting in SETTINGS.values()} | {
    "unknown_keys": "(dotted name, nearest setting or None, its value if that setting can take it) of each unknown key",
    "unreadable": "(dotted name, value given, what was expected) of each value that could not be read",
    "given": "facts of the settings that were given, as opposed to filled from defaults",
}

_MODEL = {
    "model_listed": "the model is in the catalogue",
    "similar_models": "names of the catalogue that are near the one given, nearest first",
    "family": "name of the model family",
    "modules": "every module: path with {} for the layer, layers, kind, widths and role (rulebook/tree.py)",
    "renamed_targets": "older names under which PEFT reaches matrices of experts, and the ending of the path they mean",
    "towers": "paths of parts that no text passes through, such as an encoder of pictures; `modules` leaves them out",
    "lora_modules": "names of all modules of the model that can carry LoRA (last part of their path)",
    "lora_targets": "recommended LoRA target modules",
    "expert_modules": "names of modules that PEFT adapts as 3-D expert parameters",
    "unfit_modules": "linear modules that all-linear reaches and that cannot be adapted in this architecture",
    "tied_embedding": "name of the embedding, where the output head is the same matrix, else empty",
    "supports_chat": "the tokenizer has a chat template",
    "tokenizer_problem": "why the tokenizer cannot be loaded, else empty",
    "tokenizer_size": "tokens that the tokenizer knows",
    "end_token": "token that ends a plain text, the tokenizer's own or one that the model names; empty without",
    "tokens_beyond": "tokens of the tokenizer for which the embedding has no row, the first of them",
    "text_tokens_beyond": "those of them that stand before or after every plain text",
    "template_problem": "why the chat template can be used for no conversation, else empty",
    "template_refuses": "roles whose turns make the chat template raise",
    "template_drops": "roles whose turns the chat template leaves out silently",
    "template_refuses_shapes": "kinds of rows that make the chat template raise (SHAPES in rules/template.py)",
    "template_drops_shapes": "kinds of rows of which the chat template leaves something out silently",
    "template_words": "what the chat template says to the roles and kinds of rows that it refuses, by their names",
    "template_end": "token that ends a turn in the chat template, if the model does not stop at it, else empty",
    "template_ends": "some token stands after the last answer",
    "template_alternates": "the chat template raises unless users and assistants take turns, a user first",
    "template_prompt_cut": "end of a prompt that is not there once the prompt is answered, else empty",
    "template_reasoning": "what becomes of reasoning in its own key: kept, dropped, last (in the last answer only)",
    "template_tools": "what becomes of schema, calls, answers and text_beside_call: kept, dropped, refused, as-text",
    "template_adds_system": "text that the chat template puts before conversations without a system turn",
    "template_adds_to_answer": "text that the chat template puts between prompt and answer",
    "template_tokens_beyond": "tokens that the chat template writes and for which the embedding has no row",
    "chat_model": "name of a model at hand that has a chat template",
    "context_length": "tokens the model was built for",
    "position_table": "positions are looked up in a learned table, which ends at context_length",
    "model_cache": "cached, partial, absent or local",
    "bytes_to_fetch": "bytes still to download before the model can be loaded",
    "gated": "the hub asks for an accepted licence and a token",
    "unsafe_weights": "the weights come only as pickle files",
    "weights_format": "safetensors, pickle or gguf; gptq, awq and the like where safetensors hold quantized weights",
    "own_code": "config.json or tokenizer_config.json asks for Python code that comes with the model (auto_map)",
    "unbuildable": "why transformers cannot build the model from its config.json, else empty",
    "uninspected": "why the model's own files could not be looked into, else empty",
    "unfetchable": "why the hub does not hand out the model's files, as far as it was asked; else empty",
    "parameters": "number of parameters",
    "supports_checkpointing": "the architecture can do gradient checkpointing",
    "packing_leaks": "packed rows see their neighbours in this architecture",
    "packing_needs": "package without which packing fails in this architecture, else empty",
    "untrainable": "why TRL cannot train this architecture at all",
    "disagreements": "sentences saying where the model's own files and its family row differ",
    "hidden_size": "width of the model",
    "intermediate_size": "width of the MLP",
    "layers": "number of layers",
    "attention_width": "heads × head size",
    "key_value_width": "key/value heads × head size",
    "vocabulary_size": "rows of the embedding",
    "active_width": "numbers per token inside the MLP of one layer; with experts, of those that one token visits",
}

_EVALUATION = {
    "eval_found": "the evaluation dataset exists and belongs to this person",
    "eval_status": "reading, ready or failed",
    "eval_name": "its name",
    "eval_kind": "its format and whether its rows are lists of messages",
    "eval_rows": "its rows, good and bad",
    "eval_bad_rows": "its rows that cannot be evaluated on",
    "eval_same_rows": "its rows that are trained on too",
    "eval_same_questions": "its rows whose question is trained on too",
    "eval_same_lines": "lines of the first of those, in its file",
}

_EARLIER = {
    "start_found": "there is such a job, and this person may see it",
    "start_state": "its state: succeeded, failed, cancelled, running …",
    "start_weights": "it has left weights, and they are still there",
    "start_model": "its base model",
    "start_revision": "the revision of that, empty for the newest",
    "start_method": "its training method",
    "start_lora": "shape of its adapter: r, alpha, targets in alphabetical order, use_rslora and use_dora; None: none",
}

_DATASET = {
    "content_advice": "what stands in its texts that one may not want to teach, with counts, in a few words each",
    "dataset_found": "the dataset exists and belongs to this person",
    "dataset_status": "reading, ready or failed",
    "dataset_name": "its name",
    "dataset_format": "messages, text, preference, prompt_completion or unknown",
    "dataset_columns": "column names in the file",
    "conversational": "rows are lists of messages rather than plain strings",
    "convertible_to": "formats the dataset can be converted to",
    "rows": "rows in the file, good and bad",
    "bad_row_count": "rows that cannot be trained on",
    "bad_row_lines": "line numbers of the first bad rows",
    "bad_row_reason": "the most frequent reason for a bad row",
    "dataset_layout": "how the file writes that format: messages, sharegpt, alpaca, question_answer …",
    "columns_read": "columns of the file of which something is trained",
    "rows_with_tools": "good rows that describe tools which may be called",
    "rows_with_calls": "good rows in which an answer calls a tool",
    "rows_with_reasoning": "good rows in which an answer has its reasoning in a key of its own",
    "rows_with_weights": "good rows with an answer of weight 0, which is read and not learnt",
    "equal_pairs": "preference rows whose chosen and rejected answers are the same",
    "roles": "roles that take turns in the good rows",
    "unalternating": "good rows in which users and assistants do not take turns, a user first",
    "row_shapes": "good rows by their kind (SHAPES in rules/template.py); a row may be of several",
    "average_tokens": "about how many tokens a row has, reckoned from its letters",
    "dataset_bytes": "size of the file in bytes",
    "token_ceiling": "an upper bound for the tokens of the longest row",
}

_MACHINE = {
    "offline": "the portal may not reach the hub",
    "hub_token": "a hub token is set",
    "bytes_per_second": "download speed to expect",
    "disk_free": "free bytes where runs are kept",
    "model_disk_free": "free bytes where models are kept",
    "models_apart": "models are kept on another disk than runs",
    "packages": "names of optional packages that are installed",
    "package_versions": "versions of those packages by name",
    "gpus": "number of GPUs a job can use",
    "gpu_list": "index, name, memory, free, capability and driver of each GPU a job can use",
    "gpu_memories": "memory of each GPU a job can use in bytes",
    "ram": "memory of the machine in bytes, or what its container may use",
    "gpu_memory": "memory of the largest GPU in bytes",
    "bf16": "the GPU computes in bfloat16",
    "nothing_starts": "why no waiting job starts at present, as a sentence; empty when one would",
    "memory_history": "of finished jobs here: kind of job → [predicted, measured] bytes of its peak, newest first",
    "pace_history": "of finished jobs here: kind of job → [tokens × parameters, seconds] of a step, newest first",
}

_ACCOUNT = {
    "active_jobs": "jobs of this person that have not ended",
    "active_jobs_limit": "how many of those one person may have",
    "gpus_limit": "GPUs that the jobs of one person may hold at once, 0 without a limit",
}

_MEASURED = {
    "rows_prepared": "rows left after tokenising, cutting and masking",
    "rows_start_doubled": "rows that begin with the beginning-of-text token twice",
    "pairs_cut_alike": "preference rows whose two answers are the same as far as they are kept",
    "row_tokens": "rows by their tokens, where those were counted: [longest of the bar, rows], shortest first",
    "rows_accounted": "good rows that were put through the model's template and tokenizer, all of them",
    "rows_usable": "rows of those that leave something to learn within the tokens that are kept",
    "rows_truncated": "rows of those that have more tokens than are kept",
    "answers_cut": "rows of those that lose the end of what is to be learnt",
    "rows_emptied": "rows of those that leave nothing to learn, though the template takes them",
    "rows_refused": "rows of those that the template refuses, or whose answers cannot be told exactly as asked for",
    "rows_refused_first": "numbers of the first of these, counted from 1 over the good rows",
    "refusal_words": "what the template says to most of them",
    "answers_inexact": "which row's answers cannot be told exactly, and why; else empty",
    "trained_tokens": "tokens that are learnt from in one epoch",
    "unknown_token_share": "share of the tokens that stand for characters which the tokenizer lacks",
    "pairs_equal_when_cut": "preference rows whose answers are the same as far as they are kept, or altogether",
    "whole_at": "percent of the rows → the length in tokens that keeps so many whole",
    "packed_sequences": "sequences that packing makes of the rows",
    "rows_full": "rows that fill all tokens that are kept of them",
    "rows_given": "rows handed to the trainer",
    "rows_held_out": "rows kept back for evaluation",
    "rows_evaluated": "rows of those left after tokenising, cutting and masking",
}

_BY_SOURCE = {
    Source.CHOICES: _CHOICES,
    Source.MODEL: _MODEL,
    Source.DATASET: _DATASET,
    Source.EVALUATION: _EVALUATION,
    Source.EARLIER: _EARLIER,
    Source.MACHINE: _MACHINE,
    Source.ACCOUNT: _ACCOUNT,
    Source.MEASURED: _MEASURED,
}

FACTS: Mapping[str, Fact] = {
    name: Fact(name, source, meaning) for source, names in _BY_SOURCE.items() for name, meaning in names.items()
}
