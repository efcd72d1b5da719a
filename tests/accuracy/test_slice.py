"""A small slice of `make accuracy`, so that a check that got worse is noticed with every change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from . import cases, table
from .judge import Judge
from .lab import Lab
from .models import Folders
from .portal import Portal
from .records import Records
from .warm import Warm

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

RIGHT = {
    "arch/llama/recommended": "accepted_ok",
    "arch/gpt2/recommended": "accepted_ok",
    "shape/preference-chat": "accepted_ok",
    "shape/text-nan-beside": "accepted_ok",
    "shape/completion-long-prompt": "refused_bad",
    "shape/chat-null-answer": "refused_bad",
    "shape/text-capital": "refused_bad",
    "suits/chat/standard-sft": "refused_bad",
    "setting/training.learning_rate=-1": "refused_bad",
    "targets/llama/['q_pro']": "refused_bad",
    "tokenizer/chat-alternates/chat-assistant-first": "refused_bad",
    "misspelt/lora.rank": "refused_bad",
}


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Judge, Folders]]:
    monkeypatch.setattr(settings, "LOCAL_ROOTS", [tmp_path])
    lab, warm = Lab(tmp_path / "lab.log"), Warm(tmp_path / "warm" / "socket")
    folders = Folders(tmp_path, lab)
    portal = Portal(folders.at_hand(), tmp_path / "scratch", warm)
    yield Judge(portal, lab, Records(tmp_path), tmp_path / "scratch"), folders
    warm.close()
    lab.close()


def test_the_check_is_right_about_a_slice_of_the_cases_and_its_fixes_cure(judge: tuple[Judge, Folders]) -> None:
    deciding, folders = judge
    made = {case.name: case for case in cases.own_cases()}
    results: list[dict[str, Any]] = [deciding.judge(made[name], folders.of(made[name])).as_dict() for name in RIGHT]
    assert {each["name"]: each["cell"] for each in results} == RIGHT, "\n".join(table.lines(results))
    counted = table.summary(results)
    assert counted["fixes_offered"] >= 5
    assert counted["fixes_that_cure"] == counted["fixes_offered"], "\n".join(table.lines(results))
