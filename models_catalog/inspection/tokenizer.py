"""What a model's tokenizer says of itself: its special tokens, and whether the model knows all that it writes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PretrainedConfig, PreTrainedTokenizerBase

from .part import Part

MOST_NAMED = 12
"""Tokens that are named where there may be thousands."""
NO_LIMIT = 10**9
"""Longer than any model_max_length that means something: transformers writes 10³⁰ for none."""


class CannotLoad(Exception):
    """Why there is no tokenizer: a sentence without its end mark."""


def look_at_tokenizer(folder: Path) -> Part:
    try:
        tokenizer = load_tokenizer(folder)
    except CannotLoad as reason:
        problem = {"code": "tokenizer-unreadable", "message": f"The tokenizer cannot be loaded: {reason}."}
        return Part(facts={"tokenizer_problem": str(reason)}, shown={"loads": False}, problems=[problem])
    stops = stop_tokens(folder, tokenizer)
    before, after = _added_around(tokenizer)
    end = end_token(tokenizer, stops)
    rows = embedding_rows(folder)
    beyond = {} if rows is None else _beyond(tokenizer, rows)
    facts = {
        "tokenizer_problem": "",
        "tokenizer_size": len(tokenizer),
        "end_token": end,
    }
    if rows is not None:
        facts["tokens_beyond"] = list(beyond)[:MOST_NAMED]
        facts["text_tokens_beyond"] = sorted({token for token in (*before, *after, end) if token in beyond})
    shown = {
        "loads": True,
        "kind": type(tokenizer).__name__,
        "fast": bool(tokenizer.is_fast),
        "tokens": len(tokenizer),
        "added": len(tokenizer.added_tokens_decoder),
        "rows": rows,
        "longest": tokenizer.model_max_length if tokenizer.model_max_length < NO_LIMIT else None,
        "special": {name: _named(tokenizer, name) for name in ("bos_token", "eos_token", "pad_token", "unk_token")},
        "stops": [{"id": token, "text": _text(tokenizer.convert_ids_to_tokens(token))} for token in stops],
        "before_text": before,
        "after_text": after,
        "beyond": [{"id": number, "text": text} for text, number in list(beyond.items())[:MOST_NAMED]],
        "beyond_count": len(beyond),
    }
    return Part(facts, shown)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer as the trainer loads it, but never with code of the model's own. Raises CannotLoad."""
    files = tuple(sorted((file.name, file.stat().st_mtime_ns) for file in folder.iterdir() if file.is_file()))
    return _load(folder, files)


@lru_cache(maxsize=1)
def _load(folder: Path, files: tuple[tuple[str, int], ...]) -> PreTrainedTokenizerBase:
    """`files` is there to forget a tokenizer whose files have changed."""
    try:
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except BaseException as error:  # a broken file makes the tokenizing library panic, which is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
            raise
        raise CannotLoad(_reason(error)) from error


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"its files lack {error}"
    if "trust_remote_code" in str(error):
        return "it needs code that comes with the model, which Foretune never runs"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300].rstrip(". ")


def embedding_rows(folder: Path) -> int | None:
    """How many tokens the model has an embedding for, as its config.json says."""
    config = _config(folder)
    rows = getattr(config.get_text_config(), "vocab_size", None) if config else None
    return rows if isinstance(rows, int) and rows > 0 else None


def _config(folder: Path) -> PretrainedConfig | None:
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception:  # each architecture checks its own sizes, with errors of every type; tree.py says which
        return None
    return config


def stop_tokens(folder: Path, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids at which generation stops after training: the trainer adds the tokenizer's own end to the model's."""
    named = _named_by_model(folder)
    own = [tokenizer.eos_token_id] if tokenizer.eos_token_id is not None else []
    known = [token for token in named if 0 <= token < len(tokenizer)]
    return list(dict.fromkeys(own + known))


def end_token(tokenizer: PreTrainedTokenizerBase, stops: Iterable[int]) -> str:
    """The token that ends a plain text: the tokenizer's own, else the first that the model names; empty without."""
    if tokenizer.eos_token is not None:
        return _text(tokenizer.eos_token)
    return next((_text(tokenizer.convert_ids_to_tokens(token)) for token in stops), "")


def _named_by_model(folder: Path) -> list[int]:
    """`eos_token_id` of the generation config, which is made from config.json where there is none."""
    config = _config(folder)
    try:
        if (folder / "generation_config.json").is_file():
            named: Any = GenerationConfig.from_pretrained(folder, local_files_only=True).eos_token_id
        else:
            named = GenerationConfig.from_model_config(config).eos_token_id if config else None
    except (ValueError, OSError, TypeError):
        return []
    return [token for token in (named if isinstance(named, list) else [named]) if isinstance(token, int)]


def _added_around(tokenizer: PreTrainedTokenizerBase) -> tuple[list[str], list[str]]:
    """Tokens that it puts before and after every text by itself."""
    bare = tokenizer("x", add_special_tokens=False)["input_ids"]
    whole = tokenizer("x")["input_ids"]
    start = next((at for at in range(len(whole)) if whole[at : at + len(bare)] == bare), 0)
    before, after = whole[:start], whole[start + len(bare) :]
    return [_text(token) for token in tokenizer.convert_ids_to_tokens(before)], [
        _text(token) for token in tokenizer.convert_ids_to_tokens(after)
    ]


def _beyond(tokenizer: PreTrainedTokenizerBase, rows: int) -> dict[str, int]:
    """Tokens, with their ids, that the tokenizer writes and the model has no embedding for; added ones first."""
    added = {str(token): number for number, token in sorted(tokenizer.added_tokens_decoder.items()) if number >= rows}
    if tokenizer.vocab_size <= rows:  # the plain vocabulary lies within, and need not be walked
        return added
    plain = {_text(token): number for token, number in tokenizer.get_vocab().items() if number >= rows}
    return added | dict(sorted(plain.items(), key=lambda token: token[1]))


def _named(tokenizer: PreTrainedTokenizerBase, name: str) -> dict[str, Any] | None:
    token = getattr(tokenizer, name)
    return None if token is None else {"id": getattr(tokenizer, f"{name}_id"), "text": _text(token)}


def _text(token: Any) -> str:
    return "" if token is None else str(token)
