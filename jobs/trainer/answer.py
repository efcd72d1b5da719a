"""python -m jobs.trainer.answer MODEL_DIR [--adapter DIR] [--compare] PROMPT...

Prints the model's answers as a JSON list; with --compare as {"before": [...], "after": [...]}, where only the
second has the adapter. Always the most likely words, so that an answer can be repeated.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    options = read_arguments()
    os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1", OMP_WAIT_POLICY="PASSIVE")
    model, tokenizer = load(options.model, options.adapter)
    answers: Any = [answer(model, tokenizer, prompt, options.max_new_tokens) for prompt in options.prompts]
    if options.compare:
        with model.disable_adapter():
            before = [answer(model, tokenizer, prompt, options.max_new_tokens) for prompt in options.prompts]
        answers = {"before": before, "after": answers}
    json.dump(answers, sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")
    return 0


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m jobs.trainer.answer", description="Ask a model.")
    parser.add_argument("model", type=Path, metavar="MODEL_DIR")
    parser.add_argument("prompts", nargs="+", metavar="PROMPT")
    parser.add_argument("--adapter", type=Path, metavar="DIR", help="a trained adapter to put on the model")
    parser.add_argument("--compare", action="store_true", help="answer without and with the adapter")
    parser.add_argument("--max-new-tokens", type=int, default=80)
    options = parser.parse_args()
    if options.compare and options.adapter is None:
        parser.error("--compare needs --adapter.")
    return options


def load(folder: Path, adapter: Path | None) -> tuple[Any, Any]:
    """Model and tokenizer. The adapter's folder has the tokenizer as it was trained with."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True)
    model = model.to(device)
    tokenizer = AutoTokenizer.from_pretrained(adapter or folder)
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter))
    return model.eval(), tokenizer


def answer(model: Any, tokenizer: Any, prompt: str, max_new_tokens: int) -> str:
    """One answer: through the chat template if there is one, else as a continuation of the prompt."""
    import torch

    if tokenizer.chat_template:
        conversation = [{"role": "user", "content": prompt}]
        inputs = tokenizer.apply_chat_template(
            conversation, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
    else:
        inputs = tokenizer(prompt, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(
            **inputs.to(model.device),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
        )
    return str(tokenizer.decode(tokens[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True)).strip()


if __name__ == "__main__":
    sys.exit(main())
