"""Reading a specification: no exception, whatever is in it, and nothing silently ignored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.rulebook import SETTINGS, Choices, read
from jobs.rulebook.estimate import estimate
from jobs.rulebook.misspelt import nearest
from jobs.rulebook.reading import shown

from .world import SMOL, World, codes, spec


def problem(**changes: Any) -> Any:
    """The only finding on the good job with some changes in its flat specification."""
    (finding,) = World().report(read({**spec(), **changes}))
    return finding


def cured(job: dict[str, Any]) -> Choices:
    """The choices after pressing the first fix of the first finding."""
    choices = read(job)
    return World().press(choices, World().report(choices).findings[0].fixes[0])[1]


ALIASES = {
    "lr": "training.learning_rate", "epochs": "training.num_epochs", "num_train_epochs": "training.num_epochs",
    "per_device_train_batch_size": "training.batch_size", "rank": "lora.r", "lora_r": "lora.r",
    "gradient_accumulation_steps": "training.gradient_accumulation", "lora_alpha": "lora.alpha",
    "target_modules": "lora.target_modules", "max_seq_length": "data.max_length", "model.nmae": "model.name",
    "training.learningrate": "training.learning_rate", "training.lr": "training.learning_rate", "lora.rank": "lora.r",
    "data.max_seq_length": "data.max_length", "warmup_ratio": "training.warmup_steps", "model": "model.name",
    "learning_rte": "training.learning_rate",
    "training.epoch": "training.num_epochs", "LR": "training.learning_rate", "dora": "lora.use_dora",
}  # fmt: skip


@pytest.mark.parametrize(("name", "path"), ALIASES.items())
def test_foreign_and_misspelt_names_lead_to_the_setting(name: str, path: str) -> None:
    assert nearest(name) == path


@pytest.mark.parametrize("name", ["", "zzz", "x" * 10_000, "🦜", "deepspeed_config"])
def test_a_name_near_to_nothing_leads_nowhere(name: str) -> None:
    assert nearest(name) is None


def test_the_value_of_a_misspelt_key_is_moved_by_its_cure() -> None:
    choices = cured({**spec(), "training.epochs": 5})
    assert choices.values["training.num_epochs"] == 5
    assert choices.unknown_keys == ()


def test_the_cure_of_a_misspelt_key_also_works_on_the_json() -> None:
    finding = problem(lr="3e-5")
    assert finding.fix.changes == {"training.learning_rate": 3e-5, "lr": None}
    assert codes(World().report(read({**spec(), **finding.fix.changes}))) == []


def test_a_misspelt_key_does_not_overwrite_the_setting_itself() -> None:
    choices = cured({**spec(**{"training.num_epochs": 2}), "epochs": 7})
    assert choices.values["training.num_epochs"] == 2
    assert choices.unknown_keys == ()


@pytest.mark.parametrize("value", ["many", -3, None, [1]])
def test_a_useless_value_is_left_out_with_its_key(value: Any) -> None:
    job = {**spec(), "epochs": value}
    assert "training.num_epochs" not in (cured(job) if value is not None else read(job)).values


def test_a_key_without_a_value_is_no_problem() -> None:
    assert codes(World().report(read({**spec(), "foo": None, "training": {"bar": ""}, "training.method": "sft"}))) == []


def test_a_plain_value_for_a_group_means_its_first_setting() -> None:
    job = {**spec(), "model": SMOL}
    assert codes(World().report(read(job))) == ["specification.unknown-key"]
    assert cured(job).values["model.name"] == SMOL


def test_very_many_unknown_keys_are_refused_quickly() -> None:
    assert len(read({f"epoch{number}": 1 for number in range(200)}).unknown_keys) == 50


@pytest.mark.parametrize("names", [["q_proj"] * 1001, ["q" * 501], "q" * 501])
def test_a_list_of_names_has_its_limits(names: Any) -> None:
    assert codes(World().report(read(spec(**{"lora.target_modules": names})))) == ["specification.unreadable"]


def test_a_long_list_of_names_is_judged_in_a_short_message() -> None:
    report = World().report(read(spec(**{"lora.target_modules": [f"module{number}" for number in range(1000)]})))
    assert codes(report) == ["lora.unknown-target"]
    assert "or 988 more" in report.findings[0].message
    assert len(report.findings[0].message) < 600


@pytest.mark.parametrize("group", ["model", "data", "training", "lora"])
@pytest.mark.parametrize("value", [3.5, [1, 2], [{}], "?"])
def test_a_group_that_is_no_group_is_a_finding(group: str, value: Any) -> None:
    assert "specification.unknown-key" in codes(World().report(read({**spec(), group: value})))


@pytest.mark.parametrize("whole", [[], [1], 3, "text", None])
def test_a_specification_that_is_no_object_is_one_error(whole: Any) -> None:
    assert codes(World().report(read(whole))) == ["specification.unreadable"]


@pytest.mark.parametrize(("given_", "chosen"), [("Chat", "chat"), ("standart", "standard")])
def test_a_choice_that_is_nearly_right_is_corrected(given_: str, chosen: str) -> None:
    assert problem(**{"data.strategy": given_}).fix.changes == {"data.strategy": chosen}


def test_a_message_quotes_what_was_given() -> None:
    assert "“three”" in problem(**{"training.num_epochs": "three"}).message
    assert problem(**{"training.num_epochs": True}).message.count("true") == 1


@pytest.mark.parametrize(("raw", "value"), [("3", 3), ("3.0", 3), (3.0, 3), (" 0.5 ", 0.5), (7, 7)])
def test_a_number_reads_the_same_from_form_and_json(raw: Any, value: float) -> None:
    read_value = read({"training.num_epochs": raw}).values["training.num_epochs"]
    assert read_value == value
    assert type(read_value) is type(value)


def test_taking_a_setting_back_brings_its_default() -> None:
    choices = read(spec(**{"training.num_epochs": 7})).changed({"training.num_epochs": None})
    assert choices.effective["training.num_epochs"] == 3


def test_the_default_learning_rate_is_the_methods() -> None:
    assert read({"training.method": "dpo"}).effective["training.learning_rate"] == 5e-6


def test_the_effective_specification_reads_as_itself() -> None:
    choices = read(spec(**{"lora.target_modules": ["q_proj"]}))
    again = read(choices.spec())
    assert again.effective == choices.effective
    assert (again.unreadable, again.unknown_keys) == ((), ())


ODD = ["\x00", "\ud800", "a\nb", "9" * 5000, "x" * 100_000, 10**5000, float("nan"), {"a": {"b": 1}}, [[[]]], b"x", ()]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("path", SETTINGS)
def test_odd_values_can_be_said_stored_and_sent(path: str, value: Any) -> None:
    report = World().report(read({**spec(), path: value}))
    text = json.dumps(report.as_dict(), ensure_ascii=False, allow_nan=False)
    text.encode()
    assert "\x00" not in text


def test_a_very_deep_value_is_shown_short() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert shown(deep) == "something too large to show"


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from([*SETTINGS, "model", "data", "training", "lora", "lr", "epochs"]) | st.text(max_size=12)


@given(st.dictionaries(KEYS, ANYTHING, max_size=12))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_no_specification_raises(job: dict[str, Any]) -> None:
    choices = read(job)
    facts = World().known(choices)
    report = World().report(choices)
    answer = {**report.as_dict(), "estimate": estimate(facts).as_dict(), "spec": choices.spec()}
    json.dumps(answer, allow_nan=False, ensure_ascii=False).encode()
    for finding in report:
        for fix in finding.fixes:
            World().press(choices, fix)
