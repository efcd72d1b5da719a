"""What is known of an architecture before one of its models was looked into says what the look then says."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from models_catalog.families import UNFIT
from models_catalog.inspection.building import build
from models_catalog.inspection.tree import tree_facts
from tests.architectures import DECODERS, tiny_config


@pytest.mark.parametrize("kind", sorted(UNFIT))
def test_modules_that_carry_no_adapter_are_known_before_a_look(kind: str) -> None:
    assert set(found_unfit(kind)) == UNFIT[kind]


@pytest.mark.slow
def test_no_architecture_that_can_be_trained_is_missing() -> None:
    found = {kind: unfit for kind in DECODERS if (unfit := found_unfit(kind))}
    assert found == {kind: UNFIT[kind] for kind in UNFIT}


def found_unfit(kind: str) -> set[str]:
    config = tiny_config(kind)
    facts = tree_facts(config, build(config))
    return set() if facts["untrainable"] else set(facts["unfit_modules"])
