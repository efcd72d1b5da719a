"""Pressing buttons always leads somewhere: fixes neither undo each other nor break something new."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.rulebook import Choices, Finding, read

from .world import DATASETS, MODELS, World

MOST_PRESSES = 25

NUMBERS = st.sampled_from([-1, 0, 0.5, 1, 3, 8, 64, 5000, 1e9, "three", "nan", "1e400", True, None])
NAMES = st.sampled_from(["q_proj", "v_proj", "q_proj ", "Q_PROJ", "c_attn", "dense", "w1", "lm_head", "all-linear", ""])
TARGETS = st.one_of(
    st.none(),
    st.lists(NAMES, max_size=4),
    st.sampled_from(["all-linear", "q_proj,v_proj", "all", r".*\.(q|v)_proj", r".*attn", "(q_proj", "query"]),
)
SETTINGS = {
    "model.name": st.sampled_from([*MODELS, "gpt-2", None]),
    "data.dataset": st.sampled_from([*DATASETS, "nobody's", None]),
    "data.strategy": st.sampled_from(["chat", "standard", "Chat", None]),
    "training.method": st.sampled_from(["sft", "dpo", "ppo", None]),
    "lora.enabled": st.sampled_from([True, True, False, "perhaps"]),
    "lora.target_modules": TARGETS,
    "quantization": st.sampled_from(["none", "4bit", "8bit"]),
}
OPTIONAL = {
    "data.max_length": NUMBERS,
    "data.eval_fraction": st.sampled_from([0, 0.01, 0.5, 1, -1]),
    "data.bad_rows": st.sampled_from(["drop", "refuse"]),
    "data.packing": st.booleans(),
    "training.optim": st.sampled_from(["adamw_torch", "adamw_8bit", "adam"]),
    "training.warmup_steps": NUMBERS,
    "training.eval_steps": NUMBERS,
    "training.early_stopping_patience": NUMBERS,
    "training.num_epochs": NUMBERS,
    "training.max_steps": NUMBERS,
    "training.batch_size": NUMBERS,
    "training.gradient_accumulation": NUMBERS,
    "training.learning_rate": NUMBERS,
    "training.epochs": NUMBERS,
    "lora.r": NUMBERS,
    "lora.alpha": NUMBERS,
    "lora.dropout": st.sampled_from([0, 0.05, 1]),
    "lr": NUMBERS,
    "nonsense": NUMBERS,
    "model": st.sampled_from(["gpt2", 3, None]),
}
JOBS = st.fixed_dictionaries(SETTINGS, optional=OPTIONAL)
quickly = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def cause(finding: Finding) -> tuple[str, str | None, str]:
    return finding.code, finding.field, finding.message


def press_until_done(job: dict[str, Any], pick: int = 0) -> tuple[World, Choices, list[str]]:
    """Press a button of the first error that has one, again and again. Says which errors were pressed."""
    world, choices, pressed = World(), read(job), []
    while curable := [error for error in world.report(choices).errors if error.fixes]:
        error = curable[0]
        world, choices = world.press(choices, error.fixes[pick % len(error.fixes)])
        assert cause(error) not in map(cause, world.report(choices)), error
        pressed.append(error.code)
        assert len(pressed) <= MOST_PRESSES, pressed
    return world, choices, pressed


@given(JOBS)
@quickly
def test_pressing_first_cures_ends_with_no_curable_error(job: dict[str, Any]) -> None:
    world, choices, _ = press_until_done(job)
    assert all(not error.fixes for error in world.report(choices).errors)


@given(JOBS, st.integers(0, 3))
@quickly
def test_pressing_any_cure_ends_too(job: dict[str, Any], pick: int) -> None:
    press_until_done(job, pick)


@given(JOBS, st.sampled_from(["chat", "text", "pairs", "bad rows", "few", "long"]))
@quickly
def test_a_job_on_usable_rows_becomes_green(job: dict[str, Any], dataset: str) -> None:
    world, choices, _ = press_until_done(job | {"data.dataset": dataset})
    assert world.report(choices).ok


@given(JOBS)
@quickly
def test_a_first_cure_reveals_but_never_breaks(job: dict[str, Any]) -> None:
    world, choices = World(), read(job)
    before = world.report(choices)
    for error in (error for error in before.errors if error.fix):
        assert error.fix is not None
        after_world, after = world.press(choices, error.fix)
        new = {each.code for each in after_world.report(after).errors} - {each.code for each in before.errors}
        assert not new or reveals(error), (cause(error), new)


def reveals(error: Finding) -> bool:
    """Other rules could not be asked because of it: a value was missing, unreadable or out of all bounds."""
    return error.code.startswith(("required.", "specification.", "model.unknown", "quantization.full", "numbers."))
