"""Words for a schedule are what transformers computes."""

from __future__ import annotations

import pytest

from jobs.rulebook.rates import schedule_in_words
from jobs.rulebook.settings_table import SETTINGS

WORDS = {
    "linear": "warm up over 10 steps, then linear from 0.0002 to 0 over 90 steps",
    "cosine": "warm up over 10 steps, then along a cosine from 0.0002 to 0 over 90 steps",
    "cosine_with_restarts": "warm up over 10 steps, then along a cosine from 0.0002 to 0 over 90 steps",
    "polynomial": "warm up over 10 steps, then linear from 0.0002 to 1e-07 over 90 steps",
    "constant": "0.0002 for all 100 steps",
    "constant_with_warmup": "warm up over 10 steps, then 0.0002 for 90 steps",
    "inverse_sqrt": "warm up over 10 steps, then from 0.0002 with the inverse square root of the steps, for 90 steps",
}


def test_every_scheduler_has_words() -> None:
    assert WORDS.keys() == SETTINGS["training.lr_scheduler_type"].choices.keys()


@pytest.mark.parametrize("scheduler", WORDS)
def test_a_schedule_is_said(scheduler: str) -> None:
    assert schedule_in_words(scheduler, 2e-4, 0.1, 100) == WORDS[scheduler]


def test_warm_up_is_a_share_or_a_number_of_steps() -> None:
    assert schedule_in_words("linear", 1e-3, 3, 10) == "warm up over 3 steps, then linear from 0.001 to 0 over 7 steps"


@pytest.mark.slow
@pytest.mark.parametrize(("scheduler", "last"), [("cosine_with_restarts", 0.0), ("polynomial", 1e-7), ("linear", 0.0)])
def test_transformers_ends_where_the_words_say(scheduler: str, last: float) -> None:
    import torch
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2e-4)
    rates = get_scheduler(scheduler, optimizer, num_warmup_steps=10, num_training_steps=100)
    seen = []
    for _ in range(100):
        optimizer.step()
        rates.step()
        seen.append(rates.get_last_lr()[0])
    assert max(seen) == seen[9] == 2e-4
    assert seen[-1] == pytest.approx(last, abs=1e-12)
