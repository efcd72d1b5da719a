"""What was foretold of each kind of row is what TRL's own preparation makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models_catalog.inspection.probes import BASE, SHAPES, Probe
from models_catalog.inspection.templates import look_at_template

from .small_tokenizers import CHATML, make_tokenizer, published
from .test_templates import ENDS, LINES, STRICT, TWO_ROLES

OWN = {"chatml": CHATML, "strict": STRICT, "two roles": TWO_ROLES}
ROWS = {**BASE, **SHAPES}


@pytest.fixture(scope="module")
def seen() -> list[str]:
    return []


def make_trainer(folder: Path) -> Any:
    from datasets import Dataset
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    plain: dict[str, Any] = {"use_cpu": True, "bf16": False, "activation_checkpointing": False, "report_to": "none"}
    arguments = SFTConfig(output_dir=str(folder / "out"), max_length=None, **plain)
    rows = Dataset.from_list([{"text": "x"}])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return SFTTrainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer)


def prepared(trainer: Any, probe: Probe) -> str | None:
    """The text of a row as it would be trained, or None where TRL stops."""
    from datasets import Dataset

    rows = Dataset.from_list([{"messages": list(probe.messages)}])
    tokenizer = trainer.processing_class
    try:
        made = trainer._prepare_dataset(rows, tokenizer, trainer.args, False, None, "train")
    except Exception:
        return None
    return str(tokenizer.decode(made[0]["input_ids"]))


@pytest.mark.slow
@pytest.mark.parametrize("line", [*OWN, *LINES])
def test_each_kind_of_row_is_refused_or_shortened_as_foretold(tmp_path: Path, line: str, seen: list[str]) -> None:
    folder = make_tokenizer(tmp_path, OWN.get(line) or published(line), special=ENDS)
    part = look_at_template(folder)
    foretold = {**part.shown["shapes"], **{name: part.shown["roles"].get(name) for name in ("system", "tool")}}
    trainer = make_trainer(folder)
    for name, probe in ROWS.items():
        text = prepared(trainer, probe)
        fate = foretold.get(name) or foretold["no-system"]
        really = "refused" if text is None else "dropped" if [m for m in probe.marks if m not in text] else "kept"
        assert (name, fate["outcome"]) == (name, really)
        seen.append(name)


@pytest.mark.slow
def test_all_of_them_were_tried(seen: list[str]) -> None:
    assert len(seen) == len(ROWS) * len([*OWN, *LINES])
