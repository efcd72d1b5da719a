"""Which modules LoRA targets reach, what that costs, and what PEFT would refuse."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jobs.rulebook import patterns
from jobs.rulebook.patterns import LONGEST, BadPattern, SlowPattern, full_matches
from jobs.rulebook.targets import Targets, nearest, recommend, resolve
from jobs.rulebook.tree import read_modules

from .trees import GPT2, LLAMA, MAMBA, MIXTRAL, QWEN_MOE


def counts(targets: Targets, tree: Any, rank: int = 16) -> dict[str, int]:
    return dict(resolve(targets, read_modules(**tree), rank).names)


def problem(targets: Targets, tree: Any, rank: int = 16) -> str:
    return resolve(targets, read_modules(**tree), rank).problem


def test_each_name_is_counted_on_its_own() -> None:
    assert counts(("q_proj", "v_proj", "c_attn"), LLAMA) == {"q_proj": 32, "v_proj": 32, "c_attn": 0}


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("self_attn.q_proj", 32),
        ("layers.3.self_attn.q_proj", 1),
        ("model.layers.31.self_attn.q_proj", 1),
        ("layers.32.self_attn.q_proj", 0),
        ("layers.03.self_attn.q_proj", 0),
        ("layers.{}.self_attn.q_proj", 0),
        ("_proj", 0),
        ("Q_PROJ", 0),
        ("q_proj.weight", 0),
        ("", 0),
    ],
)
def test_a_name_matches_whole_last_parts_of_a_path(name: str, count: int) -> None:
    assert counts((name,), LLAMA) == {name: count}


def test_names_that_overlap_give_each_module_one_adapter() -> None:
    both = resolve(("q_proj", "layers.0.self_attn.q_proj"), read_modules(**LLAMA), 16)
    assert both.modules == 32


@pytest.mark.parametrize(
    ("targets", "tree", "expected"),
    [
        (("self_attn",), LLAMA, "unsupported"),
        (("input_layernorm", "q_proj"), LLAMA, "unsupported"),
        ((), LLAMA, "nothing"),
        (("c_attn",), LLAMA, "nothing"),
        ("q_proj", LLAMA, "nothing"),
        (".*", LLAMA, "unsupported"),
        ("(q_proj", LLAMA, "bad-pattern"),
        (r".*\.(q|v)_proj", LLAMA, ""),
        (("conv1d",), MAMBA, "unsupported"),
        ("all-linear", MAMBA, "unsupported"),
        (("in_proj",), MAMBA, ""),
        (("w1", "w2"), MIXTRAL, "half-pair"),
        (("w1", "w3"), MIXTRAL, ""),
        (("gate_proj", "up_proj"), MIXTRAL, "nothing"),
    ],
)
def test_what_peft_would_refuse_is_known(targets: Targets, tree: Any, expected: str) -> None:
    assert problem(targets, tree) == expected


def test_all_linear_leaves_out_the_output_head() -> None:
    assert set(counts("all-linear", LLAMA)) == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
    }  # fmt: skip


def test_all_linear_reaches_experts_and_router_of_a_mixture() -> None:
    found = resolve("All-Linear", read_modules(**MIXTRAL), 16)
    assert set(found.experts) == {"gate_up_proj", "down_proj"}
    assert round(found.trainable / 10**6, 2) == 359.67


def test_the_two_halves_of_a_pair_share_twice_the_rank() -> None:
    found = resolve(("w1", "w3"), read_modules(**MIXTRAL), 4)
    assert [(each.module.leaf, each.rank) for each in found.reached] == [("gate_up_proj", 8)]
    assert found.names == {"w1": 32, "w3": 32}


def test_a_pattern_reaches_experts_by_their_older_paths() -> None:
    assert resolve(r".*\.experts\.(gate|up)_proj", read_modules(**QWEN_MOE), 8).experts == ("gate_up_proj",)


def test_trained_parameters_are_rank_times_inputs_and_outputs() -> None:
    found = resolve(("q_proj", "v_proj"), read_modules(**LLAMA), 16)
    assert found.trainable == 16 * 32 * ((4096 + 4096) + (4096 + 1024))


def test_dora_adds_a_size_for_every_output() -> None:
    tree = read_modules(**GPT2)
    assert resolve(("c_attn",), tree, 8, dora=True).trainable - resolve(("c_attn",), tree, 8).trainable == 12 * 2304


def test_an_adapter_on_the_embedding_brings_the_whole_embedding_to_disk() -> None:
    found = resolve(("embed_tokens",), read_modules(**LLAMA), 1)
    assert found.adapter_bytes > 4 * 128_256 * 4096


def test_recommended_are_all_linear_layers_that_should_carry_an_adapter() -> None:
    expected = {
        "llama": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        "gpt2": ("c_attn", "c_proj", "c_fc"),
        "mixtral": ("q_proj", "k_proj", "v_proj", "o_proj"),
        "mamba": ("in_proj", "x_proj"),
    }
    trees = {"llama": LLAMA, "gpt2": GPT2, "mixtral": MIXTRAL, "mamba": MAMBA}
    assert {name: recommend(read_modules(**tree)) for name, tree in trees.items()} == expected


def test_a_name_that_also_means_a_block_is_recommended_with_its_parent() -> None:
    lines = [
        {"path": "layers.{}.mlp.dense", "at": [[0, 1]], "kind": "linear", "inputs": 8, "outputs": 8},
        {"path": "head.dense", "kind": "other"},
    ]
    assert recommend(read_modules(lines)) == ("mlp.dense",)


@pytest.mark.parametrize(
    ("wrong", "right"), [("q_pro", "q_proj"), ("qproj", "q_proj"), ("down", "down_proj"), ("xyz", "")]
)
def test_the_nearest_real_name_is_found(wrong: str, right: str) -> None:
    assert next(iter(nearest(wrong, read_modules(**LLAMA))), "") == right


PATHS = [f"model.layers.{layer}.self_attn.{name}_proj" for layer in range(94) for name in "qkvo"] * 5
HOSTILE = [
    "(" * 6 + ".*" + ")+" * 6 + "!",
    "(" * 19 + ".*" + ")+" * 19 + "!",
    r"(\w+\.?)+!",
    "(a?){100}" * 40,
    "(.*.*.*.*)" * 20 + "!",
    ".*.*.*.*!",
    r"((a{1,1000}){1,1000}){1,1000}",
    "x" * (LONGEST + 1),
]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_no_pattern_holds_the_portal_up(pattern: str) -> None:
    began = time.process_time()
    try:
        assert full_matches(pattern, PATHS) == []
    except BadPattern as error:
        assert str(error)
    assert time.process_time() - began < 2


def test_a_pattern_that_takes_longer_than_it_may_is_told_as_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.001)
    with pytest.raises(SlowPattern, match="takes longer"):
        full_matches("(" * 6 + ".*" + ")+" * 6 + "!", PATHS)


@pytest.mark.parametrize("pattern", ["(", "a{1,99999999999}", "[[:alpha:]]+", "x{e<=1}(a|b)+", "(?P<a>x)(?P<a>y)", "*"])
def test_what_cannot_be_read_or_is_read_in_two_ways_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        full_matches(pattern, PATHS)


def test_a_tree_of_235_billion_parameters_is_resolved_in_milliseconds() -> None:
    """The fastest of some tries: other programs run too."""
    took = []
    for _ in range(5):
        tree = read_modules(list(QWEN_MOE["modules"]), QWEN_MOE["renamed"])
        began = time.perf_counter()
        resolve("all-linear", tree, 16)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.005
