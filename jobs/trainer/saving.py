"""Writes what came out: weights, tokenizer, exact inputs and versions, first aside and then all at once."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from peft import PeftModel, load_peft_weights, set_peft_model_state_dict
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from .checkpoints import sha256
from .failures import failure
from .folder import OUTPUT, RESULT_FILE, RUN_FILE
from .run_file import RunFile


def save_output(
    run_dir: Path,
    run: RunFile,
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    metrics: dict[str, Any],
) -> list[dict[str, Any]]:
    """Fill `output/` and list its files with their sizes and checksums."""
    with _all_or_nothing(run_dir / OUTPUT) as folder:
        save_weights(model, run, folder)
        if isinstance(model, PeftModel):
            _require_reload(model, folder)
        tokenizer.save_pretrained(folder)
        shutil.copyfile(run_dir / RUN_FILE, folder / RUN_FILE)
        (folder / "versions.json").write_text(json.dumps(versions(), indent=2) + "\n")
        (folder / "README.md").write_text(_model_card(run, metrics))
    return artifacts(run_dir / OUTPUT)


@contextmanager
def _all_or_nothing(target: Path) -> Iterator[Path]:
    """A folder that appears under its name only when everything in it was written."""
    aside = target.with_name(f"{target.name}.partial")
    aside.mkdir()
    try:
        yield aside
        aside.rename(target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def save_weights(model: PreTrainedModel | PeftModel, run: RunFile, folder: Path) -> None:
    """All weights, or the adapter, which names its base model as the catalogue does: a path of this machine means
    nothing elsewhere.
    """
    if not isinstance(model, PeftModel):
        model.save_pretrained(folder)
        return
    config = model.peft_config["default"]
    config.base_model_name_or_path = run.model_name
    config.revision = run.settings["model.revision"]
    model.save_pretrained(str(folder), save_embedding_layers=False)


def load_adapter(model: PeftModel, folder: Path) -> list[str]:
    """Into the adapter that the model has. Answers the weights that do not fit."""
    loaded: Any = set_peft_model_state_dict(model, load_peft_weights(str(folder), device="cpu"))
    return [*(key for key in loaded.missing_keys if "lora_" in key), *loaded.unexpected_keys]


def _require_reload(model: PeftModel, folder: Path) -> None:
    """Reads the file back into the model it came from: an adapter that cannot be loaded is worth nothing."""
    if lost := load_adapter(model, folder):
        raise failure(
            "adapter-not-reloadable",
            "lora.target_modules",
            f"The trained adapter does not load again: {lost[0]} does not fit. Choose other LoRA target modules.",
        )


def versions() -> dict[str, str]:
    packages = ("torch", "transformers", "peft", "trl", "datasets")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def artifacts(folder: Path) -> list[dict[str, Any]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        {"name": path.relative_to(folder).as_posix(), "size": path.stat().st_size, "sha256": sha256(path)}
        for path in files
    ]


def write_result(run_dir: Path, result: dict[str, Any]) -> None:
    """The mark of success; it is complete or absent."""
    aside = run_dir / f"{RESULT_FILE}.partial"
    aside.write_text(json.dumps(result, indent=2) + "\n")
    aside.rename(run_dir / RESULT_FILE)


def _model_card(run: RunFile, metrics: dict[str, Any]) -> str:
    kind = "LoRA adapter for" if run.lora else "Full fine-tune of"
    method = {"sft": "supervised fine-tuning", "dpo": "direct preference optimization"}[run.method]
    header = f"---\nbase_model: {run.model_name}\nlibrary_name: {'peft' if run.lora else 'transformers'}\n---\n"
    numbers = "\n".join(f"| {name} | {value} |" for name, value in metrics.items())
    return (
        f"{header}\n# {run.settings['name'] or 'Fine-tuned model'}\n\n"
        f"{kind} `{run.model_name}`, trained with {method}.\n\n"
        f"| Result | Value |\n|---|---|\n{numbers}\n\n"
        "`run.json` holds the exact settings, `versions.json` the libraries that were used.\n\n"
        f"## Use\n\n```python\n{_USE_ADAPTER if run.lora else _USE_MODEL}```\n"
    )


_USE_ADAPTER = """from peft import AutoPeftModelForCausalLM

model = AutoPeftModelForCausalLM.from_pretrained("this folder")
"""
_USE_MODEL = """from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("this folder")
"""
