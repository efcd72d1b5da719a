"""Pressing the button of a finding, with and without JavaScript."""

from __future__ import annotations

import html
import re
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from datasets_app.models import Dataset
from tests.make import make_dataset, make_model


def buttons(content: bytes) -> list[str]:
    return [html.unescape(value) for value in re.findall(r'name="fix" value="([^"]+)"', content.decode())]


def typed_in(answer: Any) -> dict[str, Any]:
    return dict(answer.context["form"].typed)


def test_a_fix_changes_its_setting_and_nothing_else(person: Client, good: dict[str, str]) -> None:
    typed = good | {"name": "my run", "training.num_epochs": "50", "training.seed": "7"}
    drawn = person.post("/jobs/check", typed)
    (fix,) = buttons(drawn.content)
    fixed = person.post("/jobs/fix", typed | {"fix": fix})
    assert typed_in(fixed) == typed | {"training.num_epochs": "10"} | {
        k: v for k, v in typed_in(fixed).items() if "seen:" in k
    }
    assert not buttons(fixed.content)


def test_fixes_pressed_one_after_the_other_lead_to_a_job_that_can_start(person: Client, owner: User) -> None:
    make_model()
    make_model("house/tiny-gpt2", family="GPT-2", chat=False)
    typed: dict[str, Any] = {
        "model.name": "house/tiny-gpt2",
        "data.dataset": str(make_dataset(owner).pk),
        "data.strategy": "chat",
        "training.method": "sft",
        "training.batch_size": "0",
        "lora.target_modules": "q_proj, v_proj",
    }
    for _ in range(8):
        offered = buttons(person.post("/jobs/summary", typed).content)
        if not offered:
            break
        typed = typed_in(person.post("/jobs/fix", typed | {"fix": offered[0]}))
    assert person.post("/jobs/new", typed).status_code == 302


def test_a_fix_can_convert_the_dataset(person: Client, owner: User) -> None:
    make_model("house/tiny-gpt2", family="GPT-2", chat=False)
    dataset = make_dataset(owner)
    typed = {"model.name": "house/tiny-gpt2", "data.dataset": str(dataset.pk), "data.strategy": "chat",
             "training.method": "sft"}  # fmt: skip
    offered = person.post("/jobs/check", typed)
    labels = [fix for finding in offered.context["form"].shown for fix in finding.fixes]
    convert = next(fix for fix in labels if fix.label.startswith("Convert"))
    fixed = typed_in(person.post("/jobs/fix", typed | {"fix": convert.value}))
    assert Dataset.objects.get(pk=fixed["data.dataset"]).format == "text"
    assert fixed["data.strategy"] == "standard"


def test_a_fix_that_is_offered_no_more_changes_nothing_and_says_so(person: Client, good: dict[str, str]) -> None:
    answer = person.post("/jobs/fix", good | {"fix": "number.usual|training.num_epochs|0"})
    assert "no longer needed" in answer.content.decode()
    assert {path: typed_in(answer)[path] for path in good} == good


def test_a_made_up_fix_is_not_applied(person: Client, good: dict[str, str]) -> None:
    for value in ("", "x", "a|b|c|d", "|||", "number.usual|training.num_epochs|99999999999999"):
        assert person.post("/jobs/fix", good | {"fix": value}).status_code == 200


def test_with_htmx_the_focus_goes_to_the_fixed_field(person: Client, good: dict[str, str]) -> None:
    typed = good | {"training.num_epochs": "50"}
    (fix,) = buttons(person.post("/jobs/check", typed).content)
    answer = person.post("/jobs/fix", typed | {"fix": fix}, headers={"HX-Request": "true"})
    assert "id_training-num_epochs" in answer.headers["HX-Trigger-After-Settle"]
    assert b"<html" not in answer.content
