"""A run that begins with the weights of an earlier one goes on learning, with a schedule of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.trainer.failures import TrainingError
from tests.trainer.interrupted import attempt
from tests.trainer.runs import Outcome, make_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:`.*` is deprecated and will be removed in v6:FutureWarning"),
]
FULL: dict[str, Any] = {"lora__enabled": False, "training__learning_rate": 0.001}


def begun(root: Path, model: Path, kind: str, **changes: Any) -> tuple[Outcome, Outcome]:
    first = attempt(make_run(root / "1", model, kind, **changes))
    again = {"training__num_epochs": 1, "training__start_from": 1}
    second = attempt(make_run(root / "2", model, kind, **changes, **again), start_from=str(first.output))
    return first, second


@pytest.mark.parametrize("kind", [{}, FULL], ids=["adapter", "all weights"])
def test_it_goes_on_where_the_earlier_one_ended(chat_llama: Path, tmp_path: Path, kind: dict[str, Any]) -> None:
    first, second = begun(tmp_path, chat_llama, "messages", **kind)
    assert second.code == 0
    assert second.losses[0] < 0.9 * first.losses[0]
    assert [each["step"] for each in second.said("step")] == [1, 2, 3, 4, 5, 6]
    rates = [each["learning_rate"] for each in second.said("step")]
    assert rates[0] == kind.get("training__learning_rate", 0.01)
    (said,) = (reason for reason in second.said("prepared")[0]["reasons"] if "earlier job" in reason)
    assert said.endswith(f"new schedule: warm up over 0 steps, then linear from {rates[0]} to 0 over 6 steps.")


@pytest.mark.parametrize("kind", [{}, FULL], ids=["adapter", "all weights"])
def test_preferences_are_still_held_against_the_base_model(
    plain_qwen2: Path, tmp_path: Path, kind: dict[str, Any]
) -> None:
    """The first loss of a fresh run is ln 2; one that goes on begins with what was learnt."""
    first, second = begun(tmp_path, plain_qwen2, "preference", training__method="dpo", **kind)
    assert first.losses[0] == pytest.approx(0.69315, abs=1e-4)
    assert second.losses[0] < 0.6


def test_an_adapter_of_another_shape_is_refused(chat_llama: Path, tmp_path: Path) -> None:
    first = attempt(make_run(tmp_path / "1", chat_llama, training__max_steps=1, lora__target_modules=["q_proj"]))
    with pytest.raises(TrainingError) as refused:
        attempt(make_run(tmp_path / "2", chat_llama, training__start_from=1), start_from=str(first.output))
    assert refused.value.finding.code == "trainer.earlier-does-not-fit"


def test_weights_that_are_gone_are_not_replaced_by_the_base_models(chat_llama: Path, tmp_path: Path) -> None:
    for told in ({"start_from": str(tmp_path / "gone")}, {}):
        with pytest.raises(TrainingError) as refused:
            attempt(make_run(tmp_path / "2", chat_llama, training__start_from=1), **told)
        assert refused.value.finding.code == "trainer.earlier-missing"
