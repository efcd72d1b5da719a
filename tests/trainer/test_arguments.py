"""Every setting goes somewhere, once, and under a name that TRL or PEFT knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jobs.rulebook import read
from jobs.rulebook.settings_table import SETTINGS
from jobs.trainer import arguments
from jobs.trainer.arguments import (
    DECIDED_HERE,
    DONE_BEFORE,
    FOR_DPO,
    FOR_PEFT,
    FOR_SFT,
    FOR_TRL,
    peft_arguments,
    trl_arguments,
)


def settings(**changes: Any) -> dict[str, Any]:
    changed = {name.replace("__", "."): value for name, value in changes.items()}
    return read({"training.method": "sft", **changed}).effective


def test_every_setting_of_the_table_has_exactly_one_place() -> None:
    places = [*FOR_TRL, *FOR_SFT, *FOR_DPO, *FOR_PEFT, *DECIDED_HERE, *DONE_BEFORE]
    assert sorted(places) == sorted(SETTINGS)
    assert len(places) > 30


def test_each_decision_of_ours_names_a_function_that_is_there() -> None:
    trainer = Path(arguments.__file__).parent
    for place in DECIDED_HERE.values():
        module, function = place.split(".")
        assert f"\ndef {function}(" in (trainer / f"{module}.py").read_text(), place


def test_sft_takes_packing_and_no_beta() -> None:
    given = trl_arguments(settings(data__packing=True))
    assert given["packing"] is True
    assert "beta" not in given


def test_dpo_takes_beta_and_no_packing() -> None:
    given = trl_arguments(settings(training__method="dpo", training__beta=0.3))
    assert given["beta"] == 0.3
    assert "packing" not in given


def test_an_empty_setting_keeps_the_meaning_that_trl_gives_it() -> None:
    assert "max_steps" not in trl_arguments(settings())
    assert trl_arguments(settings(training__max_steps=7))["max_steps"] == 7


def test_a_share_of_warm_up_stays_a_share() -> None:
    assert trl_arguments(settings(training__warmup_steps=0.1))["warmup_steps"] == 0.1


def test_zero_is_not_empty() -> None:
    assert trl_arguments(settings(training__max_grad_norm=0))["max_grad_norm"] == 0


def test_lora_settings_get_the_names_that_peft_uses() -> None:
    given = settings(lora__r=4, lora__alpha=8, lora__dropout=0.1, lora__use_dora=True)
    assert peft_arguments(given) == {
        "r": 4, "lora_alpha": 8, "lora_dropout": 0.1, "use_rslora": False, "use_dora": True,
    }  # fmt: skip
