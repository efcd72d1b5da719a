"""Weights and optimizers in fewer bits, against the packages and GPUs of the machine and the layers of the model."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.rulebook import RULES
from jobs.rulebook.findings import Finding

from .world import SMOL


def found(code: str, **facts: Any) -> list[Finding]:
    rule = RULES[f"quantization.{code}"]
    return rule.findings({**rule.breaks, **facts})


def cards(*capabilities: tuple[int, int]) -> list[dict[str, Any]]:
    return [{"index": n, "name": f"Card {n}", "capability": list(each)} for n, each in enumerate(capabilities)]


@pytest.mark.parametrize(
    ("version", "old"),
    [("0.45.5", True), ("0.46.0", True), ("0.46.1", False), ("0.46.1.dev0", False), ("0.50.2", False), ("1.0", False)],
)
def test_a_package_that_transformers_does_not_take_is_told(version: str, old: bool) -> None:
    assert bool(found("package-too-old", package_versions={"bitsandbytes": version})) is old


def test_an_optimizer_needs_the_package_as_well() -> None:
    both = found("package-too-old", optim="paged_adamw_8bit")
    assert [finding.field for finding in both] == ["quantization", "training.optim"]
    assert found("package-too-old", quantization="none") == []
    assert found("package-too-old", package_versions={}) == [], "that it is missing is another rule's"


@pytest.mark.parametrize(
    ("bits", "capabilities", "offered"),
    [
        ("8bit", [(7, 0)], ["4bit", "none"]),
        ("8bit", [(7, 5)], None),
        ("8bit", [(7, 0), (9, 0)], None),
        ("4bit", [(7, 0)], None),
        ("4bit", [(5, 2)], ["none"]),
        ("none", [(5, 2)], None),
    ],
)
def test_a_gpu_that_is_too_old_is_told(
    bits: str, capabilities: list[tuple[int, int]], offered: list[str] | None
) -> None:
    told = found("card-too-old", quantization=bits, gpu_list=cards(*capabilities))
    assert [fix.changes["quantization"] for finding in told for fix in finding.fixes] == (offered or [])
    assert bool(told) is (offered is not None)


def test_dora_on_8_bits_runs_on_a_gpu_only() -> None:
    assert found("dora-on-processor")
    for changes in ({"gpus": 1}, {"quantization": "4bit"}, {"use_dora": False}, {"lora_enabled": False}):
        assert found("dora-on-processor", **changes) == []


def test_a_model_of_linear_layers_is_packed_gladly() -> None:
    linear = {"path": "model.layers.{}.mlp", "at": [(0, 31)], "kind": "linear", "inputs": 4096, "outputs": 4096}
    (finding,) = found("experts-stay")
    assert "only 1% of the weights of mistralai/Mixtral-8x7B-v0.1" in finding.message
    assert found("experts-stay", model=SMOL, modules=[linear], parameters=6 * 10**8) == []
